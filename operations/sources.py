"""What comes from elsewhere can be had, before anything is changed."""

from __future__ import annotations

from pyinfra.api.operation import operation

from operations.engine import Commands, refuse


@operation()
def sources_found(problem: str | None) -> Commands:
    """Nothing, unless there is a problem: then this machine is refused before its first change."""
    if problem:
        yield refuse(problem)
