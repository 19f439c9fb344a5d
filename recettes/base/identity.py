"""What a machine knows about itself and its neighbours, and tells the people who come to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from recettes.blueprint import Blueprint
from recettes.declarations.people import Administrator
from recettes.estate import Estate, Machine
from recettes.files import text
from recettes.hardening import hardened
from recettes.templates import render
from recettes.units import Unit

HOSTS = "/etc/recettes/hosts"
HOSTS_SERVICE = "/etc/systemd/system/recettes-hosts.service"


def neighbours(estate: Estate) -> Blueprint:
    """Every machine of the estate by name, `NAME` and `NAME.ESTATE.internal` (.internal is ICANN's for private use).

    Container engines write their own /etc/hosts at every start: a unit puts ours back before anything asks for a name.
    """
    addresses = sorted((machine.inner, machine.name) for machine in estate.machines.values() if _is_address(machine.inner))
    hosts = text(render("base/hosts", estate=estate.name, machines=addresses))
    service = hardened(
        description="Names of the estate's machines in /etc/hosts",
        exec_start=f"/bin/sh -c 'cmp -s {HOSTS} /etc/hosts || cat {HOSTS} >/etc/hosts'",
        user="root",
        unit=["Before=network.target nss-lookup.target"],
        service=["Type=oneshot", "RemainAfterExit=yes", "ReadWritePaths=/etc/hosts"],
    )
    return Blueprint(
        # The machine's own name is the cloud's to give: it resolves whatever it is.
        packages=frozenset({"libnss-myhostname"}),
        files={
            "/etc/hosts": hosts,
            HOSTS: hosts,
            HOSTS_SERVICE: text(service),
            "/etc/cloud/cloud.cfg.d/99-recettes.cfg": text(render("base/cloud.cfg")),
        },
        units={"recettes-hosts.service": Unit(definition=(HOSTS_SERVICE,), reads=(HOSTS,))},
    )


def told(*, lab: str, contact: str, estate: str, machine: Machine, administrators: Sequence[Administrator]) -> Blueprint:
    """What the machine tells a person who stands in front of it."""
    readme = render(
        "base/README",
        lab=lab,
        contact=contact,
        estate=estate,
        machine=machine.name,
        groups=sorted(machine.groups),
        administrators=list(_people(administrators)),
    )
    return Blueprint(files={"/etc/recettes/README": text(readme), "/etc/motd.d/50-recettes": text(render("base/motd"))})


def _people(administrators: Iterable[Administrator]) -> Iterable[str]:
    for person in sorted(administrators, key=lambda one: one.name):
        yield f"{person.name} <{person.e_mail}>" if person.e_mail else person.name


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True
