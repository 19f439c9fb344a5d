"""SSH for one address until a time: what a machine of a cloud does of it. See programs/ssh-window."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.declarations.flows import SSH_PORT
from recettes.files import File, text
from recettes.hardening import Exemption, hardened
from recettes.recipes import ROOT
from recettes.templates import render
from recettes.units import Unit

PROGRAM = "/usr/local/lib/recettes/ssh-window"
SERVICE = "/etc/systemd/system/recettes-ssh-window.service"
TIMER = "/etc/systemd/system/recettes-ssh-window.timer"
_METADATA = "169.254.169.254"


def window() -> Blueprint:
    service = hardened(
        description="SSH for one address until a time, as the cloud's note says",
        exec_start=f"{PROGRAM} {SSH_PORT}",
        user="root",
        # Twice a minute: only what goes wrong is worth a line.
        service=["Type=oneshot", "LogLevelMax=warning"],
        exemptions={
            "CapabilityBoundingSet": Exemption("a table of the firewall is its work", ("CAP_NET_ADMIN",)),
            "RestrictAddressFamilies": Exemption("nft speaks netlink", ("AF_UNIX AF_INET AF_NETLINK",)),
            "IPAddressAllow": Exemption("the cloud's note is there", ("localhost", _METADATA)),
        },
        wanted_by=None,
    )
    return Blueprint(
        packages=frozenset({"nftables", "python3"}),
        files={
            PROGRAM: File((ROOT / "programs" / "ssh-window").read_bytes(), mode=0o755),
            SERVICE: text(service),
            TIMER: text(render("base/ssh-window.timer")),
        },
        units={"recettes-ssh-window.timer": Unit(definition=(TIMER, SERVICE))},
    )
