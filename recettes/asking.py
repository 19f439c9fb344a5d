"""The administrator is asked before data or a service is at stake."""

from __future__ import annotations

import sys


def confirmed(typed: str, *, always: bool = False) -> bool:
    """Whether somebody is there and types just that. `always`: no --yes stands for it."""
    if not sys.stdin.isatty():
        otherwise = "it has to be typed" if always else "say --yes if it is meant"
        print(f"There is nobody to ask: {otherwise}.", file=sys.stderr)
        return False
    try:
        return input(f'To do this, type "{typed}": ').strip() == typed
    except (EOFError, KeyboardInterrupt):
        print()
        return False
