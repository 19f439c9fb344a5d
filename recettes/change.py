"""A plan is data: the list of changes that lead from what is to what is wanted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

# Longer diffs hide the rest of the plan; the number of lines left out is always said.
DIFF_LINES = 400


@dataclass(frozen=True)
class Change:
    """One thing that will be different on one machine.

    `subsystem` says who does it ("files"), `item` what it is done to (a path, a unit, a package), `action` what is
    done ("create"), `wanted` the state that follows in a few words, `diff` the lines of a unified diff, empty where
    there is none or where the content is secret.
    """

    subsystem: str
    item: str
    action: str
    wanted: str = ""
    diff: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.subsystem}: {self.action} {self.item}" + (f" ({self.wanted})" if self.wanted else "")


def text_diff(path: str, before: bytes, after: bytes) -> tuple[str, ...]:
    """The unified diff of two versions of a text file; one sentence for what is not text."""
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return (f"binary file: {len(before)} bytes before, {len(after)} after",)
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"{path} (is)", f"{path} (wanted)", lineterm=""))
    return _cut(lines)


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= DIFF_LINES:
        return tuple(lines)
    return (*lines[:DIFF_LINES], f"... {len(lines) - DIFF_LINES} more lines")
