"""What ends queries that BaseX cannot: at their time-out it tells them to, and neither Saxon nor a regular expression listens."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.files import text
from recettes.hardening import Exemption, hardened
from recettes.templates import render
from recettes.units import Unit
from recettes.xmldb import names

SERVICE = "/etc/systemd/system/recettes-xmldb-relief.service"
TIMER = "/etc/systemd/system/recettes-xmldb-relief.timer"


def relief(address: str) -> Blueprint:
    """For the machine of the databases, whose server listens at the address."""
    return Blueprint(
        files={SERVICE: text(_service(address)), TIMER: text(render("xmldb/relief.timer"))},
        units={TIMER.rpartition("/")[2]: Unit(definition=(TIMER, SERVICE))},
    )


def _service(address: str) -> str:
    return hardened(
        description="Start the XML database server anew when queries hold it that do not end",
        exec_start=f"{names.PROGRAM} relieve",
        user="root",
        service=["Type=oneshot", "LogLevelMax=notice"],  # not each time that it finds nothing
        exemptions={"IPAddressAllow": Exemption("the server", ("localhost", address))},
        wanted_by=None,
    )
