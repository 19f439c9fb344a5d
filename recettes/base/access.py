"""The administrators on a machine: accounts, keys, and the right to become root."""

from __future__ import annotations

from collections.abc import Sequence

from recettes.accounts import Account
from recettes.blueprint import Blueprint
from recettes.declarations.people import Administrator
from recettes.files import folder, text
from recettes.templates import render

# sshd reads keys here (%u below it): in a home, a program run by its owner could add one.
KEYS = "/etc/recettes/ssh/authorized_keys"
# A drop-in, not a tree with a checker: nothing in it but names of [a-z0-9-], so there is nothing a checker could refuse.
SUDOERS = "/etc/sudoers.d/50-recettes"


def access(administrators: Sequence[Administrator]) -> Blueprint:
    """For administrators as they are today; who is left out here loses keys and sudo, and the account is locked."""
    keys = {f"{KEYS}/{person.name}": text("".join(key + "\n" for key in person.keys)) for person in administrators}
    names = sorted(person.name for person in administrators)
    return Blueprint(
        packages=frozenset({"sudo"}),
        accounts={name: _account(name) for name in names},
        files={KEYS: folder(), **keys, SUDOERS: text(render("base/sudoers", administrators=names), mode=0o440)},
    )


def _account(name: str) -> Account:
    # These groups read logs without sudo.
    return Account(home=f"/home/{name}", shell="/bin/bash", system=False, groups=frozenset({"adm", "systemd-journal"}))  # noqa: S604
