"""An estate: the machines there are, as its folder says. Only read here; who makes the machines writes the folder."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

# Which estate a command means.
CHOICE = "RECETTES_ESTATE"
DEFAULT = "containers"
# Where all estates lie, when not in the checkout.
FOLDER = "RECETTES_ESTATES"
MACHINES = "machines.toml"
GROUPS = ("web", "xmldb", "apps", "images", "sandbox", "compute", "hpc")
FOREIGN = "hpc"
# Where there is no web machine, the first one of this group is the web machine as well.
STAND_IN = "xmldb"
_KEYS = {"address", "groups", "user", "private_address", "port", "volumes"}
# What may stand where the value goes: in a file of SSH, in the firewall's rules, in the machines' list of names.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_FOLDER = re.compile(r"(/[a-z0-9][a-z0-9._-]*)+")
_ID = re.compile(r"[0-9a-f-]{8,64}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")


class EstateError(Exception):
    """The estate cannot be used; nothing was touched."""


@dataclass(frozen=True)
class Machine:
    """One machine: how it is reached, and which groups it is in.

    `private_address` is the one by which the estate's other machines reach it; the same as `address` where not given.
    `volumes` are the cloud's data volumes on it: by the folder where it belongs, the volume's id.
    """

    name: str
    address: str
    groups: tuple[str, ...]
    user: str = "root"
    private_address: str = ""
    port: int = 22
    volumes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def inner(self) -> str:
        return self.private_address or self.address

    @property
    def foreign(self) -> bool:
        """Somebody else's, where we have an account and no more: nothing that the lab's machines have is for it."""
        return FOREIGN in self.groups


@dataclass(frozen=True)
class Estate:
    """The machines of an estate by name, and the folder where its keys, host keys and secrets lie."""

    name: str
    folder: Path
    machines: dict[str, Machine]

    def of_group(self, group: str) -> list[Machine]:
        return [machine for machine in self.machines.values() if group in machine.groups]

    def ssh_data(self, machine: Machine) -> dict[str, Any]:
        """What pyinfra needs to reach the machine: strict host keys always, and the estate's own key where it has one."""
        data: dict[str, Any] = {
            "ssh_hostname": machine.address,
            "ssh_user": machine.user,
            "ssh_port": machine.port,
            "ssh_strict_host_key_checking": "yes",
            "ssh_known_hosts_file": str(self.folder / "known_hosts"),
        }
        if (self.folder / "ssh_config").exists():
            data["ssh_config_file"] = str(self.folder / "ssh_config")
        if (self.folder / "administrator").exists():
            data["ssh_key"] = str(self.folder / "administrator")
        if machine.user != "root" and not machine.foreign:
            data["_sudo"] = True
        return data


def folder_of(root: Path, name: str) -> Path:
    """The folder of the estate of this name."""
    return Path(os.environ.get(FOLDER) or root / "estates") / name


def chosen(root: Path) -> Path:
    """The folder of the estate that the environment names."""
    return folder_of(root, os.environ.get(CHOICE, DEFAULT))


def read_estate(folder: Path) -> Estate:
    """Raises EstateError, one sentence, when there is none or when it is wrong.

    Of an estate without a web machine, the first of `xmldb` stands in as one: it is in group `web` too.
    """
    listing = folder / MACHINES
    if not listing.exists():
        if folder.name == DEFAULT:
            raise EstateError("There is no lab in containers yet. Type bin/try: it makes one.")
        raise EstateError(f"There is no estate {folder.name}: {listing} is missing. docs/estates.md shows what it holds.")
    try:
        content = tomllib.loads(listing.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EstateError(f"{listing}: {error}. Nothing was touched.") from error
    machines = {name: _machine(listing, name, entry) for name, entry in content.items()}
    addresses: dict[str, str] = {}
    for machine in machines.values():
        other = addresses.setdefault(f"{machine.address}:{machine.port}", machine.name)
        if other != machine.name:
            raise EstateError(f"{listing}: {machine.name} and {other} have the same address {machine.address}.")
    for machine in machines.values():
        if machine.foreign:
            continue
        try:
            ip_address(machine.inner)
        except ValueError:
            raise EstateError(
                f"{listing}: [{machine.name}] private_address: is needed, an IP address: {machine.inner} is none, and the other "
                "machines' firewalls know this one by its address only."
            ) from None
    return Estate(folder.name, folder, _with_a_front(machines))


def _with_a_front(machines: dict[str, Machine]) -> dict[str, Machine]:
    if not any("web" in machine.groups for machine in machines.values()):
        for name, machine in machines.items():
            if STAND_IN in machine.groups:
                return {**machines, name: replace(machine, groups=("web", *machine.groups))}
    return machines


def _machine(listing: Path, name: str, entry: Any) -> Machine:
    if not isinstance(entry, dict):
        raise EstateError(f"{listing}: {name}: a machine is a table, [{name}] with address and groups below it.")
    if unknown := sorted(entry.keys() - _KEYS):
        raise EstateError(f"{listing}: [{name}] {unknown[0]}: is not known; known are {', '.join(sorted(_KEYS))}.")
    for key in ("address", "groups"):
        if key not in entry:
            raise EstateError(f"{listing}: [{name}] {key}: is missing.")
    if not _NAME.fullmatch(name):
        raise EstateError(f"{listing}: [{name}]: is no name of a machine: lower-case letters, digits and hyphens only.")
    for key in ("address", "private_address", "user"):
        if key in entry and not (isinstance(entry[key], str) and _WORD.fullmatch(entry[key])):
            raise EstateError(f"{listing}: [{name}] {key}: is {entry[key]!r}; it is one word in quotes, without spaces.")
    port = entry.get("port", 22)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise EstateError(f"{listing}: [{name}] port: is {port!r}; it is a number between 1 and 65535, without quotes.")
    volumes = entry.get("volumes", {})
    if not isinstance(volumes, dict) or not all(_FOLDER.fullmatch(k) and _ID.fullmatch(str(v)) for k, v in volumes.items()):
        raise EstateError(f"{listing}: [{name}] volumes: is {volumes!r}; it has the ids of volumes by their folders.")
    groups = entry["groups"]
    if not isinstance(groups, list) or not groups or not set(groups) <= set(GROUPS):
        raise EstateError(f"{listing}: [{name}] groups: is {groups!r}; it is a list of one or more of {', '.join(GROUPS)}.")
    if FOREIGN in groups and len(groups) > 1:
        raise EstateError(
            f"{listing}: [{name}] groups: {FOREIGN} is an account on somebody else's cluster, and no other group's."
        )
    if name in GROUPS and name not in groups and len(groups) == 1:
        raise EstateError(f"{listing}: [{name}] groups: a machine called {name} that is only in group {groups[0]} would mislead.")
    return Machine(**{**entry, "name": name, "groups": tuple(groups)})
