"""BaseX's users as its file has them, and whether their passwords are the wanted ones."""

from __future__ import annotations

import json
from collections.abc import Mapping

from facts.survey import Part
from recettes.secrets import Secret
from recettes.shell import quote
from recettes.xmldb import names
from recettes.xmldb.users import SUBSYSTEM, AccountState

# A line of JSON a user. A password is kept as the SHA-256 of salt and password: BaseX's User.java.
_READ = """
import hashlib, json, sys, xml.etree.ElementTree as tree
passwords = json.load(sys.stdin)
try:
    users = tree.parse(sys.argv[1]).getroot().findall("user")
except tree.ParseError:  # cut by a full disk: BaseX finds no users in it either
    users = []
for user in users:
    kept = user.find("password[@algorithm='salted-sha256']")
    known = passwords.get(user.get("name"))
    same = None not in (kept, known) and (
        hashlib.sha256((kept.findtext("salt") + known).encode()).hexdigest() == kept.findtext("hash")
    )
    rights = [[one.get("pattern"), one.get("permission")] for one in user.findall("database")]
    print(json.dumps({"name": user.get("name"), "permission": user.get("permission"), "rights": rights, "same": same}))
"""


def user_states(passwords: Mapping[str, Secret]) -> Part[dict[str, AccountState]]:
    """By name; `passwords` are the wanted ones, as far as there are any yet."""
    known = json.dumps({name: secret.reveal() for name, secret in sorted(passwords.items())})
    script = f"[ ! -e {names.USERS} ] || printf %s {quote(known)} | python3 -I -c {quote(_READ)} {names.USERS}"
    return Part(SUBSYSTEM, script, _parse)


def _parse(lines: list[str]) -> dict[str, AccountState]:
    states = {}
    for line in lines:
        user = json.loads(line)
        rights = tuple((pattern, permission) for pattern, permission in user["rights"])
        states[user["name"]] = AccountState(user["permission"], rights, user["same"])
    return states
