"""Kernel, journal, clock and language of a machine."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.files import File, text
from recettes.templates import render
from recettes.units import Unit

SYSCTL = "/etc/sysctl.d/60-recettes.conf"
JOURNALD = "/etc/systemd/journald.conf.d/60-recettes.conf"

TOOLS = {"git", "vim", "tmux", "htop", "curl", "rsync", "jq", "less", "man-db", "ca-certificates", "logrotate"}
# A password set by hand is a strong one, a person's temporary files are seen by nobody else, an upgrade by hand tells what it
# changes, and a package's files can be compared with it.
CARE = {"libpam-passwdqc", "libpam-tmpdir", "apt-listchanges", "debsums"}


def system(time_zone: str) -> Blueprint:
    """`time_zone` is a name of the tz database."""
    return Blueprint(
        packages=frozenset(TOOLS | CARE | {"systemd-timesyncd", "tzdata"}),
        files={
            SYSCTL: text(render("base/sysctl.conf")),
            "/etc/modprobe.d/60-recettes.conf": text(render("base/modprobe.conf")),
            "/etc/security/limits.d/60-recettes.conf": text(render("base/limits.conf")),
            "/etc/profile.d/60-recettes.sh": text(render("base/profile.sh")),
            "/etc/systemd/coredump.conf.d/60-recettes.conf": text(render("base/coredump.conf")),
            JOURNALD: text(render("base/journald.conf")),
            # As tzdata writes it, or its next update would be a difference.
            "/etc/localtime": File(link=f"/usr/share/zoneinfo/{time_zone}"),
            "/etc/locale.conf": text("# For every machine; managed by recettes.\nLANG=C.UTF-8\n"),
        },
        units={
            "systemd-sysctl.service": Unit(reads=(SYSCTL,)),
            "systemd-journald.service": Unit(reads=(JOURNALD,)),
            "systemd-timesyncd.service": Unit(),
            "logrotate.timer": Unit(),
        },
    )
