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
from recettes.units import Unit, UnitState, UnitTable, pending_definitions, plan_dropped, plan_units, units_script

# The pending definitions that systemd was made to read in this run: a dry run, too, must not announce that twice.
_reread: WeakKeyDictionary[Knowledge, frozenset[str]] = WeakKeyDictionary()


def units_part(wanted: Mapping[str, Unit]) -> Part[UnitTable]:
    """What `units` reads; for the survey."""
    return unit_table(wanted)


@operation()
def units(wanted: Mapping[str, Unit]) -> Generator[PyinfraCommand, None, None]:
    """Units are enabled and run, or neither, as wanted; what has not read the files that lie there is reloaded or restarted.

    Several calls in a run must be for different units. The files of the units are there before.
    """
    yield from bring(unit_table(wanted), lambda actual: _plan(actual, wanted), _commands, unchanged="units as wanted")


def _plan(actual: UnitTable, wanted: Mapping[str, Unit]) -> list[Change]:
    changes = plan_units(actual, wanted, pending(), _reread.get(knowledge()))
    if any(change.action == "reload definitions" for change in changes):
        _reread[knowledge()] = pending_definitions(pending())
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
