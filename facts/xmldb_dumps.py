"""Dumps of the XML databases: what a task would change, and which there are, in the words of the machine's own program."""

from __future__ import annotations

from facts.survey import Part
from recettes.xmldb.tasks import LISTING, SUBSYSTEM, Intended, Task, intended_script, listed, parse_intended


def intended(task: Task) -> Part[Intended]:
    """What the task would change."""
    return Part(SUBSYSTEM, intended_script(task), parse_intended)


def dumps_listed() -> Part[str]:
    """The dumps, for people."""
    return Part(SUBSYSTEM, LISTING, listed)
