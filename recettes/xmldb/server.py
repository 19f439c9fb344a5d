"""BaseX's own accounts: the administrator with the estate's password, and one without any right for the question of health."""

from __future__ import annotations

from dataclasses import dataclass

from recettes.change import Change
from recettes.secrets import Secret
from recettes.shell import quote
from recettes.xmldb import names

SUBSYSTEM = "basex"
# Java's memory, in MB, for the command that changes accounts.
_MEMORY = 128
# It lives for a second.
_BRIEF = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"

# BaseX writes the list over the old one, and tells nobody that a full disk has cut it.
WRITTEN = f"""\
python3 -I -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' {names.USERS} 2>/dev/null || {{
    left=$(df -h --output=avail {names.ROOT} | tail -n 1 | tr -d ' ')
    echo "{names.USERS}, the list of BaseX's users, could not be written whole; {names.ROOT} has $left left." \\
        "Make room there, then run again: that makes it anew." >&2
    exit 1
}}"""


@dataclass(frozen=True)
class Accounts:
    """What BaseX's file of users says. `admin`: the password there is the wanted one; `health` is what its account may do, None
    where there is none. `running`: the server has the users in memory, and what would be written beside it would be lost."""

    admin: bool = False
    health: str | None = None
    running: bool = False


def plan_accounts(actual: Accounts) -> list[Change]:
    """One step, before the first start and whenever something differs."""
    wrong = ([] if actual.admin else ["the administrator's password"]) + (
        [] if actual.health == "none" else [f"{names.HEALTH_USER}, without rights"]
    )
    stops = f"; {names.UNIT} is stopped meanwhile" if actual.running else ""
    return [Change(SUBSYSTEM, names.USERS, "set", " and ".join(wrong) + stops)] if wrong else []


def accounts_script(password: Secret) -> str:
    """BaseX itself writes them, by a process of its own while the server is down. Only that can read the password's file."""
    java = (
        f'{names.JAVA} -Xmx{_MEMORY}m {_BRIEF} -Dorg.basex.path="$folder" -Dorg.basex.dbpath={names.DATA} '
        f"-cp '{names.BASEX}/lib/*' org.basex.BaseX \"$folder/set.xq\""
    )
    return f"""\
umask 077
folder=$(mktemp -d /run/recettes-basex.XXXXXX)
running=no
end() {{
    rm -rf -- "$folder"
    [ "$running" = no ] || systemctl start {names.UNIT}
}}
trap end EXIT
printf %s {quote(password.reveal())} >"$folder/password"
cat >"$folder/set.xq" <<'END_OF_QUERY'
declare variable $folder := replace(static-base-uri(), '/[^/]*$', '');
user:password('admin', file:read-text($folder || '/password')),
if (user:exists('{names.HEALTH_USER}')) then user:grant('{names.HEALTH_USER}', 'none')
else user:create('{names.HEALTH_USER}', random:uuid())
END_OF_QUERY
chown -R {names.USER}:{names.USER} "$folder"
if systemctl is-active --quiet {names.UNIT}; then
    running=yes
    systemctl stop {names.UNIT}
fi
cd "$folder"
runuser -u {names.USER} -- env -i LANG=C.UTF-8 {java}
{WRITTEN}
"""
