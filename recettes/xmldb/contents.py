"""What is published to the XML database machine: applications, packages, and the files that databases are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage
from recettes.releases import Release, Root
from recettes.sources import Resolved
from recettes.xmldb import names
from recettes.xmldb.building import PROGRAM

_RUNS = f"systemctl is-active --quiet {names.UNIT}"
_RELOAD = f"! {_RUNS} || systemctl reload {names.UNIT}"
# The server, which still has the modules of before, already reads those of now that they import. Its reload says what fails.
_READ_ANEW = f"! {_RUNS} || {names.PROGRAM} reload || :"
APPS = Root(names.APPS, "app", "xml-apps", _RELOAD, _READ_ANEW)
PACKAGES = Root(names.PACKAGES, "package", "xml-packages", _RELOAD, _READ_ANEW)
SOURCES = Root(names.SOURCES, "database", "xml-sources")


def app_releases(apps: Iterable[XmlApp], sources: Mapping[str, Resolved]) -> dict[str, Release]:
    """By application; `sources` has what could be had."""
    return {app.name: _release(sources[app.name], f"app {app.name}") for app in apps if app.name in sources}


def package_releases(packages: Iterable[XmlPackage], sources: Mapping[str, Resolved]) -> dict[str, Release]:
    return {one.name: _release(sources[one.name], f"package {one.name}") for one in packages if one.name in sources}


def source_releases(databases: Iterable[XmlDatabase], sources: Mapping[str, Resolved]) -> dict[str, Release]:
    """By database, the files that it is made of."""
    return {one.name: _release(sources[one.name], "well-formed") for one in databases if one.name in sources}


def _release(source: Resolved, check: str) -> Release:
    return Release(source.digest, source.describe, group=names.USER, check=f'{PROGRAM} {check} "$1"')
