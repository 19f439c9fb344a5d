"""Files too large to be written in a script: models, images of containers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recettes.change import Change
from recettes.files import FileState


@dataclass(frozen=True)
class Large:
    """Where it is on the controller, and its SHA-256."""

    source: Path
    sha256: str


def plan_large(subsystem: str, path: str, state: FileState | None, want: Large, *, owner: str, mode: int) -> Change | None:
    """None where it lies there as wanted."""
    if state and (state.kind, state.owner, state.mode, state.digest) == ("f", owner, mode, want.sha256):
        return None
    return Change(subsystem, path, "change" if state else "create", f"SHA-256 {want.sha256[:12]}…")
