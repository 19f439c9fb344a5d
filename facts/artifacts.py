"""Programs in /opt as they are: all of them in one read."""

from __future__ import annotations

from dataclasses import replace

from facts.survey import Part
from recettes.artifacts import OPT, STRAY, SUBSYSTEM, VERSION, Program, Unpacked, Wanted
from recettes.releases import LISTING
from recettes.shell import words

_LOOK = rf"""look() {{
  home={OPT}/$1
  [ -d "$home" ] || return 0
  echo "P $1"
  for link in current previous; do
    if [ -L "$home/$link" ]; then echo "L $link $(readlink -- "$home/$link")"
    elif [ -e "$home/$link" ]; then echo "O $home/$link"; fi
  done
  find "$home" -mindepth 1 -maxdepth 1 -printf 'E %f\n'
  for noted in "$home"/*.listing; do
    [ ! -f "$noted" ] || echo "N $(basename "$noted" .listing) $(cat "$noted")"
  done
  [ -z "$2" ] || [ -L "$home/$2" ] || [ ! -d "$home/$2" ] || echo "A $2 $(listing "$home/$2")"
}}"""


def programs(wanted: Wanted) -> Part[dict[str, Program]]:
    """The programs named; of the wanted version also whether anybody has touched it."""
    calls = [f"look {words([name, want.version if want else ''])}" for name, want in sorted(wanted.items())]
    return Part(SUBSYSTEM, "\n".join([LISTING, _LOOK, *calls]), _parse)


def _parse(lines: list[str]) -> dict[str, Program]:
    told: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("P "):
            told[line[2:]] = []
        elif not told:
            raise ValueError(line)
        else:
            told[next(reversed(told))].append(line)
    return {name: _program(one) for name, one in told.items()}


def _program(lines: list[str]) -> Program:
    links: dict[str, str | None] = {}
    entries = set()
    noted: dict[str, Unpacked] = {}
    for line in lines:
        letter, _, rest = line.partition(" ")
        if letter == "L":
            link, _, target = rest.partition(" ")
            links[link] = target if VERSION.fullmatch(target) else None
        elif letter == "E":
            entries.add(rest)
        elif letter == "N":
            version, *digests = rest.split(" ")
            # A listing that was damaged: as if other files had been asked for.
            noted[version] = Unpacked(*digests) if len(digests) == 2 else Unpacked("", "")
        elif letter == "A":
            version, actual = rest.split(" ")
            noted[version] = replace(noted.get(version, Unpacked("", "")), actual=actual)
        elif letter == "O":
            raise ValueError(f"{rest} is not a link, so these recipes did not make it; move it away")
        else:
            raise ValueError(line)
    versions = {name: one for name, one in noted.items() if VERSION.fullmatch(name)}
    strays = tuple(sorted(name for name in entries if STRAY.fullmatch(name)))
    return Program(versions, links.get("current"), links.get("previous"), strays)
