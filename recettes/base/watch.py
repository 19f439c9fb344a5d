"""The daily look at what needs a person."""

from __future__ import annotations

import json
from pathlib import Path

from recettes.base.mail import MSMTP
from recettes.blueprint import Blueprint
from recettes.declarations.relay import MailRelay
from recettes.files import File, text
from recettes.hardening import Exemption, hardened
from recettes.templates import render
from recettes.units import Unit

SOURCE = Path(__file__).resolve().parent.parent.parent / "programs" / "watch"
PROGRAM = "/usr/local/lib/recettes/watch"
SERVICE = "/etc/systemd/system/recettes-watch.service"
TIMER = "/etc/systemd/system/recettes-watch.timer"


def watch(relay: MailRelay | None, machine: str) -> Blueprint:
    """Without a relay it tells the journal and those who log in, and sends nothing."""
    settings = {
        "machine": machine,
        "msmtp": MSMTP,
        "sender": relay.sender if relay else "",
        "to": list(relay.to) if relay else [],
    }
    return Blueprint(
        packages=frozenset({"openssl", "python3"}),
        files={
            PROGRAM: File(SOURCE.read_bytes(), mode=0o755),
            "/etc/recettes/watch.json": text(json.dumps(settings, indent=1) + "\n"),
            SERVICE: text(_service(relay)),
            TIMER: text(render("base/watch.timer")),
            # pam_motd shows what lies here at every login.
            "/etc/motd.d/60-recettes-watch": File(link="/var/lib/recettes/watch.txt"),
        },
        units={"recettes-watch.timer": Unit(definition=(TIMER, SERVICE))},
    )


def _service(relay: MailRelay | None) -> str:
    exemptions = {
        "CapabilityBoundingSet": Exemption("certificates and disks lie behind folders of others", ("CAP_DAC_READ_SEARCH",)),
        "ProtectHome": Exemption("it must see how full /home is", ("read-only",)),
    }
    if relay:
        exemptions["IPAddressDeny"] = Exemption("the relay is known by name only; the machine's firewall holds")
        exemptions["IPAddressAllow"] = Exemption("see IPAddressDeny")
    return hardened(
        description="Look at what needs a person",
        exec_start=PROGRAM,
        user="root",
        service=["Type=oneshot", "StateDirectory=recettes"],
        exemptions=exemptions,
        wanted_by=None,
    )
