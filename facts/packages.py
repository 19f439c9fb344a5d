"""Packages as they are."""

from __future__ import annotations

from facts.survey import Part
from recettes.packages import ENABLED_BEFORE, PackageTable

_SCRIPT = rf"""
echo "A $(dpkg --print-architecture)"
dpkg-query -W -f 'P ${{db:Status-Abbrev}}|${{Package}}|${{Architecture}}|${{Provides}}\n'
find /var/lib/dpkg/updates -type f -name '[0-9]*' -printf 'I %f\n'
[ ! -e {ENABLED_BEFORE} ] || echo 'I {ENABLED_BEFORE}'
[ ! -e /var/lib/apt/extended_states ] ||
    awk '/^Package:/ {{ name = $2 }} /^Auto-Installed: 1/ {{ print "M " name }}' /var/lib/apt/extended_states
"""


def package_table() -> Part[PackageTable]:
    """All packages of the machine."""
    return Part("packages", _SCRIPT, _parse)


def _parse(lines: list[str]) -> PackageTable:
    native, *rest = lines
    if not native.startswith("A ") or not any(line.startswith("P ") for line in rest):
        raise ValueError("dpkg did not answer")
    architecture = native[2:]
    whole: set[str] = set()
    broken = []
    for line in rest:
        if not line.startswith("P "):
            continue
        status, name, arch, provides = line[2:].split("|", 3)
        if status[1] == "i" and status[2:3] != "R":
            whole.add(f"{name}:{architecture if arch == 'all' else arch}")
            if arch in ("all", architecture):
                whole.add(name)
                whole.update(provided.split()[0] for provided in provides.split(",") if provided.strip())
        elif (status[0] in "ih" and status[1] in "HUFWt") or status[2:3] == "R":
            broken.append(name if arch in ("all", architecture) else f"{name}:{arch}")
    interrupted = any(line.startswith("I ") for line in rest)
    return PackageTable(
        frozenset(whole), tuple(sorted(broken)), interrupted, frozenset(line[2:] for line in rest if line.startswith("M "))
    )
