"""Units run as wanted, and have read what lies there."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.survey import Part
from facts.units import dropped_units, unit_table
from operations.engine import Knowledge, Script, bring, knowledge, pending
from recettes.change import Change
from recettes.units import (
    Begun,
    Unit,
    UnitState,
    UnitTable,
    as_begun,
    pending_definitions,
    plan_dropped,
    plan_units,
    units_script,
)

# Units that earlier operations of this run start or reload.
_begun: WeakKeyDictionary[Knowledge, dict[str, Begun]] = WeakKeyDictionary()
# The pending definitions that systemd was made to read in this run: a dry run, too, must not announce that twice.
_reread: WeakKeyDictionary[Knowledge, frozenset[str]] = WeakKeyDictionary()


def units_part(wanted: Mapping[str, Unit]) -> Part[UnitTable]:
    """What `units` reads; for the survey."""
    return unit_table(wanted)


@operation()
def units(wanted: Mapping[str, Unit]) -> Generator[PyinfraCommand, None, None]:
    """Units are enabled and run, or neither, as wanted; what has not read the files that lie there is reloaded or restarted.

    The files of the units are there before. A second call for the same units is for what was written since the first.
    """
    yield from bring(unit_table(wanted), lambda actual: _plan(actual, wanted), _commands, unchanged="units as wanted")


def started(name: str) -> None:
    """What is being planned starts the unit: a dry run of `units` will find that it has read all that is written until now."""
    _begun.setdefault(knowledge(), {})[name] = Begun(dict(pending()))


def _plan(actual: UnitTable, wanted: Mapping[str, Unit]) -> list[Change]:
    begun = _begun.setdefault(knowledge(), {})
    actual = as_begun(actual, wanted, begun, done=knowledge().executing)
    changes = plan_units(actual, wanted, pending(), _reread.get(knowledge()))
    if any(change.action == "reload definitions" for change in changes):
        _reread[knowledge()] = pending_definitions(pending())
    actions: dict[str, set[str]] = {}
    for change in changes:
        actions.setdefault(change.item, set()).add(change.action)
    for name in actions.keys() & wanted.keys():
        if actions[name] & {"start", "restart"}:
            begun[name] = Begun(dict(pending()), enabled="enable" in actions[name])
        elif "reload" in actions[name]:
            begun[name] = Begun(dict(pending()), ("reads",))
    return changes


def _commands(_: UnitTable, changes: Sequence[Change]) -> list[PyinfraCommand]:
    return [Script(f"{len(changes)} changes of units", units_script(changes))]


def dropped_part(wanted: Collection[str], files: Iterable[str]) -> Part[dict[str, UnitState]]:
    """What `dropped` reads; for the survey."""
    return dropped_units(wanted, files)


@operation()
def dropped(wanted: Collection[str], files: Collection[str]) -> Generator[PyinfraCommand, None, None]:
    """Units of ours that are declared no more are stopped and disabled, before their files go.

    `wanted` are the names of all units of the machine, `files` the paths of all its files.
    """
    yield from bring(
        dropped_units(wanted, files),
        plan_dropped,
        lambda _, changes: [Script(f"{len(changes)} changes of dropped units", units_script(changes))],
        unchanged="no dropped units",
    )
