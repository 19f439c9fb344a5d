"""The gate's account on a cluster is as wanted: programs, settings, models, Kraken, the key; and a page came back recognised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.hpc import account_state
from facts.survey import Part
from operations.engine import Commands, Script, begun, bring, read, refuse
from operations.kraken import send_large, send_wheels
from recettes.change import Change
from recettes.ocr.account import (
    Account,
    AccountState,
    lets_in,
    plan_account,
    refusals,
    removed,
    tries,
    uploads,
)
from recettes.ocr.account_scripts import (
    folders_script,
    incoming,
    keys_script,
    place_script,
    programs_script,
    remove_script,
    trial_script,
    wheels_script,
)
from recettes.ocr.venv import builds
from recettes.recipes import ROOT


def account_part(want: Account) -> Part[AccountState]:
    """What `account` reads; for the survey."""
    return account_state(want)


@operation()
def account(wanted: Account, today: date) -> Commands:
    """All of ours lies in the account's ~/ocr, a page came back recognised, and the key may call the gate."""
    begun()
    part = account_part(wanted)
    actual = read(part)
    if isinstance(actual, AccountState) and (why := refusals(actual, wanted, today)):
        yield refuse(f"{'; '.join(why)}. Nothing was changed on this account.")
        return
    yield from bring(
        part,
        lambda found: plan_account(found, wanted),
        lambda found, changes: _apply(found, wanted, changes),
        unchanged="the account as wanted",
    )


@operation()
def cannot(why: str) -> Commands:
    """Nothing can be done for this account, and why."""
    begun()
    yield refuse(why)


def _apply(actual: AccountState, want: Account, changes: Sequence[Change]) -> Iterator[PyinfraCommand]:
    yield Script("folders", folders_script(want))
    if want.venv and builds(changes):
        archive = incoming(want, "wheels.tar")
        yield send_wheels(want.venv, archive)
        yield Script("Kraken, from wheels", wheels_script(want, want.venv, archive))
    # Last of what takes long: another model in its place is refused by the gate until the settings name it, too.
    for path, large in uploads(changes, want).items():
        arrived = incoming(want, "file")
        yield send_large(large, arrived)
        yield Script(path, place_script(want, arrived, path))
    if paths := [change.item for change in changes if change.item in want.files]:
        yield Script(f"{len(paths)} files of the gate", programs_script(want, paths))
    if tries(changes):
        program = (ROOT / "programs/ocr-trial").read_text(encoding="utf-8")
        page = (ROOT / "recettes/ocr/trial.png").read_bytes()
        yield Script("a page is recognised", trial_script(want, program, page))
    if lets_in(changes):
        yield Script("the key", keys_script(want, actual.keys))
    if gone := removed(changes):
        yield Script(f"{len(gone)} left-overs", remove_script(gone))
