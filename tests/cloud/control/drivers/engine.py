"""What a server that is a container needs of the Docker engine, from nova's side and from neutron's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool
from docker.utils import version_lt

from recettes.containers.leftovers import OWNER_LABEL, owner
from recettes.containers.machine import ESTATE_LABEL
from recettes.containers.network import mtu
from recettes.durable import locked
from tests.cloud.control.place import place_of_this_service

place = place_of_this_service()
REQUEST_SECONDS = 600


def client() -> docker.DockerClient:
    return docker.from_env(timeout=REQUEST_SECONDS)


def labels() -> dict[str, str]:
    """What is made for a service that died is removed by whoever makes containers next."""
    return {ESTATE_LABEL: place.name, OWNER_LABEL: owner()}


def container_name(server: str) -> str:
    return f"{place.name}-{server}"


def network_name(network: str, *, external: bool) -> str:
    """The default route is by the first network in order of names: a private one."""
    return f"{place.name}-{'outside' if external else 'inside'}-{network}"


def ensure_network(network: str, subnet: Mapping[str, str], *, external: bool = False) -> str:
    """Neutron's network as one of the engine's: the name there. `subnet` has `cidr` and `gateway_ip`."""
    name = network_name(network, external=external)
    place.engine_used.touch()
    with locked(place.folder / "engine.lock", REQUEST_SECONDS):  # nova and neutron may both be about to make it
        try:
            client().networks.get(name)
        except NotFound:
            pool = IPAMPool(subnet=subnet["cidr"], gateway=subnet["gateway_ip"])
            client().networks.create(
                name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[pool]),
                labels=labels(),
                options={"com.docker.network.driver.mtu": str(mtu())},
            )
    return name


def interface(network: str, address: str, mac: str) -> dict[str, Any]:
    """The arguments of `containers.create` for the first interface. cloud-init looks for the MAC that nova told it."""
    api = client().api
    if version_lt(api.api_version, "1.44"):
        endpoint, more = api.create_endpoint_config(ipv4_address=address), {"mac_address": mac}
    else:
        endpoint, more = api.create_endpoint_config(ipv4_address=address, mac_address=mac), {}
    return {"network": network, "networking_config": {network: endpoint}, **more}


def give_address(server: str, network: str, subnet: Mapping[str, str], address: str) -> None:
    """A floating address is one of the container's own, on an interface to the external network."""
    name = ensure_network(network, subnet, external=True)
    client().networks.get(name).connect(container_name(server), ipv4_address=address)


def take_address(network: str, address: str) -> None:
    """From whichever container has it."""
    with suppress(NotFound):
        outside = client().networks.get(network_name(network, external=True))
        for container, interface in outside.attrs["Containers"].items():
            if interface["IPv4Address"].partition("/")[0] == address:
                outside.disconnect(container, force=True)


def remove_network(network: str) -> None:
    for external in (False, True):
        with suppress(NotFound):
            client().networks.get(network_name(network, external=external)).remove()
