"""The estate's machines as the cloud has them: their groups, addresses, and the way to them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from recettes.cloud.actual import CloudState, Port
from recettes.cloud.client import said
from recettes.cloud.keys import USER, host_keys, key_file, put_known_administrator_key
from recettes.cloud.marks import GROUPS as GROUPS_LABEL
from recettes.cloud.marks import HOST_KEY
from recettes.cloud.understanding import understand
from recettes.declarations.cloud import CloudVolume
from recettes.durable import write_whole
from recettes.estate import GROUPS, MACHINES, Estate, EstateError, read_estate
from recettes.listing import Listed, known_hosts, machines_toml, ssh_config
from recettes.secrets import Vault


def listed(state: CloudState, estate: str, volumes: Iterable[CloudVolume] = ()) -> dict[str, Listed]:
    """The estate's servers by name. Who has no floating IP is reached through the one that has.

    Of the declared `volumes`, those that exist are wanted on their machine, attached or not.
    """
    ids = {one.mark.item: one.id for one in state.volumes if one.mark and one.mark.estate == estate}
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for volume in volumes:
        if volume.name in ids:
            places[volume.machine].append((volume.mount, ids[volume.name]))
    floating = {one.port: one.address for one in state.floating_ips if one.port}
    machines = {}
    for server in state.servers:
        if server.mark is None or server.mark.estate != estate:
            continue
        ports = [port for port in state.ports if port.device == server.id and port.addresses]
        own = next((port for port in ports if port.mark), None) or next(iter(ports), None)
        if own is not None:  # else the cloud has not given it an address yet
            groups = tuple(one for one in server.metadata.get(GROUPS_LABEL, "").split(",") if one in GROUPS)
            machines[server.mark.item] = _one(own, floating.get(own.id), groups)
    front = next((one.address for one in machines.values() if one.private_address and "web" in one.groups), None)
    front = front or next((one.address for one in machines.values() if one.private_address), None)
    jump = f"{USER}@{front}" if front else ""
    return {
        name: replace(one, jump="" if one.private_address else jump, volumes=tuple(sorted(places[name])))
        for name, one in sorted(machines.items())
        if one.groups
    }


def _one(port: Port, floating: str | None, groups: tuple[str, ...]) -> Listed:
    fixed = next((address for address in port.addresses if ":" not in address), port.addresses[0])
    return Listed(floating or fixed, groups, USER, fixed if floating else "")


def cloud_estate(folder: Path, vault: Vault, volumes: Iterable[CloudVolume]) -> Estate:
    """Ask the cloud for the machines, and write what ssh needs to reach them into the estate's folder.

    Raises EstateError, SecretsError.
    """
    if not folder.is_dir():
        raise EstateError(f"There is no estate {folder.name}: {folder} is missing. docs/cloud.md says how one begins.")
    done, answer = said("reading", "inventory")
    if not done:
        raise EstateError(f"{answer.rstrip('.')}. No machine was touched.")
    try:
        state = understand(json.loads(answer))
    except (ValueError, KeyError, TypeError) as error:
        raise EstateError(f"The cloud's answer was not understood ({type(error).__name__}: {error}).") from None
    machines = listed(state, folder.name, volumes)
    twice = len([one for one in state.servers if one.mark and one.mark.estate == folder.name]) - len(
        {one.mark for one in state.servers if one.mark and one.mark.estate == folder.name}
    )
    if twice:
        raise EstateError(
            "Two servers of the cloud carry the tag of one machine: deploys/cloud.py says which. Nothing was touched."
        )
    if not machines:
        raise EstateError(
            f"Estate {folder.name} has no machine in the cloud yet: pyinfra inventory.py deploys/cloud.py makes them."
        )
    secrets = {
        server.mark.item: server.metadata.get(HOST_KEY, "")
        for server in state.servers
        if server.mark and server.mark.estate == folder.name and server.mark.item in machines and server.metadata.get(HOST_KEY)
    }
    keys = host_keys(vault, secrets)
    put_known_administrator_key(vault)
    hosts = folder / "known_hosts"
    for file, content in (
        (hosts, known_hosts({name: one for name, one in machines.items() if name in keys}, keys)),
        (folder / "ssh_config", ssh_config(machines, key=key_file(folder), hosts=hosts)),
        (folder / MACHINES, machines_toml(machines)),
    ):
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            write_whole(file, content.encode(), 0o644)
    return read_estate(folder)
