"""A machine that serves somebody else's sites is not made the lab's front."""

from __future__ import annotations

from pyinfra.api.operation import operation

from facts.neighbours import neighbours
from facts.survey import Part, Unread
from operations.engine import Commands, knowledge, read, refuse
from recettes.neighbours import Neighbours, crowded


def neighbours_part() -> Part[Neighbours]:
    """What `alone` reads; for the survey."""
    return neighbours()


@operation()
def alone() -> Commands:
    """Nobody else serves anything where the front is to be; else this machine is refused before its first change."""
    if knowledge().refused:
        return
    state = read(neighbours())
    why = state.reason if isinstance(state, Unread) else "; ".join(crowded(state))
    if why:
        yield refuse(f"{why}. Nothing was changed on this machine.")
