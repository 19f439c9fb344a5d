"""What a person sees: a bar on a terminal, the line of a batch, the summary of one that is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from .deliver import FAILED
from .store import Batch, Page
from .words import say

_WIDTH = 30
_MEGA = 1_000_000
_EVERY = 0.1  # seconds between two drawings


class Bar:
    """How far it is, on standard error, and only where that is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._drawn = 0.0
        self._open = False

    def __call__(self, what: str, count: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown or (count < total and now - self._drawn < _EVERY):
            return
        self._drawn, self._open = now, True
        full = _WIDTH * count // total if total else _WIDTH
        how_far = f"{count / _MEGA:.1f}/{total / _MEGA:.1f} MB" if what == "sending" else f"{count}/{total}"
        sys.stderr.write(f"\r\x1b[K{say(what)} [{'#' * full}{'.' * (_WIDTH - full)}] {how_far}")
        sys.stderr.flush()

    def end(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            self._open = False


def line(batch: Batch, pages: int) -> str:
    state = batch.state or batch.phase
    return say("waits", batch=batch.name, state=state, done=batch.done, pages=pages) + (f" ({batch.why})" if batch.why else "")


def summary(batch: Batch, pages: Sequence[Page], aside: Sequence[str]) -> str:
    """`aside` are results that lie beside what had their name already."""
    done = sum(page.outcome == "done" for page in pages)
    failed = [page for page in pages if page.outcome == "failed"]
    told = [
        say("summary", batch=batch.name, done=done, pages=len(pages), seconds=f"{batch.seconds:.0f}", place=batch.destination)
    ]
    if failed:
        told += [say("not recognised"), *(f"  {page.own}: {page.why}" for page in failed)]
        if batch.origin == "queue":
            told.append(f"  ({FAILED})")
    if aside:
        told += [say("aside"), *(f"  {path}" for path in aside)]
    return "\n".join(told)
