"""Sites, and all that is published as they are, show the contents that are declared; and the way back when those are no good."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from facts.releases import release_states
from facts.survey import Part, Unread
from operations.engine import Script, bring, read, refuse, taken
from operations.upload import Upload
from recettes.change import Change
from recettes.contents.entries import BLOCK, ContentsError, Entry
from recettes.releases import (
    NOTHING,
    WWW,
    Release,
    Root,
    SiteState,
    end_script,
    held_back,
    incoming,
    plan_end,
    plan_releases,
    plan_rollback,
    puts_in_force,
    release_script,
    rollback_script,
    unpacks,
    why_not_back,
)
from recettes.sources import Resolved, SourceError, pack

States = Mapping[str, SiteState]


def releases_part(wanted: Mapping[str, Release], root: Root = WWW) -> Part[dict[str, SiteState]]:
    """What `releases` reads; for the survey."""
    return release_states({site: release.name for site, release in wanted.items()}, root)


@operation()
def releases(
    wanted: Mapping[str, Release], sources: Mapping[str, Resolved], root: Root = WWW, told: bool = False
) -> Generator[PyinfraCommand, None, None]:
    """Every site shows its wanted release, unless it was rolled back from it. `sources` has the contents, by site.

    `told`: a unit reads the releases in force, and its operation is told what will be in them.
    """

    def plan(actual: States) -> list[Change]:
        for sentence in held_back(actual, wanted, root):
            ctx_host.get().log(f"  {sentence}")
        return plan_releases(actual, wanted, root)

    def apply(actual: States, changes: Sequence[Change]) -> Iterator[PyinfraCommand]:
        for change in changes:
            site = change.item
            if unpacks(change):
                yield Upload(partial(pack, sources[site]), incoming(site), SourceError)
            yield Script(f"{change.action} {site}", release_script(change, actual.get(site, NOTHING), wanted[site], root))

    def writes(_: States, changes: Sequence[Change]) -> dict[str, str | None]:
        sites = [change.item for change in changes if puts_in_force(change)] if told else []
        return {path: digest for site in sites for path, digest in _in_force(f"{root.path}/{site}/current", sources[site])}

    yield from bring(releases_part(wanted, root), plan, apply, unchanged=f"contents of each {root.kind} as wanted", writes=writes)


def _in_force(current: str, contents: Resolved) -> Iterator[tuple[str, str | None]]:
    """What will be at the link and below it: nothing of what was, and these files."""
    yield current, None
    try:
        for entry in contents.entries():
            yield f"{current}/{entry.path}", "new" if entry.link is not None else entry.sha256 or _sha256(entry)
    except ContentsError:
        return  # packing the same contents will say so, and stop this host


def _sha256(entry: Entry) -> str:
    digest = hashlib.sha256()
    with closing(entry.open()) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@operation()
def rollback(site: str, root: Root = WWW) -> Generator[PyinfraCommand, None, None]:
    """The site shows the release before the current one, and stays there until something new is declared."""
    part = release_states({site: ""}, root)
    if why := taken():
        yield refuse(why)
        return
    actual = read(part)
    if not isinstance(actual, Unread):
        if site not in actual:
            ctx_host.get().noop(f"there is no {root.kind} {site} here")
            return
        if why := why_not_back(site, actual[site], root):
            yield refuse(f"{why}. Nothing was changed")
            return
    yield from bring(
        part,
        lambda found: plan_rollback(site, found[site], root),
        lambda found, _: [Script(f"roll back {site}", rollback_script(site, found[site], root))],
        unchanged="",
    )


@operation()
def end_hold(site: str, root: Root = WWW) -> Generator[PyinfraCommand, None, None]:
    """The site is free to show what is declared again."""
    yield from bring(
        release_states({site: ""}, root),
        lambda found: plan_end(site, found.get(site, NOTHING), root),
        lambda _, changes: [Script(f"end the hold on {site}", end_script(site, root))],
        unchanged=f"{site} is not held",
    )
