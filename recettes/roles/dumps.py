"""Dumps of the XML databases: what the machine that makes them needs of the lab, and what those need that keep copies."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.estate import Machine
from recettes.lab import LabView
from recettes.secret_values import Secret
from recettes.ssh import host_keys
from recettes.xmldb.dumps import KEY_SECRET, Keeper, dumps, store


def dumps_made(lab: LabView, name: str) -> Blueprint:
    """For a machine of the databases."""
    keepers = [
        Keeper(one.name, one.inner, one.port, host_keys(lab.estate.folder / "known_hosts", one.address, one.port))
        for one in _keepers(lab)
        if one.name != name
    ]
    return dumps(lab.wishes.lab.xmldb.dumps, inner=lab.machine(name).inner, keepers=keepers, key=_key(lab))


def copies_missing(lab: LabView, name: str) -> str | None:
    """A sentence where copies are declared and this estate has no other machine for them, as one of a single machine."""
    to = lab.wishes.lab.xmldb.dumps.copy_to
    if to is None or any(one.name != name for one in _keepers(lab)):
        return None
    return f"the dumps of {name} are copied nowhere: this estate has no other machine in group {to}"


def dumps_kept(lab: LabView, name: str) -> Blueprint:
    """For every machine: empty where no copies go."""
    sources = [one.inner for one in lab.estate.of_group("xmldb") if one.name != name]
    if not sources or name not in [one.name for one in _keepers(lab)]:
        return Blueprint()
    return store(lab.wishes.lab.xmldb.dumps, key=_key(lab), sources=sources)


def dumps_secrets(lab: LabView, name: str) -> list[str]:
    """The random secrets that the machine needs for them."""
    made, kept = "xmldb" in lab.machine(name).groups, dumps_kept(lab, name) != Blueprint()
    return [KEY_SECRET] if kept or (made and any(one.name != name for one in _keepers(lab))) else []


def _keepers(lab: LabView) -> list[Machine]:
    to = lab.wishes.lab.xmldb.dumps.copy_to
    return lab.estate.of_group(to) if to else []


def _key(lab: LabView) -> Secret | None:
    return lab.secret(KEY_SECRET) if _keepers(lab) else None
