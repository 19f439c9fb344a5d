"""The XML database machine: BaseX in Jetty, with its applications."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from recettes.accounts import Account
from recettes.artifacts import listing_path
from recettes.blueprint import Blueprint
from recettes.declarations.xmldb import XmlApp, XmlPackage, XmlServer
from recettes.files import File, folder, text
from recettes.recipes import ROOT
from recettes.secrets import Secret
from recettes.units import Unit
from recettes.xmldb import names, unit
from recettes.xmldb.building import builder_files
from recettes.xmldb.jetty import Listening, jetty_tree, own_modules
from recettes.xmldb.programs import program_files, programs
from recettes.xmldb.relief import relief

PACKAGES = frozenset({"default-jre-headless", "openjdk-21-jre-headless", "python3"})
# Where the programs on the machine read at which address the server is, and after how many seconds it ends a query.
SERVER_FILE = "/etc/recettes/xmldb.json"
NOT_MADE_YET = b"The password will be made by the run that writes this file."


def xmldb(
    server: XmlServer,
    apps: Sequence[XmlApp],
    packages: Sequence[XmlPackage],
    *,
    listening: Listening,
    password: Secret | None,
) -> Blueprint:
    """The blueprint of the server. Programs, databases, users and the contents of applications are not in it.

    `password` is that of BaseX's administrator; None where the next apply makes it.
    """
    app_names, package_names = [app.name for app in apps], [package.name for package in packages]
    modules = own_modules(apps)
    files: dict[str, File] = {
        **_folders(),
        **modules,
        **program_files(server),
        **builder_files(),
        **_links(names.RESTXQ, names.APPS, app_names),
        **_links(names.REPO, names.PACKAGES, package_names),
        unit.UNIT_FILE: text(unit.unit_text(server, listening)),
        unit.START_PROGRAM: _program("xmldb-start"),
        names.PROGRAM: _program("xmldb"),
        SERVER_FILE: text(json.dumps({"address": listening.address, "port": names.PORT, "timeout": server.timeout}) + "\n"),
    }
    files[names.ADMIN_PASSWORD] = File(password.reveal().encode() if password else NOT_MADE_YET, mode=0o600, secret=True)
    service = Unit(
        definition=(
            unit.UNIT_FILE,
            unit.START_PROGRAM,
            names.JETTY_ROOT,
            *(listing_path(program) for program in programs(server).values()),
        ),
        reads=(*modules, *unit.reads(app_names, package_names)),
        reload=f"{unit.OUTSIDE} {names.PROGRAM} reload",
    )
    return Blueprint(
        packages=PACKAGES,
        accounts={names.USER: Account(home=names.ROOT)},
        files=files,
        trees={names.JETTY_ROOT: jetty_tree(server, apps, listening)},
        units={names.UNIT: service},
    ) + relief(listening.address)


def _folders() -> dict[str, File]:
    """What the server reads belongs to root; what it writes is its own, and nobody else's to see."""
    read = folder("root", names.USER, 0o750)
    own = folder(names.USER, names.USER, 0o700)
    return {
        names.ROOT: read,
        **dict.fromkeys((names.REPO, names.RESTXQ, names.APPS, names.PACKAGES, names.SOURCES), read),
        **dict.fromkeys((names.DATA, names.STAGING), own),
        names.DUMPS: folder("root", "root", 0o700),
        names.STATE: folder("root", "root", 0o700),
    }


def _links(place: str, releases: str, wanted: Iterable[str]) -> dict[str, File]:
    """To the release in force of each, relative: BaseX sees them elsewhere than the machine does."""
    above = releases.rpartition("/")[2]
    return {f"{place}/{name}": File(link=f"../{above}/{name}/current") for name in wanted}


def _program(name: str) -> File:
    return text((ROOT / "programs" / name).read_text(encoding="utf-8"), mode=0o755)
