"""Which recipes these are: the commit of the checkout, and whether it was changed since."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Checkout:
    """The checkout that a run comes from. Git is asked in the background: most runs never need the answer."""

    def __init__(self, root: Path = ROOT) -> None:
        try:
            self._asked: subprocess.Popen[str] | None = subprocess.Popen(
                ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError:
            self._asked = None

    @cached_property
    def commit(self) -> str:
        """The commit's full name, with "-dirty" when files differ from it; "unknown" outside a checkout."""
        if self._asked is None:
            return "unknown"
        answer, _ = self._asked.communicate()
        return answer.strip() or "unknown"
