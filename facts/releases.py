"""Releases as they are: all items of a root in one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from facts.survey import Part
from recettes.releases import LISTING, NAME, STRAY, WWW, Kept, Root, SiteState
from recettes.shell import quote, words

_LOOK = r"""look() {
  site=$root/$1
  [ -d "$site" ] || return 0
  echo "S $1"
  for link in current previous; do
    if [ -L "$site/$link" ]; then echo "L $link $(readlink -- "$site/$link")"
    elif [ -e "$site/$link" ]; then echo "O $site/$link"; fi
  done
  [ ! -e "$site/held" ] || echo "H $(cat "$site/held")"
  [ -d "$site/releases" ] || return 0
  find "$site/releases" -mindepth 1 -maxdepth 1 -printf 'R %y %u %g %T@ %f\n'
  for noted in "$site"/releases/*.listing; do
    [ ! -f "$noted" ] || echo "N $(basename "$noted" .listing) $(cat "$noted")"
  done
  current=$(readlink -- "$site/current" || :)
  for name in $(printf '%s\n' "${current##*/}" "$2" | sort -u); do
    [ ! -d "$site/releases/$name" ] || echo "A $name $(listing "$site/releases/$name")"
  done
}"""


def release_states(wanted: Mapping[str, str], root: Root = WWW) -> Part[dict[str, SiteState]]:
    """The releases of the sites. By site, `wanted` names the release that is looked at besides the current one, or none ("")."""
    calls = [f"look {words([site, name])}" for site, name in sorted(wanted.items())]
    return Part(root.subsystem, "\n".join([f"root={quote(root.path)}", LISTING, _LOOK, *calls]), _parse)


def _parse(lines: list[str]) -> dict[str, SiteState]:
    sites: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("S "):
            sites[line[2:]] = []
        elif not sites:
            raise ValueError(line)
        else:
            sites[next(reversed(sites))].append(line)
    return {site: _site(told) for site, told in sites.items()}


def _site(lines: list[str]) -> SiteState:
    links: dict[str, str | None] = {}
    kept: dict[str, Kept] = {}
    recorded: dict[str, str] = {}
    actual: dict[str, str] = {}
    strays = set()
    held = None
    for line in lines:
        letter, _, rest = line.partition(" ")
        if letter == "L":
            link, _, target = rest.partition(" ")
            links[link] = _release(target)
        elif letter == "H":
            held = rest if NAME.fullmatch(rest) else None
        elif letter == "R":
            kind, owner, group, time, name = rest.split(" ", 4)
            if kind == "d" and NAME.fullmatch(name):
                kept[name] = Kept(owner, group, float(time))
            elif STRAY.fullmatch(name):
                strays.add(name)
        elif letter in ("N", "A"):
            name, digest = rest.split(" ")
            (recorded if letter == "N" else actual)[name] = digest
        elif letter == "O":
            raise ValueError(f"{rest} is not a link, so these recipes did not make it; move it away")
        else:
            raise ValueError(line)
    strays -= {f"{name}.listing" for name in kept}
    kept = {name: replace(one, recorded=recorded.get(name), actual=actual.get(name)) for name, one in kept.items()}
    return SiteState(kept, links.get("current"), links.get("previous"), held, tuple(sorted(strays)))


def _release(target: str) -> str | None:
    folder, _, name = target.partition("/")
    return name if folder == "releases" and NAME.fullmatch(name) else None
