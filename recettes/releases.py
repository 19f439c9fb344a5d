"""Releases of contents: each in a folder of its own, `current` a link to one of them, `previous` a link to the one before.

ROOT/NAME/releases/DIGEST16/          the files of one release
ROOT/NAME/releases/DIGEST16.listing   digest over names, sizes, times, modes and owners as they were unpacked
ROOT/NAME/current, previous           links to releases/DIGEST16
ROOT/NAME/held                        the release that was rolled back from, and is not published again
ROOT/NAME/data/                       what outlives releases; never touched here

Sites have theirs in /srv/www; whatever else is published so has a root of its own. Below, a site is an item of any root.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from recettes.change import Change
from recettes.shell import SWAP, quote, words

SITES = "/srv/www"
# Where an archive waits for being unpacked; root's alone.
INCOMING = "/var/lib/recettes/incoming"
# Releases that are kept, current and previous among them.
KEEP = 3
DIGITS = 16
NAME = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
# What runs that died leave in releases/, besides releases.
STRAY = re.compile(rf"\.new-[0-9a-f]{{{DIGITS}}}.*|[0-9a-f]{{{DIGITS}}}\.listing(-new)?")

# One line for a whole release: cheap enough for every run, where reading all contents would not be. The times of folders
# are left out (they change when a file is exchanged), the times of files are what shows that one was written.
LISTING = r"""listing() {
  ( cd "$1" && find . \( -type d -printf 'd %m %u %g %P\0' \) -o -printf '%y %m %u %g %s %Ts %P\t%l\0' |
    sort -z | sha256sum | cut -c1-64 )
}"""


@dataclass(frozen=True)
class Root:
    """A folder of items that have releases. `kind` is what one of them is called, `subsystem` what plans call them all.

    `after` is a shell command that makes their service see that an item was rolled back. `at_once` is one that runs whenever a
    release has come into force; what the service does afterwards is a step of its own.
    """

    path: str
    kind: str
    subsystem: str
    after: str | None = None
    at_once: str | None = None


WWW = Root(SITES, "site", "releases")


@dataclass(frozen=True)
class Release:
    """The release that a site shall show. `digest` is of its contents, `origin` says for people where they come from.

    A group other than root's, and root, are the only ones who can read it. `data` are folders that outlive releases: in the
    release they are links to the site's data folder, and what the contents have in their place is left out. `check` is a shell
    command that gets the folder of the release as $1 before it is put in force, and fails, with words, when it is no good.
    """

    digest: str
    origin: str
    owner: str = "root"
    group: str = "root"
    data: tuple[str, ...] = ()
    check: str | None = None

    @property
    def name(self) -> str:
        """The same files with other links are another release."""
        told = "\0".join((self.digest, *sorted(self.data)))
        return (hashlib.sha256(told.encode()).hexdigest() if self.data else self.digest)[:DIGITS]


@dataclass(frozen=True)
class Kept:
    """A release on a machine. `actual` is its listing as it is, None where it was not asked for; `time` when it was unpacked."""

    owner: str
    group: str
    time: float
    recorded: str | None = None
    actual: str | None = None


@dataclass(frozen=True)
class SiteState:
    """A site's releases by name, and which of them `current`, `previous` and `held` name."""

    kept: Mapping[str, Kept] = field(default_factory=dict)
    current: str | None = None
    previous: str | None = None
    held: str | None = None
    strays: tuple[str, ...] = ()

    def whole(self, name: str) -> bool:
        """Nobody has touched the release since it was unpacked."""
        kept = self.kept.get(name)
        return kept is not None and kept.recorded is not None and kept.recorded == kept.actual

    def stays_back(self, want: Release) -> bool:
        """The site was rolled back from just what is declared, and something else is there to be shown."""
        return self.held == want.name and self.current in self.kept and self.current != self.held


NOTHING = SiteState()


def plan_releases(actual: Mapping[str, SiteState], wanted: Mapping[str, Release], root: Root = WWW) -> list[Change]:
    """At most one change a site. Sites that are not wanted are not touched: their files stay."""
    changes = [_plan_site(root, site, actual.get(site, NOTHING), wanted[site]) for site in sorted(wanted)]
    return [change for change in changes if change]


