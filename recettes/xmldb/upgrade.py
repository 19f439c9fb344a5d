"""Which versions of its programs the XML database server runs with, and the guarded way from one to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recettes.artifacts import home
from recettes.catalogue import Artifact
from recettes.change import Change
from recettes.shell import quote, words
from recettes.xmldb import names

SUBSYSTEM = "xmldb"
UPGRADE = "/usr/local/lib/recettes/xmldb-upgrade"
# Lies there while an upgrade is under way, and after it was cut off.
JOURNAL = f"{names.STATE}/upgrade.json"


@dataclass(frozen=True)
class InForce:
    """The versions that `current` names, by program. `guarded`: the server runs, or there are databases, so that there is
    something to lose. `unfinished`: an upgrade was cut off."""

    current: Mapping[str, str] = field(default_factory=dict)
    guarded: bool = False
    unfinished: bool = False


def plan_links(actual: InForce, wanted: Mapping[str, Artifact]) -> list[Change]:
    """Where there is nothing to lose, or nothing to go back to, links are just set: at a first installation."""
    if actual.unfinished:
        return []
    return [
        Change(SUBSYSTEM, f"{home(name)}/current", "set", want.version)
        for name, want in sorted(wanted.items())
        if actual.current.get(name) != want.version and not (actual.guarded and name in actual.current)
    ]


def links_script(changes: Sequence[Change]) -> str:
    point = 'point() { ln -sfn "$2" "${1%/*}/.current-new"; mv -fT "${1%/*}/.current-new" "$1"; }'
    return "\n".join([point, *(f"point {quote(change.item)} {quote(change.wanted)}" for change in changes)])


def plan_upgrade(actual: InForce, wanted: Mapping[str, Artifact]) -> list[Change]:
    """All other versions at once, in one step that can be undone."""
    steps = [
        f"{name} {actual.current[name]} -> {want.version}"
        for name, want in sorted(wanted.items())
        if actual.guarded and name in actual.current and actual.current[name] != want.version
    ]
    told = ["what an upgrade that was cut off has left is undone first"] if actual.unfinished else []
    told += [", ".join(steps), _FALLBACK] if steps else []
    return [Change(SUBSYSTEM, names.UNIT, "upgrade", "; ".join(told))] if told else []


_FALLBACK = (
    "all databases are dumped before; where the server does not start or answers otherwise than before, "
    "the old programs and the dumped databases come back"
)


def upgrade_script(wanted: Mapping[str, Artifact]) -> str:
    return f"{UPGRADE} {words(f'{name}={want.version}' for name, want in sorted(wanted.items()))}"
