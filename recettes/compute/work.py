"""What work on a compute machine may do and take: the folder, the account, systemd's settings, and the program that starts it."""

from __future__ import annotations

from recettes.accounts import Account
from recettes.blueprint import Blueprint
from recettes.compute.names import ACCOUNT, LIBRARY, PROGRAM, WORK
from recettes.files import folder, text
from recettes.hardening import MANAGED, Exemption, hardening
from recettes.recipes import ROOT

PACKAGES = frozenset({"libvips-tools", "python3", "python3-venv"})
# systemd.unit(5): a drop-in for every unit whose name begins so, transient ones included.
DROP_IN = "/etc/systemd/system/compute-.service.d/recettes.conf"
SLICE = "/etc/systemd/system/compute.slice"
NEEDRESTART = "/etc/needrestart/conf.d/61-recettes-compute.conf"

_EXEMPTIONS = {
    "MemoryDenyWriteExecute": Exemption("torch and numba make machine code while they run"),
    "ProcSubset": Exemption("libraries look into /proc/cpuinfo and /proc/meminfo for what there is", ("all",)),
    "RestrictAddressFamilies": Exemption("there is no network for work", ("AF_UNIX",)),
    "SystemCallFilter": Exemption("libraries bind threads to processors", ("@system-service", "~@privileged")),
    "MemoryMax": Exemption("compute.slice says how much all work together may take"),
    "TasksMax": Exemption("a library has a thread for each processor, and many libraries do", ("4096",)),
}
_SETTINGS = (
    "PrivateNetwork=yes",
    "OOMPolicy=kill",
    "OOMScoreAdjust=500",
    "Nice=5",
    "# Nobody knows which program it will be: most go on when something is refused, and none when it is killed for it.",
    "SystemCallErrorNumber=EPERM",
)
# Of what is scarce at a moment, everything else on the machine gets five times the part of all work.
_SLICE = """[Unit]
Description=All work on this machine together

[Slice]
MemoryMax=80%
MemorySwapMax=0
CPUWeight=20
IOWeight=20
"""
_NEEDRESTART = """# After an update services are restarted; work of hours or days goes on.
$nrconf{override_rc}->{qr(^compute-)} = 0;
"""
_START = f"""#!/bin/sh
{MANAGED.strip()}
exec /usr/bin/python3 -IB {LIBRARY} "$@"
"""


def work() -> Blueprint:
    """All but Kraken."""
    settings = ["[Service]", *_SETTINGS, *hardening(_EXEMPTIONS)]
    return Blueprint(
        packages=PACKAGES,
        accounts={ACCOUNT: Account(home=WORK)},
        files={
            WORK: folder(),
            f"{LIBRARY}/__main__.py": text((ROOT / "programs/compute").read_text(encoding="utf-8")),
            f"{LIBRARY}/stream.py": text((ROOT / "recettes/compute/stream.py").read_text(encoding="utf-8")),
            PROGRAM: text(_START, mode=0o750),
            DROP_IN: text(MANAGED + "\n".join(settings) + "\n"),
            SLICE: text(MANAGED + _SLICE),
            NEEDRESTART: text(MANAGED + _NEEDRESTART),
        },
    )
