"""How long the first application of the web machine takes, as a ratio to installing the same packages with apt alone.

    .venv-test/bin/python -m bench.cold [--rounds N]

In each round, on a bare machine each: `apt-get update` and one `apt-get install` of the packages that the run installs; then
`pyinfra inventory.py deploys/web.py -y`. Medians, their ratio, and the controller's peak memory are printed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from recettes.containers.machine import Machine
from tests.containers.conftest import declare_first_sites
from tests.harness import test_lab


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds: int = parser.parse_args().rounds
    packages: list[str] = []
    apt, whole = [], []
    for _ in range(rounds):
        seconds, packages = deploy(packages)
        whole.append(seconds)
        apt.append(install(packages))
    by_apt, by_us = statistics.median(apt), statistics.median(whole)
    print(f"{len(packages)} packages, {rounds} rounds, medians")
    print(f"  apt alone      {by_apt:6.1f} s")
    print(f"  whole machine  {by_us:6.1f} s   {by_us / by_apt:.2f} x")
    print(f"  controller     {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:6.0f} MB at most")


def deploy(known: list[str]) -> tuple[float, list[str]]:
    """Seconds of the first run on a bare machine, and the packages that it installed."""
    with tempfile.TemporaryDirectory() as scratch, test_lab(["web"], Path(scratch)) as lab:
        declare_first_sites(lab)
        started = time.perf_counter()
        run = lab.apply()
        seconds = time.perf_counter() - started
    if run.status:
        sys.exit(run.output)
    return seconds, [
        item for _, subsystem, action, item in run.changes if (subsystem, action) == ("packages", "install")
    ] or known


def install(packages: list[str]) -> float:
    """Seconds of apt on a bare machine."""
    with tempfile.TemporaryDirectory() as scratch, test_lab(["web"], Path(scratch)) as lab:
        machine: Machine = lab.web
        started = time.perf_counter()
        machine.run(
            "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update >/dev/null; "
            f"apt-get -qq -y --no-install-recommends install {' '.join(packages)} >/dev/null 2>&1"
        )
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
