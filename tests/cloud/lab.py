"""A lab in a project of the control plane: its estate, its declarations, and the commands as an administrator types them."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from recettes.record import read_records
from recettes.secrets import Vault
from tests.cloud.project import Project
from tests.harness import PYINFRA, ROOT, Run

HEADER = """
from datetime import date
from recettes.declarations.cloud import Cloud, CloudEstate, CloudMachine, CloudVolume, Needs
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab
"""
MACHINES = """
private = "10.20.0.0/24"
machines = [
    CloudMachine(name="web", groups=("web",), flavour=Needs(vcpus=2, memory=3)),
    CloudMachine(name="xmldb", groups=("xmldb",), flavour="p2-4gb"),
    CloudMachine(name="apps", groups=("apps",), flavour=Needs(vcpus=1, memory=2)),
    CloudMachine(name="images", groups=("images",), flavour=Needs(vcpus=1, memory=2)),
    CloudMachine(name="vips", groups=("compute",), flavour=Needs(vcpus=2, memory=7), until=date(2999, 12, 31)),
]
volumes = [
    CloudVolume(name="texts", machine="xmldb", size=3, mount="/srv/texts"),
    CloudVolume(name="pictures", machine="images", size=4, mount="/srv/pictures"),
]
flows = [
    Flow(source="world", to="web", port=443, why="the sites"),
    Flow(source="world", to="web", port=80, why="to HTTPS"),
    Flow(source="web", to="xmldb", port=8984, why="the editions"),
    Flow(source="web", to="images", port=8182, why="IIIF"),
]
estates = [CloudEstate(name="production", cloud="lab")]
"""
LAB = """
lab = Lab(
    name="Lab", domain="lab.test", contact="a@lab.test", administrator_networks=("192.0.2.0/24",), flows=tuple(flows),
    cloud=Cloud(
        machines=tuple(machines), volumes=tuple(volumes), private=private,
        estates=tuple(estates),
    ),
)
"""


@dataclass
class CloudLab:
    """`environment` is that of the project's member, by way of a proxy or not."""

    project: Project
    scratch: Path
    environment: dict[str, str]
    _count: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.group_data = self.scratch / "group_data"
        self.group_data.mkdir()
        self.folder = self.scratch / "estates" / "production"
        self.vault = Vault.disposable(self.folder)
        self.declare()

    def estate(self, name: str) -> Self:
        """Another estate of the same declarations, in the same project."""
        other = copy(self)
        other.folder = self.folder.with_name(name)
        other.vault = Vault.disposable(other.folder)
        return other

    def declare(self, changes: str = "") -> None:
        """Five machines, two volumes; `changes` is Python that alters `machines`, `volumes`, `flows`, `private`, `estates`."""
        (self.group_data / "lab.py").write_text(HEADER + MACHINES + changes + LAB)

    def variables(self, record: Path) -> dict[str, str]:
        return {
            **self.environment,
            "RECETTES_ESTATES": str(self.folder.parent),
            "RECETTES_ESTATE": self.folder.name,
            "RECETTES_GROUP_DATA": str(self.group_data),
            "RECETTES_RECORD": str(record),
            "PYINFRA_PROGRESS": "off",
        }

    def start(self, *words: str, deploy: str = "deploys/cloud.py") -> tuple[subprocess.Popen[str], Path]:
        record = self.scratch / f"record-{next(self._count)}"
        command = [str(PYINFRA), "inventory.py", deploy, *words]
        run = subprocess.Popen(
            command, cwd=ROOT, env=self.variables(record), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        return run, record

    def pyinfra(self, *words: str, deploy: str = "deploys/cloud.py") -> Run:
        run, record = self.start(*words, deploy=deploy)
        output, _ = run.communicate(timeout=400)
        return Run(run.returncode, output, read_records(record))

    def apply(self, *words: str) -> Run:
        return self.pyinfra("-y", *words)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One of the project's own commands, with nobody to ask."""
        return subprocess.run(
            words, cwd=ROOT, env=self.variables(self.scratch / "record-of-commands"), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip

    def dry(self, *words: str) -> Run:
        return self.pyinfra("--dry", *words)

    def killed(self, seconds: float) -> bool:
        """A run with all its processes is killed after so long; whether it was still at work."""
        run, _ = self.start("-y")
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
        killed = run.wait() == -signal.SIGKILL
        run.communicate()
        return killed


def steps(run: Run, phase: str) -> list[str]:
    """What a run planned, or did: "create server web"."""
    return [f"{r.change.action} {r.change.item}" for r in run.records if r.change and r.phase == phase]


def refusals(run: Run) -> str:
    return "; ".join(record.refusal for record in run.records if record.refusal)


def said(run: Run) -> str:
    return "; ".join(record.said for record in run.records if record.said)


def listed(project: Project) -> dict[str, list[str]]:
    """What the project has, by an independent client: names by kind."""
    cloud = project.member
    mine = {"project_id": project.id}
    return {
        "servers": sorted(one.name for one in cloud.compute.servers()),
        "volumes": sorted(one.name for one in cloud.block_storage.volumes()),
        "snapshots": sorted(one.name for one in cloud.block_storage.snapshots()),
        "images": sorted(one.name for one in cloud.image.images(visibility="private")),
        "ports": sorted(one.name for one in cloud.network.ports(**mine) if one.name),
        "groups": sorted(one.name for one in cloud.network.security_groups(**mine)),
        "networks": sorted(one.name for one in cloud.network.networks(**mine)),
        "routers": sorted(one.name for one in cloud.network.routers(**mine)),
        "floating": [one.floating_ip_address for one in cloud.network.ips(**mine)],
    }


def settled(seconds: float = 30.0) -> Iterator[None]:
    """Ask again, until a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.3)
    raise AssertionError("it did not happen in time")


def group_rules(project: Project, name: str) -> list[tuple[object, ...]]:
    """What the security group lets in: IP version, protocol, first port, from where."""
    group = next(one for one in project.member.network.security_groups(project_id=project.id) if one.name == name)
    return sorted(
        (r["ethertype"], r["protocol"], r["port_range_min"], r["remote_ip_prefix"] or (r["remote_group_id"] and "a group"))
        for r in group.security_group_rules
        if r["direction"] == "ingress"
    )
