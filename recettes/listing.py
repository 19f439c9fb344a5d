"""What an estate's folder says of its machines, for pyinfra and for ssh: machines.toml, known_hosts, ssh_config."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listed:
    """`private_address` where it is another; `jump` is USER@ADDRESS of the machine that one goes through, where one does.

    `volumes` are pairs of folder and id.
    """

    address: str
    groups: tuple[str, ...]
    user: str
    private_address: str = ""
    jump: str = ""
    volumes: tuple[tuple[str, str], ...] = ()


def read_machines(path: Path) -> dict[str, Listed]:
    """The machines of machines.toml by name; none if there is no such file."""
    if not path.exists():
        return {}
    tables = tomllib.loads(path.read_text())
    return {name: Listed(table["address"], tuple(table["groups"]), table["user"]) for name, table in tables.items()}


def machines_toml(machines: Mapping[str, Listed]) -> str:
    return "\n".join(
        f"[{name}]\naddress = {json.dumps(machine.address)}\n"
        f"groups = {json.dumps(list(machine.groups))}\nuser = {json.dumps(machine.user)}\n"
        + (f"private_address = {json.dumps(machine.private_address)}\n" if machine.private_address else "")
        + (f"volumes = {{ {_table(machine.volumes)} }}\n" if machine.volumes else "")
        for name, machine in machines.items()
    )


def _table(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in pairs)


def known_hosts(machines: Mapping[str, Listed], keys: Mapping[str, Sequence[str]]) -> str:
    """Every public host key under the machine's name and its address: ssh may be told either."""
    return "".join(f"{name},{machine.address} {key}\n" for name, machine in machines.items() for key in keys[name])


def ssh_config(machines: Mapping[str, Listed], *, key: Path, hosts: Path) -> str:
    """Host entries with strict host keys; paths absolute, so that any working folder will do."""
    return "\n".join(
        f"""Host {name} {machine.address}
    HostName {machine.address}
    User {machine.user}
    IdentityFile "{key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{hosts}"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""
        + (f"    ProxyJump {machine.jump}\n" if machine.jump else "")
        for name, machine in machines.items()
    )
