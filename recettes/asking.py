"""The administrator is asked before data or a service is at stake."""

from __future__ import annotations

import sys


def confirmed(typed: str) -> bool:
    """Whether somebody is there and types just that."""
    if not sys.stdin.isatty():
        print("There is nobody to ask: say --yes if it is meant.", file=sys.stderr)
        return False
    try:
        return input(f'To do this, type "{typed}": ').strip() == typed
    except (EOFError, KeyboardInterrupt):
        print()
        return False
