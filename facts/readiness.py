"""What a machine is, and whether it may be changed now."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pyinfra.api.facts import FactBase

from facts.survey import Part
from recettes.files import STAGING
from recettes.readiness import Readiness

# `<root>.recettes-new` are trees, staged by a run that died.
_SCRIPT = rf"""
. /etc/os-release
echo "distribution=${{ID-}}"
echo "release=${{VERSION_CODENAME-}}"
echo "system=${{PRETTY_NAME-unknown}}"
echo "architecture=$(uname -m)"
echo "uid=$(id -u)"
echo "clock=$(date +%s)"
df -P -k / /var | awk 'NR > 1 {{ print "free=" (NR == 2 ? "/" : "/var") " " $4 }}'
if [ -e {STAGING} ]; then
    while read -r path; do [ ! -e "$path" ] && [ ! -L "$path" ] || echo "left=$path"; done <{STAGING}
    echo left={STAGING}
fi
[ ! -d /etc/recettes ] || find /etc/recettes -mindepth 1 -maxdepth 2 -name '*.recettes-new*' -printf 'left=%p\n'
[ ! -e /run/reboot-required ] || echo reboot=yes
systemctl list-units --failed --plain --no-legend | sed 's/^[^[:alnum:]-]*//; s/ .*//; s/^/failed=/'
"""


def readiness() -> Part[Readiness]:
    """All that `ready` asks of a machine."""
    return Part("ready", _SCRIPT, _parse)


def _parse(lines: list[str]) -> Readiness:
    said: dict[str, list[str]] = {}
    for line in lines:
        key, separator, value = line.partition("=")
        if not separator:
            raise ValueError(line)
        said.setdefault(key, []).append(value)
    folders = (line.rsplit(" ", 1) for line in said["free"])
    return Readiness(
        distribution=said["distribution"][0],
        release=said["release"][0],
        system=said["system"][0],
        architecture=said["architecture"][0],
        root=said["uid"] == ["0"],
        free={folder: int(blocks) * 1024 for folder, blocks in folders},
        skew=float(said["clock"][0]) - time.time(),
        leftovers=tuple(dict.fromkeys(said.get("left", []))),
        reboot="reboot" in said,
        failed=tuple(said.get("failed", [])),
    )


class Sudo(FactBase[str]):
    """What sudo says to the account of the connection: empty when it may become root without a password. Asked without sudo."""

    def command(self) -> str:
        return "sudo -n true 2>&1 || :"

    @staticmethod
    def default() -> str:
        return ""

    def process(self, output: Iterable[str]) -> str:
        return " ".join(output).strip()
