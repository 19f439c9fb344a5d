"""How long runs of deploys/cloud.py take on the tests' control plane, as ratios.

    .venv-test/bin/python -m bench.cloud [--rounds N] [--ansible FOLDER]

No-op: against a process that only asks openstacksdk for one listing of each service, and one that asks for all that the run
reads, one after the other; and against the same no-op by Ansible's openstack.cloud modules, installed in FOLDER if they are not.
Creation: an estate of five machines against one of one, in projects of their own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.cloud_ansible import installed, no_op, stated
from tests.cloud.control.launch import join
from tests.cloud.lab import CloudLab
from tests.cloud.project import make_project
from tests.harness import ROOT

_LEAST = """
import openstack
cloud = openstack.connect()
for listing in (cloud.compute.servers, cloud.network.ports, cloud.block_storage.volumes, cloud.image.images):
    list(listing())
"""
_ALL = """
import openstack
cloud = openstack.connect()
network, volumes, compute = cloud.network, cloud.block_storage, cloud.compute
for listing in (
    compute.servers, compute.flavors, volumes.volumes, volumes.snapshots, cloud.image.images, network.networks, network.subnets,
    network.routers, network.ports, network.security_groups, network.ips,
):
    list(listing())
compute.get_limits(), volumes.get_limits(), network.get_quota(cloud.current_project_id, details=True)
"""
_ONE_MACHINE = "del machines[1:], volumes[:], flows[2:]\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ansible", type=Path, help="a virtual environment with Ansible; made if it is not there")
    asked = parser.parse_args()
    ansible = installed(asked.ansible.absolute()) if asked.ansible else None
    with tempfile.TemporaryDirectory() as scratch:
        control = join(Path(scratch, "control"))
        try:
            labs = {}
            for name, change in (("one machine", _ONE_MACHINE), ("five machines", "")):
                project = make_project(control.place, Path(scratch, name))
                labs[name] = CloudLab(project, Path(scratch, name), project.environment())
                labs[name].declare(change)
            made = {name: timed(partial(applied, lab)) for name, lab in labs.items()}
            for name, seconds in made.items():
                print(f"made, {name}: {seconds:6.2f} s")
            print(f"five against one: {made['five machines'] / made['one machine']:.2f}")
            measure(labs["five machines"], asked.rounds, ansible)
        finally:
            control.leave()


def measure(lab: CloudLab, rounds: int, ansible: Path | None) -> None:
    ways: dict[str, Callable[[], object]] = {
        "one listing of each service": lambda: client(lab, _LEAST),
        "all listings, one by one": lambda: client(lab, _ALL),
        "no-op run": lambda: applied(lab),
    }
    if ansible:
        ways["openstack.cloud"] = partial(no_op, lab, ansible, stated(lab.project))
    seconds = {way: statistics.median(timed(act) for _ in range(rounds)) for way, act in ways.items()}
    for way, taken in seconds.items():
        print(f"{way}: {taken:6.2f} s ({taken / seconds['no-op run']:.2f} of a no-op run)")


def applied(lab: CloudLab) -> None:
    run = lab.apply()
    if run.status:
        raise SystemExit(run.output)


def client(lab: CloudLab, program: str) -> None:
    python = ROOT / ".venv-cloud" / "bin" / "python"
    subprocess.run([python, "-W", "ignore", "-c", program], env=lab.environment, check=True)


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
