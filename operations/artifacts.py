"""Programs that Debian does not have are in /opt as the catalogue names them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host, ctx_state

from facts.artifacts import programs
from facts.survey import Part, Unread
from operations.engine import Commands, Script, bring, read, refuse
from operations.upload import Upload
from recettes.artifacts import (
    Program,
    Wanted,
    incoming,
    place,
    plan_artifacts,
    remove_script,
    unpack_script,
    unpacks,
    written,
)
from recettes.catalogue import Artifact, aged
from recettes.change import Change
from recettes.contents.entries import ContentsError
from recettes.contents.maven import FetchError, fetch
from recettes.contents.program import pack

Programs = Mapping[str, Program]


def artifacts_part(wanted: Wanted) -> Part[dict[str, Program]]:
    """What `artifacts` and `artifacts_fetched` read; for the survey."""
    return programs(wanted)


@operation()
def artifacts_fetched(wanted: Wanted) -> Commands:
    """What this machine lacks is in the controller's cache, or the machine is refused: call it before the first change.

    A dry run fetches nothing.
    """
    if not ctx_state.get().is_executing:
        return
    actual = read(artifacts_part(wanted))
    if isinstance(actual, Unread):
        return  # `artifacts` says so
    lacking = [want for change in plan_artifacts(actual, wanted) if unpacks(change) and (want := _of(change, wanted))]
    if not lacking:
        return
    ctx_host.get().log(f"  fetching {', '.join(map(str, lacking))}")
    try:
        fetch(piece for one in lacking for piece in one.pieces)
    except FetchError as error:
        yield refuse(str(error))


@operation()
def artifacts(wanted: Wanted, today: date) -> Commands:
    """Every wanted program is in /opt, whole; versions that nobody names any more are gone."""

    def plan(actual: Programs) -> list[Change]:
        for sentence in aged({name: want for name, want in wanted.items() if want}, today):
            ctx_host.get().log(f"  {sentence}")
        return plan_artifacts(actual, wanted)

    def apply(_: Programs, changes: Sequence[Change]) -> Iterator[PyinfraCommand]:
        for change in changes:
            if unpacks(change) and (want := _of(change, wanted)):
                yield Upload(partial(pack, want), incoming(want), ContentsError)
                yield Script(f"{change.action} {want}", unpack_script(want))
        if gone := [change for change in changes if not unpacks(change)]:
            yield Script(f"{len(gone)} programs declared no more", remove_script(gone))

    yield from bring(
        artifacts_part(wanted), plan, apply, unchanged="programs as wanted", writes=lambda _, changes: written(changes)
    )


def _of(change: Change, wanted: Wanted) -> Artifact | None:
    return next((want for want in wanted.values() if want and place(want) == change.item), None)
