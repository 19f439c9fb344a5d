"""One operation by itself on machines of an estate: a deploy written in the test, run as an administrator runs one."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recettes.change import Change
from recettes.containers.estate import ContainersEstate
from recettes.record import Record, read_records
from tests.harness import PYINFRA, ROOT

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


@dataclass
class Controller:
    """Runs deploys against machine `web`. `seconds` is how long a trial lasts, `data` this administrator's host data."""

    estate: ContainersEstate
    scratch: Path
    seconds: int = 60
    data: dict[str, str] = field(default_factory=dict)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def run(self, deploy: str, *options: str) -> Run:
        number = next(self._count)
        record, inventory, file = (
            self.scratch / f"{name}-{number}{end}" for name, end in (("record", ""), ("inventory", ".py"), ("deploy", ".py"))
        )
        inventory.write_text(_INVENTORY.format(folder=str(self.estate.folder), data=self.data))
        file.write_text(deploy)
        run = subprocess.run(
            [PYINFRA, inventory, file, "--limit", "web", *options],
            cwd=ROOT,
            env={
                **os.environ,
                "RECETTES_RECORD": str(record),
                "RECETTES_TRIAL_SECONDS": str(self.seconds),
                "PYINFRA_PROGRESS": "off",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(run.returncode, run.stdout, read_records(record))

    def apply(self, deploy: str) -> Run:
        return self.run(deploy, "-y")

    def dry(self, deploy: str) -> Run:
        return self.run(deploy, "--dry")

    def converge(self, deploy: str) -> None:
        """Apply, and see that a second run finds nothing to do."""
        assert (first := self.apply(deploy)).status == 0, first.output
        assert (again := self.dry(deploy)).status == 0, again.output
        assert again.changes == []
