"""What every machine has, whatever it is for."""

from __future__ import annotations

from datetime import date

from recettes.base.access import access
from recettes.base.bans import bans
from recettes.base.identity import neighbours, told
from recettes.base.mail import mail
from recettes.base.system import system
from recettes.base.updates import updates
from recettes.base.watch import watch
from recettes.blueprint import Blueprint, together
from recettes.declarations.lab import Lab
from recettes.declarations.relay import RELAY_SECRET
from recettes.declarations.updates import Updates
from recettes.estate import Estate, Machine

__all__ = ["RELAY_SECRET", "base"]


def base(lab: Lab, estate: Estate, machine: Machine, *, today: date, relay_password: bytes | None = None) -> Blueprint:
    """The blueprint of the part that all machines share; sshd and the firewall are not in it.

    `relay_password` is the estate's secret `mail-relay`, needed where the lab's relay has a user.
    """
    administrators = [person for person in lab.administrators if person.current(today)]
    addresses = {address for one in estate.machines.values() if not one.foreign for address in (one.address, one.inner)}
    shown = f"{machine.name} ({estate.name})"
    parts = [
        access(administrators),
        system(lab.time_zone),
        updates(_without_reboot(lab.updates) if "compute" in machine.groups else lab.updates, machine.name),
        bans([*lab.administrator_networks, *addresses]),
        neighbours(estate),
        watch(lab.relay, shown),
        told(lab=lab.name, contact=lab.contact, estate=estate.name, machine=machine, administrators=administrators),
    ]
    if lab.relay:
        parts.append(mail(lab.relay, machine.name, relay_password if lab.relay.user else None))
    return together(parts)


def _without_reboot(updates: Updates) -> Updates:
    """Work of days is not ended by a reboot at night: the daily watch tells of one that is due."""
    return updates.model_copy(update={"reboot": False})
