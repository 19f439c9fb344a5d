"""The machine's data volumes are mounted where they are declared."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api.operation import operation

from facts.mounts import mounts_state
from facts.survey import Part, Unread
from operations.engine import Commands, Script, bring, read, refuse
from recettes.mounts import Mounts, mounts_script, plan_mounts, refusals


def mounts_part(wanted: Mapping[str, str]) -> Part[Mounts]:
    """What `mounts` reads; for the survey."""
    return mounts_state(wanted)


@operation()
def mounts(wanted: Mapping[str, str]) -> Commands:
    """Each volume, by folder its id, is mounted now and after a reboot. Only a blank one is formatted."""
    part = mounts_state(wanted)
    actual = read(part)
    if not isinstance(actual, Unread) and (why := refusals(actual, wanted)):
        yield refuse(f"{'; '.join(why)}. Nothing of it was changed")
        return
    yield from bring(
        part,
        lambda actual: plan_mounts(actual, wanted),
        lambda actual, changes: [Script("data volumes", mounts_script(changes, actual))],
        unchanged="data volumes mounted",
    )
