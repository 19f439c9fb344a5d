"""Dumps of the XML databases: the timer that makes them, and the machines that keep copies."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recettes.accounts import Account
from recettes.base.access import KEYS
from recettes.blueprint import Blueprint
from recettes.declarations.xmldb import XmlDumps
from recettes.files import File, folder, text
from recettes.hardening import Exemption, hardened
from recettes.recipes import ROOT
from recettes.secret_values import Secret
from recettes.ssh_keys import private_key, public_key
from recettes.templates import render
from recettes.units import Unit
from recettes.xmldb import names

PROGRAM = "/usr/local/lib/recettes/xmldb-dump"
COPIES = "/usr/local/lib/recettes/xmldb-copies"
SETTINGS = "/etc/recettes/xmldb-dumps.json"
KNOWN_HOSTS = "/etc/recettes/xmldb-dumps.known_hosts"
KEY = f"{names.STATE}/dumps-key"
KEY_SECRET = "basex-dumps"  # noqa: S105  the key pair is made of it
# What could not be opened any more, and was replaced; nobody removes it but a person.
DAMAGED = f"{names.ROOT}/damaged"
SERVICE = "/etc/systemd/system/recettes-xmldb-dump.service"
TIMER = "/etc/systemd/system/recettes-xmldb-dump.timer"

# On the machines that keep copies.
ACCOUNT = "dumps-xmldb"
STORE = "/srv/dumps-xmldb"
STORE_PROGRAM = "/usr/local/lib/recettes/dump-store"
STORE_SETTINGS = "/etc/recettes/dump-store.json"

_NOT_MADE_YET = "Will be made by the run that writes this file.\n"


@dataclass(frozen=True)
class Keeper:
    """A machine that keeps copies, as the machine of the databases reaches it. `host_keys` as in known_hosts, without names."""

    name: str
    address: str
    port: int
    host_keys: tuple[str, ...]


def dumps(settings: XmlDumps, *, inner: str, keepers: Sequence[Keeper], key: Secret | None) -> Blueprint:
    """For the machine of the databases, at the address `inner`; `key` is KEY_SECRET, None where the next apply makes it."""
    copies = [{"name": one.name, "address": one.address, "port": one.port} for one in keepers]
    files = {
        **{f"/usr/local/lib/recettes/{name}": _program(name) for name in ("xmldb-dump", "xmldb-restore", "xmldb-copies")},
        names.DUMPS: folder(mode=0o700),
        SETTINGS: text(json.dumps({"keep": settings.keep, "copies": copies}, indent=1) + "\n"),
        SERVICE: text(_service(inner, keepers)),
        TIMER: text(render("xmldb/dump.timer", at=settings.at)),
    }
    if keepers:
        known = "".join(f"{one.name} {host_key}\n" for one in keepers for host_key in one.host_keys)
        files[KNOWN_HOSTS] = text(known)
        files[KEY] = File((private_key(key) if key else _NOT_MADE_YET).encode(), mode=0o600, secret=True)
    return Blueprint(
        packages=frozenset({"python3", *(["openssh-client"] if keepers else [])}),
        files=files,
        units={TIMER.rpartition("/")[2]: Unit(definition=(TIMER, SERVICE))},
    )


def _service(inner: str, keepers: Sequence[Keeper]) -> str:
    reached = sorted({"localhost", inner, *(one.address for one in keepers)})
    # A dump without a database that cannot be read fails, and is copied all the same.
    copied = f"/bin/sh -c '{PROGRAM} dump; made=$$?; {COPIES} push && exit $$made'"
    return hardened(
        description="Dump the XML databases",
        exec_start=copied if keepers else f"{PROGRAM} dump",
        user="root",
        unit=[f"After={names.UNIT}"],
        service=[
            "Type=oneshot",
            f"ReadWritePaths={names.DATA} {names.DUMPS}",
        ],
        exemptions={
            "UMask": Exemption("dumps are for root alone", ("0077",)),
            "CapabilityBoundingSet": Exemption(
                "BaseX's backups lie in a folder of its own and become root's", ("CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER",)
            ),
            "SystemCallFilter": Exemption(
                "BaseX's backups become root's", ("@system-service", "~@privileged @resources", "@chown")
            ),
            "IPAddressAllow": Exemption("the server, and the machines that keep copies", tuple(reached)),
        },
        wanted_by=None,
    )


def store(settings: XmlDumps, *, key: Secret | None, sources: Collection[str]) -> Blueprint:
    """For a machine that keeps copies: an account that the machines at the addresses `sources` can only hand dumps to."""
    options = f'restrict,command="{STORE_PROGRAM}",from="{",".join(sorted(sources))}"'
    line = f"{options} {public_key(key)} dumps of the XML databases\n" if key else _NOT_MADE_YET
    return Blueprint(
        packages=frozenset({"python3"}),
        # sshd runs a forced command by the login shell: this one cannot run anything else.
        accounts={ACCOUNT: Account(home=STORE, shell=STORE_PROGRAM)},
        files={
            STORE: folder(ACCOUNT, ACCOUNT, 0o700),
            STORE_PROGRAM: _program("dump-store"),
            STORE_SETTINGS: text(json.dumps({"keep": settings.keep}) + "\n"),
            KEYS: folder(),
            f"{KEYS}/{ACCOUNT}": text(line),
        },
    )


def _program(name: str) -> File:
    return text((ROOT / "programs" / name).read_text(encoding="utf-8"), mode=0o755)
