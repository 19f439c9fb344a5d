"""The machine says which recipes made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pyinfra.api.operation import operation

from facts.files import file_contents
from facts.survey import Part, Unread
from operations.engine import Commands, Script, knowledge, pending, read, record, refuse
from recettes.recipes import Checkout
from recettes.stamp import STAMP, plan_stamp, stamp_script


def stamp_part() -> Part[dict[str, bytes]]:
    """What `stamp` reads; for the survey."""
    return file_contents([STAMP])


@operation()
def stamp(wanted: Mapping[str, object], checkout: Checkout) -> Commands:
    """The stamp is right; and it names the commit of this run when this run changed anything. The last step of each deploy."""
    actual = read(stamp_part())
    if isinstance(actual, Unread):
        yield refuse(actual.reason)
        return
    changes = [] if STAMP in pending() else plan_stamp(actual, wanted)
    if changes:
        record(changes)
        knowledge().pending[STAMP] = "new"
    if knowledge().changed:
        yield Script("the stamp", stamp_script(wanted, checkout.commit, datetime.now(UTC)))
