"""All declarations of a lab, read once from their files and checked together."""

from __future__ import annotations

import runpy
import traceback
from dataclasses import dataclass
from pathlib import Path

from recettes.declarations.base import Declaration, DeclarationError, Mistake, note, noted, unique, wrong
from recettes.declarations.cloud import check_cloud
from recettes.declarations.compute import check_compute
from recettes.declarations.dumps import check_dumps
from recettes.declarations.flows import Flow, check_flows
from recettes.declarations.lab import Lab, Project
from recettes.declarations.ocr import check_ocr
from recettes.declarations.sites import Site, check_sites
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage, XmlUser, check_server, check_xmldb
from recettes.estate import FOREIGN, GROUPS


@dataclass(frozen=True)
class Wishes:
    """What the files of group_data say, checked: one lab and its projects."""

    lab: Lab
    projects: tuple[Project, ...]

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(site for project in self.projects for site in project.sites)

    @property
    def xml_databases(self) -> tuple[XmlDatabase, ...]:
        return tuple(database for project in self.projects for database in project.xml_databases)

    @property
    def xml_packages(self) -> tuple[XmlPackage, ...]:
        return tuple(package for project in self.projects for package in project.xml_packages)

    @property
    def xml_apps(self) -> tuple[XmlApp, ...]:
        return tuple(app for project in self.projects for app in project.xml_apps)

    @property
    def xml_users(self) -> tuple[XmlUser, ...]:
        return tuple(user for project in self.projects for user in project.xml_users)

    @property
    def flows(self) -> tuple[Flow, ...]:
        return self.lab.flows


def gather(folder: Path) -> Wishes:
    """Read group_data. Raises one DeclarationError with every mistake of every file."""
    found: list[Declaration] = []
    for file in sorted(folder.glob("*.py")) + sorted((folder / "projects").glob("*.py")):
        found += _read(file)
    labs = [item for item in found if isinstance(item, Lab)]
    projects = [item for item in found if isinstance(item, Project)]
    mistakes = noted()
    if mistakes:
        raise DeclarationError(mistakes)
    if len(labs) != 1:
        raise DeclarationError(
            [Mistake(str(folder), 0, "Lab", f"there are {len(labs)} Lab(…) declarations in the files; exactly one is needed")]
        )
    wishes = Wishes(labs[0], tuple(projects))
    _check(wishes)
    if mistakes := noted():
        raise DeclarationError(mistakes)
    return wishes


def _read(file: Path) -> list[Declaration]:
    try:
        names = runpy.run_path(str(file))
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", 0)
        note(Mistake(str(file), line or 0, type(error).__name__, str(error)))
        return []
    found: list[Declaration] = []
    for value in names.values():
        if isinstance(value, Declaration) and value not in found:
            found.append(value)
    return found


def _check(wishes: Wishes) -> None:
    unique("project", wishes.projects)
    projects = tuple(dict.fromkeys(project.name for project in wishes.projects))
    people: set[str] = set()
    for person in wishes.lab.administrators:
        if person.name in people:
            wrong(person, "name", f"there is already an administrator {person.name!r}")
        people.add(person.name)
    check_flows(wishes.flows, groups=GROUPS)
    check_sites(wishes.sites, groups=GROUPS, flows=wishes.flows, apps=wishes.xml_apps, xmldb=wishes.lab.xmldb)
    check_server(wishes.lab.xmldb)
    check_xmldb(wishes.xml_databases, wishes.xml_packages, wishes.xml_apps, wishes.xml_users)
    check_dumps(wishes.lab, groups=GROUPS)
    check_ocr(wishes.lab.ocr, projects=projects)
    check_compute(wishes.lab.compute)
    check_cloud(
        wishes.lab.cloud, groups=GROUPS, foreign=FOREIGN, projects=projects, administrators=wishes.lab.administrator_networks
    )