def _plan_site(root: Root, site: str, is_: SiteState, want: Release) -> Change | None:
    surplus = _surplus(is_, *_links(is_, want))
    if not is_.stays_back(want):
        lifts = f", ends the hold on {is_.held}" if is_.held else ""
        removes = f", removes {', '.join(surplus)}" if surplus else ""
        if step := _step(is_, want):
            return Change(root.subsystem, site, step[0], f"{want.name} from {want.origin}{step[1]}{lifts}{removes}")
        if is_.held:
            return Change(root.subsystem, site, "end hold", f"it is no more about what is declared{removes}")
    return Change(root.subsystem, site, "prune", ", ".join(surplus)) if surplus else None


def _step(is_: SiteState, want: Release) -> tuple[str, str] | None:
    kept = is_.kept.get(want.name)
    if kept is None:
        return "publish", ""
    if not is_.whole(want.name):
        return "restore", ", its files were changed on the machine"
    if (kept.owner, kept.group) != (want.owner, want.group):
        return "restore", f", its owner was {kept.owner}:{kept.group}"
    return None if is_.current == want.name else ("switch", "")


def unpacks(change: Change) -> bool:
    """Whether the change needs the contents on the machine."""
    return change.action in ("publish", "restore")


def _links(is_: SiteState, want: Release) -> tuple[str | None, str | None, str | None]:
    """What current, previous and held will name."""
    if is_.stays_back(want):
        return is_.current, is_.previous, is_.held
    replaced = is_.current if is_.current in is_.kept and is_.current != want.name else is_.previous
    return want.name, replaced if replaced in is_.kept and replaced != want.name else None, None


def _surplus(is_: SiteState, *named: str | None) -> list[str]:
    """Releases beyond those that are kept, oldest first, and what dead runs left."""
    current = named[0]
    coming = 0 if current in is_.kept else 1
    newest = sorted(is_.kept, key=lambda name: (name in named, is_.kept[name].time, name), reverse=True)
    # A run that died between writing the listing and naming the folder left what the coming release writes again.
    strays = [name for name in is_.strays if not (coming and name == f"{current}.listing")]
    return newest[: KEEP - 1 - coming : -1] + strays


def puts_in_force(change: Change) -> bool:
    """Whether other files are in force after the change than before."""
    return change.action in ("publish", "restore", "switch")


def held_back(actual: Mapping[str, SiteState], wanted: Mapping[str, Release], root: Root = WWW) -> list[str]:
    """For each site that stays on an earlier release, a sentence for the administrator."""
    return [
        f"{site} stays on {is_.current}: it was rolled back from {want.name}, which is what is declared ({want.origin}). "
        f"A new version ends this by itself, `{_command('--end', site, root)}` at once."
        + ("" if is_.whole(is_.current or "") else f" The files of {is_.current} were changed on the machine.")
        for site, want in sorted(wanted.items())
        if (is_ := actual.get(site, NOTHING)).stays_back(want)
    ]


def _command(option: str, site: str, root: Root) -> str:
    return f"bin/rollback {option} {site}" + ("" if root == WWW else f" --kind {root.kind}")


def release_script(change: Change, is_: SiteState, want: Release, root: Root = WWW) -> str:
    """Unpacks beside, if need be, and only then changes the links, each by one rename."""
    current, previous, held = _links(is_, want)
    lines = [*_at(change.item, root), "umask 022", 'mkdir -p "$site/releases"']
    if unpacks(change):
        lines += _unpack(change.item, want, is_.current if is_.current in is_.kept else None)
    elif puts_in_force(change):
        lines += _check(change.item, want, f"$site/releases/{want.name}")
    if previous and previous != is_.previous:
        lines.append(f"point previous {previous}")
    if current and current != is_.current:
        lines.append(f"point current {current}")
    if not held:
        lines.append('rm -f -- "$site/held"')
    if root.at_once and puts_in_force(change):
        lines.append(root.at_once)
    for name in _surplus(is_, current, previous, held):
        lines.append(f'rm -rf -- "$site"/releases/{quote(name)} "$site"/releases/{quote(name)}.listing')
    return "\n".join(lines)


def _check(site: str, want: Release, folder: str) -> list[str]:
    """The words of the check name files as the contents have them, not by where they lie for now."""
    if want.check is None:
        return []
    return [
        f"check() {{ {want.check}\n}}",
        f'if ! said=$(check "{folder}" 2>&1); then',
        f"  echo {quote(f'{site} from {want.origin} is not put in force; what was before stays:')} >&2",
        f'  printf "%s\\n" "$said" | sed "s|{folder}/||g" >&2',
        "  exit 1",
        "fi",
    ]


