"""Which versions of its programs the XML database server runs with."""

from __future__ import annotations

from collections.abc import Iterable

from facts.survey import Part
from recettes.artifacts import VERSION, home
from recettes.shell import words
from recettes.xmldb import names
from recettes.xmldb.upgrade import JOURNAL, SUBSYSTEM, InForce


def in_force(programs: Iterable[str]) -> Part[InForce]:
    """Versions of these programs, and whether the server runs or has databases."""
    script = f"""\
for name in {words(sorted(programs))}; do
  ! [ -L "{home("$name")}/current" ] || echo "L $name $(readlink -- "{home("$name")}/current")"
done
! systemctl is-active --quiet {names.UNIT} || echo G
[ ! -d {names.DATA} ] || [ -z "$(find {names.DATA} -mindepth 1 -maxdepth 1 -type d -not -name '.*' -print -quit)" ] || echo G
[ ! -e {JOURNAL} ] || echo U"""
    return Part(SUBSYSTEM, script, _parse)


def _parse(lines: list[str]) -> InForce:
    current = {}
    for line in lines:
        if line.startswith("L "):
            _, name, target = line.split(" ", 2)
            if VERSION.fullmatch(target):
                current[name] = target
        elif line not in ("G", "U"):
            raise ValueError(line)
    return InForce(current, "G" in lines, "U" in lines)
