"""The estate's network: one bridge of its own, whose subnet is free here, so that every machine has a stable address."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from recettes.containers.waiting import ContainersError

# Out of RFC 1918's 172.16.0.0/12, the end that Docker hands out last to others.
SUBNETS = list(IPv4Network("172.28.0.0/16").subnets(new_prefix=24))
ROUTES = Path("/proc/net/route")


def subnet(client: DockerClient, name: str) -> IPv4Network | None:
    """The network's subnet, None if there is no such network."""
    try:
        configured = client.networks.get(name).attrs["IPAM"]["Config"]
    except NotFound:
        return None
    return IPv4Network(configured[0]["Subnet"])


def make_network(client: DockerClient, name: str, labels: dict[str, str]) -> IPv4Network:
    """Make the network on a subnet that nothing on this computer is using."""
    first = hashlib.sha256(name.encode()).digest()[0]  # the same estate gets the same addresses, when it can
    routes = _routes()
    for candidate in SUBNETS[first:] + SUBNETS[:first]:
        if any(candidate.overlaps(route) for route in routes):
            continue
        pool = IPAMPool(subnet=str(candidate), gateway=str(candidate[1]))
        try:
            client.networks.create(
                name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[pool]),
                labels=labels,
                check_duplicate=True,
                options={"com.docker.network.driver.mtu": str(mtu())},
            )
        except APIError as error:
            if "overlaps" in str(error.explanation):  # another network took it since the routes were read
                continue
            raise
        return candidate
    raise ContainersError(
        "No free subnet for the machines in 172.28.0.0/16: remove networks that nobody uses "
        "(docker network prune). Nothing was made."
    )


def _routes() -> list[IPv4Network]:
    """Networks this computer has a route to, without the default one."""
    found = []
    for line in ROUTES.read_text().splitlines()[1:]:
        _, destination, *_, mask, _, _, _ = line.split()
        network = IPv4Network((_address(destination), str(IPv4Address(_address(mask)))))
        if network.prefixlen:
            found.append(network)
    return found


def mtu() -> int:
    """Bytes. Packets larger than the way out carries would be lost without a word, and downloads hang."""
    for line in ROUTES.read_text().splitlines()[1:]:
        interface, destination, *_ = line.split()
        if int(destination, 16) == 0:
            return int(Path("/sys/class/net", interface, "mtu").read_text())
    return 1500


def _address(little_endian: str) -> int:
    return int.from_bytes(bytes.fromhex(little_endian), "little")
