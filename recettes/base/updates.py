"""Security updates, restarts and reboots without a person, at a time when they may be."""

from __future__ import annotations

import hashlib

from recettes.blueprint import Blueprint
from recettes.declarations.updates import Updates, minutes
from recettes.files import text
from recettes.templates import render
from recettes.units import Unit


def updates(wanted: Updates, machine: str) -> Blueprint:
    """Lists are fetched in the first quarter of the window, updates installed in the second, reboots come in the last.

    The minute of the reboot depends on the machine's name, so that not all of them are away at once.
    """
    start, length = minutes(wanted.window)
    quarter = length // 4
    reboot_at = _time(start + 3 * quarter + _spread(machine, quarter)) if wanted.reboot else None
    fetch, install = _timer("apt-daily.timer"), _timer("apt-daily-upgrade.timer")
    return Blueprint(
        packages=frozenset({"unattended-upgrades", "needrestart"}),
        files={
            "/etc/apt/apt.conf.d/60recettes": text(render("base/apt.conf", reboot_at=reboot_at)),
            "/etc/needrestart/conf.d/60-recettes.conf": text(render("base/needrestart.conf")),
            fetch: text(render("base/apt.timer", window=wanted.window, at=_time(start), spread=quarter)),
            install: text(render("base/apt.timer", window=wanted.window, at=_time(start + quarter), spread=quarter)),
        },
        units={
            "apt-daily.timer": Unit(definition=(fetch,)),
            "apt-daily-upgrade.timer": Unit(definition=(install,)),
            # Waits for an update under way when the machine goes down.
            "unattended-upgrades.service": Unit(),
        },
    )


def _timer(name: str) -> str:
    return f"/etc/systemd/system/{name}.d/60-recettes.conf"


def _spread(machine: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(machine.encode()).digest()[:4], "big") % below


def _time(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"
