"""BaseX's accounts as its file of users has them."""

from __future__ import annotations

from facts.survey import Part
from recettes.secrets import Secret
from recettes.shell import quote, words
from recettes.xmldb import names
from recettes.xmldb.server import Accounts

# A user's password is kept as the SHA-256 of salt and password: BaseX's User.java.
_READ = """
import hashlib, sys, xml.etree.ElementTree as tree
path, health = sys.argv[1:]
password = sys.stdin.read()
try:
    users = {user.get("name"): user for user in tree.parse(path).getroot().findall("user")}
except tree.ParseError:  # cut by a full disk: BaseX finds no users in it either
    users = {}
kept = users["admin"].find("password[@algorithm='salted-sha256']") if "admin" in users else None
same = kept is not None and hashlib.sha256((kept.findtext("salt") + password).encode()).hexdigest() == kept.findtext("hash")
print("admin", "same" if same else "differs")
print("health", users[health].get("permission") if health in users else "absent")
"""


def server_accounts(password: Secret | None) -> Part[Accounts]:
    """`password` is the wanted one; None where the next apply makes it, and nothing can be as wanted."""
    known = password.reveal() if password else ""
    script = f"""\
echo "running $(systemctl is-active {names.UNIT} || :)"
if [ -e {names.USERS} ]; then
    printf %s {quote(known)} | python3 -I -c {quote(_READ)} {words([names.USERS, names.HEALTH_USER])}
fi
"""
    return Part("basex", script, lambda lines: _parse(lines, known=bool(known)))


def _parse(lines: list[str], *, known: bool) -> Accounts:
    read: dict[str, str] = {}
    for line in lines:
        name, value = line.split()
        read[name] = value
    running = read.pop("running") in ("active", "activating", "reloading", "deactivating")
    if not read:
        return Accounts(running=running)
    return Accounts(known and read["admin"] == "same", None if read["health"] == "absent" else read["health"], running)
