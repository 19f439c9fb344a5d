"""Who guesses at the door is kept out for a while."""

from __future__ import annotations

from collections.abc import Iterable

from recettes.blueprint import Blueprint
from recettes.files import text
from recettes.templates import render
from recettes.units import Unit

# Debian ships none: it is the administrator's, read after the package's and before what lies in jail.d/*.local.
JAILS = "/etc/fail2ban/jail.local"
SETTINGS = "/etc/fail2ban/fail2ban.d/recettes.local"
DROP_IN = "/etc/systemd/system/fail2ban.service.d/60-recettes.conf"


def bans(trusted: Iterable[str]) -> Blueprint:
    """`trusted` are addresses and networks (CIDR) that are never banned; loopback always is one."""
    never = ["127.0.0.0/8", "::1", *sorted(set(trusted))]
    return Blueprint(
        packages=frozenset({"fail2ban", "python3-systemd", "nftables"}),
        files={
            JAILS: text(render("base/jail.local", trusted=never)),
            SETTINGS: text(render("base/fail2ban.local")),
            DROP_IN: text(render("base/fail2ban.conf")),
        },
        units={
            "fail2ban.service": Unit(definition=(DROP_IN,), reads=(JAILS, SETTINGS), reload="/usr/bin/fail2ban-client reload")
        },
    )
