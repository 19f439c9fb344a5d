"""When machines may be updated and rebooted."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from recettes.declarations.base import TIME_OF_DAY, Declaration

SHORTEST = 60  # minutes: fetching, installing and rebooting need a quarter of it each
_DAY = 24 * 60


def _window(value: str) -> str:
    if not re.fullmatch(f"{TIME_OF_DAY}-{TIME_OF_DAY}", value):
        raise ValueError('is not a window such as "03:00-05:00"')
    if minutes(value)[1] < SHORTEST:
        raise ValueError(f"is too short; {SHORTEST} minutes are the least")
    return value


def minutes(window: str) -> tuple[int, int]:
    """Start of a window in minutes after midnight, and its length in minutes; it may go over midnight."""
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in window.split("-"))
    return start, (end - start) % _DAY


class Updates(Declaration):
    """Security updates come every day within `window` (the machines' local time), and so do the reboots that they need.

    Without `reboot` machines are never rebooted; the daily mail then says which ones should be.
    """

    window: Annotated[str, AfterValidator(_window)] = "03:00-05:00"
    reboot: bool = True
