"""One operation on one machine, run by pyinfra as a deploy of its own: planned, applied, and both records compared."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recettes.containers.estate import ContainersEstate
from recettes.containers.machine import Machine
from recettes.record import RECORD, read_records
from tests.harness import PYINFRA, ROOT, Run

_INVENTORY = """
machines = [("machine", {{
    "ssh_hostname": {address!r}, "ssh_user": {user!r}, "ssh_key": {key!r}, "ssh_known_hosts_file": {known_hosts!r},
    "ssh_strict_host_key_checking": "yes", "_sudo": {sudo!r},
}})]
"""


@dataclass
class Alone:
    """`deploy` texts are Python, with pyinfra's `host` and this project importable."""

    estate: ContainersEstate
    machine: Machine
    scratch: Path
    user: str = "root"
    _count: Iterator[int] = field(default_factory=itertools.count)

    def dry(self, deploy: str) -> AloneRun:
        return self._run(deploy, "--dry")

    def apply(self, deploy: str) -> AloneRun:
        """Raises AssertionError when the run fails."""
        run = self.attempt(deploy)
        assert run.status == 0, run.output
        return run

    def attempt(self, deploy: str) -> AloneRun:
        """Apply, whatever comes of it."""
        return self._run(deploy, "-y")

    def converge(self, deploy: str) -> list[tuple[str, str]]:
        """Plan, apply, and plan again: what was planned was done, and nothing is left to do. Returns (action, item)s."""
        planned = self.dry(deploy)
        assert not planned.refused, planned.output
        done = self.apply(deploy)
        assert planned.said == done.said
        assert self.dry(deploy).said == []
        return [(action, item) for _, _, action, item in done.changes]

    def _run(self, deploy: str, *words: str) -> AloneRun:
        number = next(self._count)
        inventory, script, record = (self.scratch / f"{number}-{name}" for name in ("inventory.py", "deploy.py", "record"))
        inventory.write_text(
            _INVENTORY.format(
                address=self.machine.address,
                user=self.user,
                key=str(self.estate.administrator_key),
                known_hosts=str(self.estate.known_hosts),
                sudo=self.user != "root",
            )
        )
        script.write_text(deploy)
        run = subprocess.run(
            [PYINFRA, inventory, script, *words], cwd=ROOT, env={**os.environ, RECORD: str(record), "PYINFRA_PROGRESS": "off"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return AloneRun(run.returncode, run.stdout, read_records(record))


class AloneRun(Run):
    @property
    def said(self) -> list[str]:
        """Every change in its own words."""
        return [str(record.change) for record in self.records if record.change]

    @property
    def refused(self) -> list[str]:
        return [record.refusal for record in self.records if record.refusal]