def _at(site: str, root: Root) -> list[str]:
    return [
        f"site={quote(f'{root.path}/{site}')}",
        'point() { ln -sfn "releases/$2" "$site/.$1-new"; mv -fT "$site/.$1-new" "$site/$1"; }',
    ]


def incoming(site: str) -> str:
    """Path of a site's archive on the machine."""
    return f"{INCOMING}/{site}.tar.gz"


def _unpack(site: str, want: Release, before: str | None) -> list[str]:
    """The files get the time of now (-m): a file's time and size are all that nginx makes its ETag of, so other content needs
    another time. What has not changed since the release `before` keeps its time, and stays good in visitors' caches."""
    archive = quote(incoming(site))
    keep = [
        'sums() { ( cd "$1" && find . -type f -print0 | xargs -0r sha256sum -z -- | sort -z ) }',
        f'sums "$site/releases/{before}" >"$new.was"',
        'sums "$new" >"$new.is"',
        'comm -z -12 "$new.was" "$new.is" | cut -z -c67- | '
        f'( cd "$site/releases/{before}" && xargs -0r cp --attributes-only --preserve=timestamps --parents -t "$new" -- )',
        'rm -f -- "$new.was" "$new.is"',
    ]
    return [
        LISTING,
        SWAP,
        f'release="$site/releases/{want.name}"; new="$site/releases/.new-{want.name}"',
        f'trap \'rm -rf -- "$new" "$new".* {archive}\' EXIT',
        'rm -rf -- "$new" "$new".*; mkdir "$new"',
        f'tar -xzf {archive} -C "$new" -m --no-same-owner --no-same-permissions',
        f"rm -f -- {archive}",
        *(_data_link(folder) for folder in sorted(want.data)),
        *(keep if before else []),
        f'chown -R -h {words([f"{want.owner}:{want.group}"])} "$new"',
        *(['chmod 750 "$new"'] if want.group != "root" else []),
        *_check(site, want, "$new"),
        'listing "$new" >"$release.listing-new"',
        'sync -f "$new"',
        'mv -fT "$release.listing-new" "$release.listing"',
        'swap "$new" "$release"',
    ]


def _data_link(folder: str) -> str:
    place = f'"$new"/{quote(folder)}'
    target = "../" * (2 + folder.count("/")) + f"data/{folder}"
    return f'rm -rf -- {place}; mkdir -p -- "$(dirname -- {place})"; ln -s {quote(target)} {place}'


def why_not_back(site: str, is_: SiteState, root: Root = WWW) -> str | None:
    """Why the site cannot be rolled back, None when it can."""
    if is_.current not in is_.kept:
        return f"{site} shows no release of these recipes here"
    if is_.held and is_.held != is_.current:
        return f"{site} is already rolled back from {is_.held}; `{_command('--end', site, root)}` ends that"
    if is_.previous not in is_.kept or is_.previous == is_.current:
        return f"{site} has no earlier release here"
    return None


def plan_rollback(site: str, is_: SiteState, root: Root = WWW) -> list[Change]:
    """From current to previous, for a site that can be rolled back."""
    return [Change(root.subsystem, site, "roll back", f"from {is_.current} to {is_.previous}")]


def rollback_script(site: str, is_: SiteState, root: Root = WWW) -> str:
    """The note first: were this to die in between, no run would publish again what the administrator wants away."""
    return "\n".join(
        [
            *_at(site, root),
            f'echo {is_.current} >"$site/.held-new"; mv -fT "$site/.held-new" "$site/held"',
            f"point current {is_.previous}",
            f"point previous {is_.current}",
            *([root.after] if root.after else []),
        ]
    )


def plan_end(site: str, is_: SiteState, root: Root = WWW) -> list[Change]:
    """The hold ends; what is declared comes with the next run."""
    return (
        [Change(root.subsystem, site, "end hold", f"on {is_.held}; the next run publishes what is declared")] if is_.held else []
    )


def end_script(site: str, root: Root = WWW) -> str:
    return f"rm -f -- {quote(f'{root.path}/{site}/held')}"
