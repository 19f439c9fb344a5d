"""Sites show the contents that are declared; and the way back when those are no good."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from facts.releases import release_states
from facts.survey import Part, Unread
from operations.engine import Script, bring, read, refuse, taken
from operations.upload import Upload
from recettes.change import Change
from recettes.releases import (
    NOTHING,
    Release,
    SiteState,
    end_script,
    held_back,
    incoming,
    plan_end,
    plan_releases,
    plan_rollback,
    release_script,
    rollback_script,
    unpacks,
    why_not_back,
)
from recettes.sources import Resolved, SourceError, pack

States = Mapping[str, SiteState]


def releases_part(wanted: Mapping[str, Release]) -> Part[dict[str, SiteState]]:
    """What `releases` reads; for the survey."""
    return release_states({site: release.name for site, release in wanted.items()})


@operation()
def releases(wanted: Mapping[str, Release], sources: Mapping[str, Resolved]) -> Generator[PyinfraCommand, None, None]:
    """Every site shows its wanted release, unless it was rolled back from it. `sources` has the contents, by site."""

    def plan(actual: States) -> list[Change]:
        for sentence in held_back(actual, wanted):
            ctx_host.get().log(f"  {sentence}")
        return plan_releases(actual, wanted)

    def apply(actual: States, changes: Sequence[Change]) -> Iterator[PyinfraCommand]:
        for change in changes:
            site = change.item
            if unpacks(change):
                yield Upload(partial(pack, sources[site]), incoming(site), SourceError)
            yield Script(f"{change.action} {site}", release_script(change, actual.get(site, NOTHING), wanted[site]))

    yield from bring(releases_part(wanted), plan, apply, unchanged="contents of sites as wanted")


@operation()
def rollback(site: str) -> Generator[PyinfraCommand, None, None]:
    """The site shows the release before the current one, and stays there until something new is declared."""
    part = release_states({site: ""})
    if why := taken():
        yield refuse(why)
        return
    actual = read(part)
    if not isinstance(actual, Unread):
        if site not in actual:
            ctx_host.get().noop(f"there is no site {site} here")
            return
        if why := why_not_back(site, actual[site]):
            yield refuse(f"{why}. Nothing was changed")
            return
    yield from bring(
        part,
        lambda found: plan_rollback(site, found[site]),
        lambda found, _: [Script(f"roll back {site}", rollback_script(site, found[site]))],
        unchanged="",
    )


@operation()
def end_hold(site: str) -> Generator[PyinfraCommand, None, None]:
    """The site is free to show what is declared again."""
    yield from bring(
        release_states({site: ""}),
        lambda found: plan_end(site, found.get(site, NOTHING)),
        lambda _, changes: [Script(f"end the hold on {site}", end_script(site))],
        unchanged=f"{site} is not held",
    )
