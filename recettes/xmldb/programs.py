"""The programs of the XML database machine: what is unpacked, and what people call."""

from __future__ import annotations

from recettes.artifacts import home
from recettes.catalogue import Artifact, find
from recettes.declarations.xmldb import XmlServer
from recettes.files import File, folder
from recettes.recipes import ROOT
from recettes.xmldb.upgrade import UPGRADE

SAXON_COMMAND = "/usr/local/bin/saxon"


def programs(server: XmlServer) -> dict[str, Artifact]:
    """By name. Raises CatalogueError for a version that is not in the catalogue.

    Their links `current` are no files of the blueprint: all three are what the server runs with, and only the guarded step
    changes them (recettes/xmldb/upgrade.py).
    """
    return {
        "basex": find("basex", server.basex),
        "jetty": find("jetty", server.jetty),
        "saxon": find("saxon", server.saxon),
    }


def program_files(server: XmlServer) -> dict[str, File]:
    """The folders of the programs, what changes their versions, and the command `saxon`."""
    files = {home(name): folder() for name in programs(server)}
    return files | {
        UPGRADE: File((ROOT / "programs/xmldb-upgrade").read_bytes(), mode=0o755),
        SAXON_COMMAND: File((ROOT / "programs/saxon").read_bytes(), mode=0o755),
    }
