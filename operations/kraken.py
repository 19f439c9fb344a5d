"""Kraken and its models lie in /opt of a compute machine. Everything is fetched here and sent: the machine fetches nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host, ctx_state

from facts.kraken import kraken_state
from facts.survey import Part, Unread
from operations.engine import Commands, Script, bring, read, refuse
from operations.upload import Upload
from recettes.change import Change
from recettes.compute.kraken import (
    CURRENT,
    INCOMING,
    Kraken,
    KrakenState,
    link_script,
    place_script,
    plan_kraken,
    remove_script,
    uploads,
    wheels_script,
)
from recettes.contents.entries import ContentsError
from recettes.contents.wheels import pack_wheels, wheels
from recettes.ocr.large import Large
from recettes.ocr.venv import Venv, builds


def send_large(large: Large, path: str) -> Upload:
    """The file comes to `path` on the machine."""
    return Upload(partial(_copy, large), path, OSError)


def send_wheels(venv: Venv, path: str) -> Upload:
    """The wheels come to `path` on the machine as a tar, fetched first if need be."""
    return Upload(partial(_wheels, venv), path, ContentsError)


def kraken_part(wanted: Kraken) -> Part[KrakenState]:
    """What `kraken` and `kraken_fetched` read; for the survey."""
    return kraken_state(wanted)


@operation()
def kraken_fetched(wanted: Kraken) -> Commands:
    """The wheels that this machine lacks are in the controller's cache, or it is refused: call it before the first change.

    A dry run fetches nothing.
    """
    if not ctx_state.get().is_executing or wanted.venv is None:
        return
    actual = read(kraken_part(wanted))
    if isinstance(actual, Unread) or not builds(plan_kraken(actual, wanted)):
        return
    ctx_host.get().log("  fetching Kraken's wheels")
    try:
        wheels(wanted.venv.requirements, wanted.venv.version, wanted.venv.platforms)
    except ContentsError as error:
        yield refuse(str(error))


@operation()
def kraken(wanted: Kraken) -> Commands:
    """Kraken is in /opt/kraken as declared, whole, and so are the models; others are gone."""
    yield from bring(
        kraken_part(wanted),
        lambda actual: plan_kraken(actual, wanted),
        lambda _, changes: _apply(wanted, changes),
        unchanged="Kraken as wanted",
    )


def _apply(want: Kraken, changes: Sequence[Change]) -> Iterator[PyinfraCommand]:
    for path, large in uploads(changes, want).items():
        yield send_large(large, f"{INCOMING}/file")
        yield Script(path, place_script(f"{INCOMING}/file", path))
    if want.venv and builds(changes):
        yield send_wheels(want.venv, f"{INCOMING}/wheels.tar")
        yield Script("Kraken, from wheels", wheels_script(want.venv, f"{INCOMING}/wheels.tar"))
    if want.venv and any(change.item == CURRENT for change in changes):
        yield Script(CURRENT, link_script(want.venv))
    if gone := [change for change in changes if change.action == "remove"]:
        yield Script(f"{len(gone)} left-overs", remove_script(gone))


def _copy(large: Large, stream: BinaryIO) -> None:
    with large.source.open("rb") as file:
        shutil.copyfileobj(file, stream)


def _wheels(venv: Venv, stream: BinaryIO) -> None:
    pack_wheels(wheels(venv.requirements, venv.version, venv.platforms), stream)
