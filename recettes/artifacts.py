"""Programs in /opt, beside Debian's: each version in a folder of its own, root's, to be read and run by all.

/opt/NAME/VERSION           its files
/opt/NAME/VERSION.listing   digest of what was asked for, and digest over names, sizes, times, modes and owners as unpacked
/opt/NAME/current, previous links to VERSION, changed by whoever runs the program (see recettes/xmldb/upgrade.py); only read here
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from recettes.catalogue import Artifact
from recettes.change import Change
from recettes.releases import INCOMING, LISTING
from recettes.shell import SWAP, quote

SUBSYSTEM = "artifacts"
OPT = "/opt"
VERSION = re.compile(r"\d+(\.\d+)+")
# What runs that died leave beside versions.
STRAY = re.compile(r"\.new-\d[\d.]*(old)?|\d[\d.]*\.listing-new|\.(current|previous)-new")

# A program of which no version is wanted is None.
Wanted = Mapping[str, Artifact | None]


@dataclass(frozen=True)
class Unpacked:
    """A version on a machine: digest of what was asked for, its listing then, and its listing now where that was looked at."""

    digest: str
    recorded: str
    actual: str | None = None


@dataclass(frozen=True)
class Program:
    """The versions of a program, what `current` and `previous` name, and what dead runs left."""

    versions: Mapping[str, Unpacked] = field(default_factory=dict)
    current: str | None = None
    previous: str | None = None
    strays: tuple[str, ...] = ()


NOTHING = Program()


def home(name: str) -> str:
    return f"{OPT}/{name}"


def place(artifact: Artifact) -> str:
    return f"{home(artifact.name)}/{artifact.version}"


def listing_path(artifact: Artifact) -> str:
    """Changes whenever the version is unpacked anew: one of the files that make a unit of the program what it is."""
    return f"{place(artifact)}.listing"


def plan_artifacts(actual: Mapping[str, Program], wanted: Wanted) -> list[Change]:
    """Every wanted version is there and untouched; others only while `current` or `previous` will name them.

    What is not ours in a program's folder is left alone.
    """
    changes: list[Change] = []
    for name in sorted(wanted):
        changes += _plan_one(name, actual.get(name, NOTHING), wanted[name])
    return changes


def _plan_one(name: str, is_: Program, want: Artifact | None) -> Iterator[Change]:
    coming = None
    if want and (why := _lacks(is_, want)) is not None:
        coming = want.version
        action = "restore" if coming in is_.versions else "install"
        yield Change(SUBSYSTEM, f"{home(name)}/{coming}", action, f"{want.size / 1e6:.1f} MB{why}")
    for surplus in _surplus(is_, want):
        # What is unpacked now writes again what a dead run left of it.
        if surplus not in (f".new-{coming}", f".new-{coming}.old", f"{coming}.listing-new"):
            yield Change(SUBSYSTEM, f"{home(name)}/{surplus}", "remove")


def _lacks(is_: Program, want: Artifact) -> str | None:
    there = is_.versions.get(want.version)
    if there is None:
        return ""
    if there.digest != want.digest:
        return ", the catalogue says other files" if there.digest else ", nobody knows where its files are from"
    return None if there.recorded == there.actual else ", its files were changed on the machine"


def _surplus(is_: Program, want: Artifact | None) -> list[str]:
    if want is None:
        links = [link for link, target in (("current", is_.current), ("previous", is_.previous)) if target]
        return [*links, *sorted(is_.versions), *sorted(is_.strays)]
    # Where `current` names another version it will be `previous` soon, and what that names now will be named no more.
    changing = is_.current is not None and is_.current != want.version
    named = (want.version, is_.current, None if changing else is_.previous)
    return [*sorted(version for version in is_.versions if version not in named), *sorted(is_.strays)]


def unpacks(change: Change) -> bool:
    """Whether the change needs the files on the machine."""
    return change.action in ("install", "restore")


def written(changes: Iterable[Change]) -> dict[str, str | None]:
    """The listings that the changes write or remove."""
    return {
        f"{change.item}.listing": "new" if unpacks(change) else None
        for change in changes
        if VERSION.fullmatch(change.item.rpartition("/")[2])
    }


def incoming(artifact: Artifact) -> str:
    """Path of its archive on the machine."""
    return f"{INCOMING}/{artifact.name}-{artifact.version}.tar.gz"


def unpack_script(want: Artifact) -> str:
    """Unpacks beside, and exchanges: a program that runs from the version's folder never sees half of it."""
    archive = quote(incoming(want))
    return "\n".join(
        [
            LISTING,
            SWAP,
            f"home={quote(home(want.name))}; place={quote(place(want))}; new=$home/.new-{want.version}",
            f'trap \'rm -rf -- "$new" "$new.old" {archive}\' EXIT',
            'umask 022; mkdir -p "$home"; rm -rf -- "$new" "$new.old"; mkdir "$new"',
            f'tar -xzf {archive} -C "$new" -m --no-same-owner --no-same-permissions',
            'chown -R -h root:root "$new"',
            f'echo "{want.digest} $(listing "$new")" >"$place.listing-new"',
            'sync -f "$new"',
            'mv -fT "$place.listing-new" "$place.listing"',
            'swap "$new" "$place"',
        ]
    )


def remove_script(changes: Sequence[Change]) -> str:
    """Links first: nobody is led to what is half gone. A program's folder goes when nothing is left in it."""
    lines = []
    for change in changes:
        place = quote(change.item)
        # The listing goes last: while it is there, the next run knows that the rest is ours.
        lines.append(f"rm -rf -- {place}; rm -f -- {place}.listing")
    homes = sorted({change.item.rpartition("/")[0] for change in changes})
    return "\n".join([*lines, *(f"rmdir --ignore-fail-on-non-empty -- {quote(one)}" for one in homes)])
