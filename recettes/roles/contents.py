"""Which release each site of files shall show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recettes.declarations.sites import FileSite, PhpSite, Site
from recettes.releases import Release
from recettes.sources import Resolved, SourcesError, resolve_all
from recettes.web import names


def sources_of(sites: Sequence[Site]) -> tuple[dict[str, Resolved], str | None]:
    """The contents of the sites by name, or none of them and why."""
    try:
        return resolve_all({site.name: site.source for site in sites if isinstance(site, FileSite)}), None
    except SourcesError as error:
        return {}, str(error)


def releases_of(sites: Sequence[Site], sources: Mapping[str, Resolved]) -> dict[str, Release]:
    """By site; a site's files belong to root, and are for its own account or nginx to read."""
    return {
        site.name: Release(
            sources[site.name].digest,
            sources[site.name].describe,
            group=names.account(site.name) if isinstance(site, PhpSite) else names.WEB_USER,
            data=site.uploads if isinstance(site, PhpSite) else (),
        )
        for site in sites
        if site.name in sources
    }
