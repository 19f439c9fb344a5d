"""Waiting for something that can be asked: poll, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


class ContainersError(RuntimeError):
    """A test machine or its engine is not as needed; the message says what to do."""


def until(done: Callable[[], bool], what: str, *, seconds: float = 180.0) -> None:
    """Return once `done()` is true; raise ContainersError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ContainersError(f"Waited {seconds:.0f} s in vain: {what}.")
        time.sleep(0.05)
