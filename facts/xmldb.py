"""XML databases as they lie on the disk: which there are, what they were made of, and whether they are still that."""

from __future__ import annotations

from collections.abc import Iterable

from facts.survey import Part
from recettes.releases import NAME
from recettes.shell import words
from recettes.xmldb import names
from recettes.xmldb.databases import NOTES, RESTORED, STAGED, STAMP, SUBSYSTEM, DatabaseState, Note

_LOOK = rf"""
for place in {names.DATA}/*/ {names.STAGING}/*/; do
  [ -d "$place" ] || continue
  place=${{place%/}}
  name=${{place##*/}}
  case $place in
    *{STAGED}|{names.STAGING}/*) echo "X ${{name%{STAGED}}}"; continue ;;
    *{RESTORED}) continue ;;  # of a restore: the next dump, or the server's next start, sees to what one has left
  esac
  echo "D $name"
  [ ! -e "$place/upd.basex" ] || echo "U $name"
done
for note in {NOTES}/*; do
  [ ! -f "$note" ] || echo "N ${{note##*/}} $(cat "$note")"
done
look() {{
  [ ! -d "{names.DATA}/$1" ] || echo "S $1 $(stamp "{names.DATA}/$1")"
  source={names.SOURCES}/$1
  [ ! -L "$source/current" ] || echo "L $1 $(readlink -- "$source/current")"
  [ ! -f "$source/held" ] || echo "H $1 $(cat "$source/held")"
}}"""


def database_states(wanted: Iterable[str]) -> Part[dict[str, DatabaseState]]:
    """All databases there are; those wanted are looked at closely."""
    return Part(SUBSYSTEM, "\n".join([STAMP, _LOOK, *(f"look {words([name])}" for name in sorted(wanted))]), _parse)


def _parse(lines: list[str]) -> dict[str, DatabaseState]:
    told: dict[str, dict[str, str]] = {}
    for line in lines:
        letter, _, rest = line.partition(" ")
        if letter in ("D", "U", "X"):
            told.setdefault(rest, {})[letter] = ""
        elif letter in ("N", "S", "L", "H"):
            name, _, value = rest.partition(" ")
            told.setdefault(name, {})[letter] = value
        else:
            raise ValueError(line)
    return {name: _state(what) for name, what in told.items()}


def _state(told: dict[str, str]) -> DatabaseState:
    current, held = told.get("L", "").removeprefix("releases/"), told.get("H", "")
    return DatabaseState(
        exists="D" in told,
        damaged="U" in told,
        stamp=told.get("S"),
        note=_note(told["N"]) if "N" in told else None,
        current=current if NAME.fullmatch(current) else None,
        held=held if NAME.fullmatch(held) else None,
        stray="X" in told,
    )


def _note(line: str) -> Note | None:
    """A note that was cut off says nothing."""
    parts = line.split(" ")
    return Note(parts[0], parts[1], parts[2] == "written", parts[3]) if len(parts) == 4 else None
