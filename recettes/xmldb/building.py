"""The sandbox in which databases are built and applications looked at, apart from the server."""

from __future__ import annotations

import json

from recettes.files import File, text
from recettes.hardening import BASELINE
from recettes.recipes import ROOT

PROGRAM = "/usr/local/lib/recettes/xmldb-build"
SANDBOX_FILE = "/etc/recettes/xmldb-build.json"

# Java compiles to machine code as it runs; the memory is the program's to bound, by the machine's; nobody is spoken to.
_OTHERWISE = {"MemoryDenyWriteExecute", "MemoryMax", "IPAddressAllow", "RestrictAddressFamilies", "UMask"}


def sandbox() -> list[str]:
    """Properties of a transient unit: systemd.exec(5)."""
    usual = [f"{name}={value}" for name, values in BASELINE.items() if name not in _OTHERWISE for value in values]
    return [
        *usual,
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "UMask=0077",
        # A document that finds a way out of itself finds nothing.
        "TemporaryFileSystem=/etc:ro /srv:ro /opt:ro /var:ro",
        "BindReadOnlyPaths=/etc/java-21-openjdk /opt/basex",
        "Environment=LANG=C.UTF-8",
    ]


def builder_files() -> dict[str, File]:
    """The program, and the sandbox that it uses."""
    program = text((ROOT / "programs/xmldb-build").read_text(encoding="utf-8"), mode=0o755)
    return {PROGRAM: program, SANDBOX_FILE: text(json.dumps({"sandbox": sandbox()}, indent=1) + "\n")}
