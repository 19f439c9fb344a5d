"""Accounts as they are. No password hash leaves the machine."""

from __future__ import annotations

from facts.survey import Part
from recettes.accounts import MANAGED_ACCOUNTS, AccountState, AccountTable

_SCRIPT = rf"""
echo "C ${{SUDO_USER:-$(id -un)}}"
awk -F: '{{ print "P " $1 ":" $4 ":" $6 ":" $7 }}' /etc/passwd
awk -F: '{{ print "G " $1 ":" $3 ":" $4 }}' /etc/group
awk -F: '{{
    state = "set"
    if ($2 == "") state = "empty"
    else if ($2 ~ /^!/) state = "locked"
    else if ($2 == "*") state = "none"
    print "S " $1 ":" state ":" $8
}}' /etc/shadow
cut -d : -f 6 /etc/passwd | sort -u | while read -r home; do [ ! -d "$home" ] || echo "H $home"; done
[ ! -e {MANAGED_ACCOUNTS} ] || sed 's/^/M /' {MANAGED_ACCOUNTS}
"""


def account_table() -> Part[AccountTable]:
    """All accounts of the machine, and which of them are ours."""
    return Part("accounts", _SCRIPT, _parse)


def _parse(lines: list[str]) -> AccountTable:
    of: dict[str, list[str]] = {kind: [] for kind in "CPGSHM"}
    for line in lines:
        kind, _, rest = line.partition(" ")
        of[kind].append(rest)
    if not (of["C"] and of["P"] and of["G"] and of["S"]):
        raise ValueError("a part of the answer is missing")
    shadow = {name: (password, expires) for name, password, expires in (line.split(":") for line in of["S"])}
    groups = [(group, number, members.split(",")) for group, number, members in (line.split(":") for line in of["G"])]
    homes = set(of["H"])
    states = {}
    for line in of["P"]:
        name, gid, home, shell = line.split(":")
        # Without a line in /etc/shadow nobody can log in, but tools that lock would fail: as if unlocked.
        password, expires = shadow.get(name, ("none", ""))
        others = frozenset(group for group, number, members in groups if name in members and number != gid)
        states[name] = AccountState(home, shell, others, password, int(expires) if expires else None, home in homes)
    return AccountTable(states, frozenset(of["M"]), of["C"][0])
