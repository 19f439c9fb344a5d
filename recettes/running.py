"""pyinfra as a command of ours runs it, and what its operations have recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recettes.recipes import ROOT
from recettes.record import RECORD, Record, read_records


@dataclass(frozen=True)
class Ran:
    """`whole`: pyinfra went through to its end; if not, `said` has its words."""

    records: tuple[Record, ...]
    whole: bool
    said: str

    @property
    def problem(self) -> str:
        """Why not everything was done, a line for each machine that refused, else pyinfra's own words; empty when all was."""
        refusals = [f"{record.machine}: {record.refusal.rstrip('.')}." for record in self.records if record.refusal]
        return "\n".join(refusals) or ("" if self.whole else self.said)

    @property
    def changes(self) -> list[Record]:
        return [record for record in self.records if record.change]


def run(deploy: str, machines: Sequence[str], *options: str) -> Ran:
    """deploys/DEPLOY.py on these machines, with nobody to ask. `options` are pyinfra's."""
    only = [word for name in machines for word in ("--limit", name)]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "record")
        ran = subprocess.run(
            [sys.executable, "-m", "pyinfra", "inventory.py", f"deploys/{deploy}.py", *only, *options],
            cwd=ROOT,
            env={**os.environ, RECORD: str(record)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(tuple(read_records(record)), ran.returncode == 0, ran.stderr)
