"""One operation by itself on a machine of an estate: a deploy written in the test, run as an administrator runs one."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recettes.change import Change
from recettes.containers.estate import ContainersEstate
from recettes.containers.machine import Machine
from recettes.record import RECORD, Record, read_records
from tests.harness import PYINFRA, ROOT, RUN_SECONDS

_INVENTORY = """
from pathlib import Path as _Path
from recettes.estate import read_estate as _read
_estate = _read(_Path({folder!r}))
all = [(name, {{**_estate.ssh_data(machine), **{data!r}}}) for name, machine in _estate.machines.items()]
"""

# Put before a deploy: the controller dies between putting on trial and coming in anew.
KILLED_IN_TRIAL = "import os, operations.trial; operations.trial.prove = lambda *_: os.kill(os.getpid(), 9)\n"


@dataclass
class Run:
    status: int
    output: str
    records: list[Record]

    @property
    def changes(self) -> list[Change]:
        return [record.change for record in self.records if record.change]

    @property
    def items(self) -> list[str]:
        return [change.item for change in self.changes]

    @property
    def said(self) -> list[str]:
        """Every change in its own words."""
        return [str(change) for change in self.changes]

    @property
    def refused(self) -> list[str]:
        return [record.refusal for record in self.records if record.refusal]


@dataclass
class Controller:
    """Runs deploys against the machine `web`: Python, with pyinfra's `host` and this project importable.

    `seconds` is how long a trial lasts, `data` this administrator's host data.
    """

    estate: ContainersEstate
    scratch: Path
    seconds: int = 60
    data: dict[str, Any] = field(default_factory=dict)
    _count: Iterator[int] = field(default_factory=itertools.count)

    @property
    def machine(self) -> Machine:
        return self.estate.machine("web")

    def dry(self, deploy: str) -> Run:
        return self._run(deploy, "--dry")

    def apply(self, deploy: str) -> Run:
        """Raises AssertionError when the run fails."""
        run = self.attempt(deploy)
        assert run.status == 0, run.output
        return run

    def attempt(self, deploy: str) -> Run:
        """Apply, whatever comes of it."""
        return self._run(deploy, "-y")

    def settle(self, deploy: str) -> Run:
        """Apply, and see that nothing is left to do."""
        done = self.apply(deploy)
        again = self.dry(deploy)
        assert again.status == 0, again.output
        assert again.said == []
        return done

    def converge(self, deploy: str) -> list[tuple[str, str]]:
        """Plan, then settle: what was planned was done. Returns (action, item)s."""
        planned = self.dry(deploy)
        assert planned.status == 0 and not planned.refused, planned.output
        done = self.settle(deploy)
        assert planned.said == done.said
        return [(change.action, change.item) for change in done.changes]

    def _run(self, deploy: str, *options: str) -> Run:
        number = next(self._count)
        inventory, script, record = (self.scratch / f"{number}-{name}" for name in ("inventory.py", "deploy.py", "record"))
        inventory.write_text(_INVENTORY.format(folder=str(self.estate.folder), data=self.data))
        script.write_text(deploy)
        environment = {
            **os.environ, RECORD: str(record), "RECETTES_TRIAL_SECONDS": str(self.seconds), "PYINFRA_PROGRESS": "off",
        }  # fmt: skip
        run = subprocess.run(
            [PYINFRA, inventory, script, "--limit", "web", *options], cwd=ROOT, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=RUN_SECONDS,
        )  # fmt: skip
        return Run(run.returncode, run.stdout, read_records(record))
