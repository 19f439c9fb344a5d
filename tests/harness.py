"""A lab of the tests' own: an estate of containers, declarations in a folder, and the commands as an administrator types them."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recettes.containers.estate import ContainersEstate, temporary_estate
from recettes.containers.machine import Machine
from recettes.record import Record, read_records
from recettes.secrets import Vault

ROOT = Path(__file__).resolve().parent.parent
PYINFRA = ROOT / ".venv" / "bin" / "pyinfra"
RUN_SECONDS = 1800.0  # a first run on a bare machine takes minutes; none hangs for ever


@dataclass
class Run:
    """What a command said and did."""

    status: int
    output: str
    records: list[Record]

    @property
    def changes(self) -> list[tuple[str, str, str, str]]:
        return [(r.machine, r.change.subsystem, r.change.action, r.change.item) for r in self.records if r.change]

    @property
    def items(self) -> set[str]:
        return {item for _, _, _, item in self.changes}


@dataclass
class TestLab:
    """An estate, its declarations (`wishes`: file name -> Python text) and the commands of an administrator."""

    __test__ = False

    estate: ContainersEstate
    scratch: Path
    front: str = "web"
    environment: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.group_data = self.scratch / "group_data"
        (self.group_data / "projects").mkdir(parents=True, exist_ok=True)

    @property
    def web(self) -> Machine:
        """What visitors reach: the web machine, or the one that takes its place."""
        return self.estate.machine(self.front)

    def declare(self, lab: str, **projects: str) -> None:
        """Replace all declarations."""
        (self.group_data / "lab.py").write_text(lab)
        for old in (self.group_data / "projects").glob("*.py"):
            old.unlink()
        for name, text in projects.items():
            (self.group_data / "projects" / f"{name}.py").write_text(text)

    def variables(self, record: Path | None = None) -> dict[str, str]:
        return {
            **os.environ,
            "RECETTES_ESTATES": str(self.estate.folder.parent),
            "RECETTES_ESTATE": self.estate.folder.name,
            "RECETTES_GROUP_DATA": str(self.group_data),
            "PYINFRA_PROGRESS": "off",
            **({"RECETTES_RECORD": str(record)} if record else {}),
            **self.environment,
        }

    def pyinfra(self, *words: str) -> Run:
        """pyinfra inventory.py WORDS, from the root of the checkout."""
        record = self.scratch / f"record-{next(self._count)}"
        run = subprocess.run(
            [PYINFRA, "inventory.py", *words],
            cwd=ROOT, env=self.variables(record), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=RUN_SECONDS,
        )  # fmt: skip
        return Run(run.returncode, run.stdout, read_records(record))

    def apply(self, deploy: str = "web") -> Run:
        return self.pyinfra(f"deploys/{deploy}.py", "-y")

    def dry(self, deploy: str = "web") -> Run:
        return self.pyinfra(f"deploys/{deploy}.py", "--dry", "--diff", "--json")

    def curl(self, url: str, *words: str) -> subprocess.CompletedProcess[str]:
        """curl from this computer, with the estate's authority, as if the web machine were the host of every name."""
        host = url.split("://", 1)[1].partition("/")[0]
        pins = [word for port in ("80", "443") for word in ("--resolve", f"{host}:{port}:{self.web.address}")]
        authority = self.estate.folder / "authority.pem"
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", authority, *pins, *words, url],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One of the project's own commands, such as bin/plan."""
        return subprocess.run(
            words, cwd=ROOT, env=self.variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=RUN_SECONDS,
        )  # fmt: skip


@contextmanager
def test_lab(
    names: list[str], scratch: Path, *, user: str = "root", groups: Mapping[str, Sequence[str]] | None = None
) -> Iterator[TestLab]:
    """A lab on bare machines, removed at the end."""
    with temporary_estate(names, user=user, groups=groups) as estate:
        Vault.disposable(estate.folder)
        yield TestLab(estate, scratch, "web" if "web" in names else names[0])


test_lab.__test__ = False  # type: ignore[attr-defined]
