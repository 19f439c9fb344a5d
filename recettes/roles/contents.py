"""Which release each site of files shall show, and what the XML databases and their applications are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recettes.declarations.sites import FileSite, PhpSite, Site
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage
from recettes.releases import Release
from recettes.sources import Resolved, SourceError, SourcesError, resolve_all
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


@dataclass(frozen=True)
class XmlSources:
    """The contents by name; `problem` is why there are none."""

    databases: Mapping[str, Resolved] = field(default_factory=dict)
    packages: Mapping[str, Resolved] = field(default_factory=dict)
    apps: Mapping[str, Resolved] = field(default_factory=dict)
    problem: str | None = None


def xml_sources_of(databases: Sequence[XmlDatabase], packages: Sequence[XmlPackage], apps: Sequence[XmlApp]) -> XmlSources:
    """All that is published to the XML database machine; all that is wrong with it in one problem."""
    found: dict[str, dict[str, Resolved]] = {"database": {}, "package": {}, "application": {}}
    errors: list[SourceError] = []
    for kind, declared in (("database", databases), ("package", packages), ("application", apps)):
        try:
            found[kind] = resolve_all({one.name: one.source for one in declared}, kind)
        except SourcesError as error:
            errors += error.errors
    if errors:
        return XmlSources(problem=str(SourcesError(errors)))
    return XmlSources(found["database"], found["package"], found["application"])
