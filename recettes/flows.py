"""From the lab's flows to what one machine lets in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_address, ip_network

from recettes.declarations.flows import ADMINISTRATORS, SSH_PORT, WORLD, Flow, IPNetwork


@dataclass(frozen=True)
class Opening:
    """`networks` may reach the ports `first` to `last`; None means everybody. `source` names the networks, `comment` the flow."""

    source: str
    networks: tuple[IPNetwork, ...] | None
    protocol: str
    first: int
    last: int
    comment: str

    def admits(self, address: str, port: int) -> bool:
        """Whether a TCP connection from the address to the port comes in by this opening."""
        if self.protocol != "tcp" or not self.first <= port <= self.last:
            return False
        return self.networks is None or any(ip_address(address) in network for network in self.networks)


@dataclass(frozen=True)
class Rules:
    """What comes in to one machine besides what every machine needs. `forward`: it passes on traffic of its containers.

    At `ssh_port` the address that a run comes from is always let in. The accounts `muted` open no connection of their own, not
    even to this machine itself; they only answer. `windows`: SSH may be open to one address for a while, see
    recettes.base.window.
    """

    openings: tuple[Opening, ...]
    ssh_port: int = SSH_PORT
    forward: bool = False
    muted: tuple[str, ...] = ()
    windows: bool = False

    def admits(self, address: str, port: int) -> bool:
        """Whether the declared openings let a TCP connection in, whoever may be present."""
        return any(opening.admits(address, port) for opening in self.openings)


def rules_for(
    groups: Collection[str],
    flows: Iterable[Flow],
    *,
    addresses: Mapping[str, Collection[str]],
    administrators: Collection[str],
    ssh_port: int = SSH_PORT,
    muted: Iterable[str] = (),
    windows: bool = False,
) -> Rules:
    """What a machine that is in `groups` lets in.

    `addresses` are those of every group's machines, as the machines see each other; `administrators` networks (CIDR). SSH is open
    to the administrators, and on a machine that is not in group `web` to the machines of `web`, through which one jumps.
    """
    named = {group: _networks(addresses[group]) for group in addresses} | {ADMINISTRATORS: _networks(administrators)}
    openings = [Opening(ADMINISTRATORS, named[ADMINISTRATORS], "tcp", ssh_port, ssh_port, "SSH of the administrators")]
    if "web" not in groups:
        openings.append(Opening("web", named.get("web", ()), "tcp", ssh_port, ssh_port, "SSH by jump through web"))
    for flow in flows:
        if flow.to in groups:
            source = WORLD if flow.public else flow.source
            networks = None if flow.public else (flow.network,) if flow.network else named.get(source, ())
            openings.append(Opening(source, networks, flow.protocol, *flow.ports, f"{flow}: {flow.why}"))
    return Rules(tuple(openings), ssh_port, "sandbox" in groups, tuple(sorted(muted)), windows)


def _networks(written: Collection[str]) -> tuple[IPNetwork, ...]:
    networks = [ip_network(text) for text in written]
    four = collapse_addresses(network for network in networks if network.version == 4)
    six = collapse_addresses(network for network in networks if network.version == 6)
    return (*four, *six)
