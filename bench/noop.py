"""How long a run takes that finds everything as wanted, as ratios to what it could take at the least.

    .venv-test/bin/python -m bench.noop [--rounds N] [--hosts 1 8]

In each round, one after the other: `ssh host true`; one hand-written check of the whole state in one SSH exec; importing
pyinfra; our operations; pyinfra's own operations. Medians and ratios are printed; the machines are containers made for it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.state.wanted import ACCOUNTS, FILES, PACKAGES, SERVICES
from recettes.containers.estate import ContainersEstate, temporary_estate

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv" / "bin"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(ROOT)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 8])
    asked = parser.parse_args()
    with (
        temporary_estate([f"m{number}" for number in range(max(asked.hosts))]) as estate,
        tempfile.TemporaryDirectory() as scratch,
    ):
        pyinfra(write_inventory(Path(scratch), estate, max(asked.hosts), QUICK), "ours")
        for count in asked.hosts:
            measure(count, asked.rounds, estate, Path(scratch))


def measure(count: int, rounds: int, estate: ContainersEstate, scratch: Path) -> None:
    ours, stock = write_inventory(scratch, estate, count, QUICK), write_inventory(scratch, estate, count)
    hosts = [f"m{number}" for number in range(count)]
    ways: dict[str, Callable[[], object]] = {
        "ssh true": lambda: ssh(estate, hosts, "true"),
        "one exec by hand": lambda: ssh(estate, hosts, check_by_hand()),
        "import pyinfra": lambda: subprocess.run([VENV / "python", "-c", "import pyinfra_cli.main"], env=ENVIRONMENT, check=True),
        "ours": lambda: pyinfra(ours, "ours", unchanged=True),
        "stock": lambda: pyinfra(stock, "stock", unchanged=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, act in ways.items():
            start = time.perf_counter()
            act()
            seconds[way].append(time.perf_counter() - start)
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    by_hand = median["one exec by hand"]
    print(f"\n{count} host{'s' if count > 1 else ''}, {rounds} rounds, medians")
    for way, taken in median.items():
        print(f"  {way:18} {taken:7.2f} s   {taken / by_hand:5.1f} x the check by hand")
    print(f"  {'ours less import':18} {median['ours'] - median['import pyinfra']:7.2f} s   "
          f"{(median['ours'] - median['import pyinfra']) / by_hand:5.1f} x the check by hand")  # fmt: skip
    print(f"  {'stock / ours':18} {median['stock'] / median['ours']:7.1f} x", flush=True)


# What inventory.py does for our operations: modules compiled once, small packets sent at once.
QUICK = """import sys as _sys
_sys.dont_write_bytecode = False
from recettes.ssh import without_delay as _without_delay
_without_delay()
"""


def write_inventory(folder: Path, estate: ContainersEstate, count: int, header: str = "") -> Path:
    """An inventory that costs nothing to read, so that only the operations are compared."""
    file = folder / f"inventory{count}{'quick' if header else ''}.py"
    hosts = [
        (
            name,
            {
                "ssh_hostname": estate.machine(name).address,
                "ssh_user": "root",
                "ssh_key": str(estate.administrator_key),
                "ssh_known_hosts_file": str(estate.known_hosts),
                "ssh_strict_host_key_checking": "yes",
            },
        )
        for name in [f"m{number}" for number in range(count)]
    ]
    file.write_text(f"{header}bench = {hosts!r}\n")
    return file


def pyinfra(inventory: Path, state: str, *, unchanged: bool = False) -> None:
    run = subprocess.run(
        [VENV / "pyinfra", inventory, ROOT / "bench" / "state" / f"{state}.py", "-y"],
        cwd=inventory.parent,  # not in the checkout, whose group_data pyinfra would read
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode or (unchanged and "Success" in run.stderr.split("Results:")[0]):
        sys.exit(f"{state}: not the converged state\n{run.stderr}")


def ssh(estate: ContainersEstate, hosts: Sequence[str], script: str) -> None:
    runs = [
        subprocess.Popen(
            ["ssh", "-F", estate.ssh_config, host, "sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for host in hosts
    ]
    for run in runs:
        assert run.stdin
        run.stdin.write(script)
        run.stdin.close()
    for run in runs:
        if run.wait():
            sys.exit(f"the check by hand failed: {run.stdout.read() if run.stdout else ''}")


def check_by_hand() -> str:
    """What a person would write who knows exactly what to look for: every package, file, owner, mode, account and service."""
    sums = "".join(f"{hashlib.sha256(content.encode()).hexdigest()}  {path}\n" for path, content in FILES.items())
    paths = " ".join(FILES)
    return f"""set -e
test "$(dpkg-query -W -f '${{db:Status-Abbrev}}\\n' {" ".join(PACKAGES)} | grep -c '^ii')" = {len(PACKAGES)}
sha256sum --quiet -c - <<'END'
{sums}END
test "$(stat -c '%U:%G %a' {paths} | sort -u)" = 'root:root 644'
test "$(getent passwd {" ".join(ACCOUNTS)} | grep -c ':/bin/bash$')" = {len(ACCOUNTS)}
systemctl is-active --quiet {" ".join(SERVICES)}
"""


if __name__ == "__main__":
    main()
