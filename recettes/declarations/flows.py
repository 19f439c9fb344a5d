"""Flows: who may reach which port of which machines. Nothing else opens a port."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from recettes.declarations.base import Declaration, written_as, wrong

WORLD = "world"
ADMINISTRATORS = "administrators"
SSH_PORT = 22
# What may be open to everybody: the rule of the clouds. 443/udp is HTTP/3.
PUBLIC = (("tcp", 80), ("tcp", 443), ("udp", 443))
# A network wider than this is no place any more, it is the world under another name. No single owner has as much.
_WIDEST = {4: 8, 6: 16}

IPNetwork = IPv4Network | IPv6Network


def _network(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError("is not a network such as 192.0.2.0/24 or 2001:db8::/32 (no bits set beyond the length)") from None
    if is_world(network):
        raise ValueError("is the world, or nearly: name the networks that are meant")
    return value


def is_world(network: IPNetwork) -> bool:
    return network.prefixlen < _WIDEST[network.version]


def _source(value: str) -> str:
    if "/" in value or ":" in value or value[:1].isdigit():
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(
                f'is neither "{WORLD}", "{ADMINISTRATORS}", a group, nor a network such as 192.0.2.0/24 '
                "or 2001:db8::/32 (no bits set beyond the length)"
            ) from None
    return value


def _port(value: Any) -> Any:
    port_range(value)
    return value


def port_range(port: int | str) -> tuple[int, int]:
    """First and last port of 443 or "8000-8010". Raises ValueError."""
    first, _, last = str(port).partition("-")
    if isinstance(port, bool) or not (
        first.isascii() and first.isdigit() and (last or first).isascii() and (last or first).isdigit()
    ):
        raise ValueError('is not a port such as 443 or a range such as "8000-8010"')
    if not 1 <= int(first) <= int(last or first) <= 65535:
        raise ValueError("is not between 1 and 65535, or a range that runs backwards")
    return int(first), int(last or first)


# A network of administrators, in CIDR notation.
Network = Annotated[str, AfterValidator(_network)]


class Flow(Declaration):
    """`source` may reach `port` of all machines of the group `to`.

    `source` is "world", "administrators", a group or a network in CIDR notation; `port` a number or a range "8000-8010"; `why`
    is for the person who one day asks whether it can be closed.
    """

    source: Annotated[str, AfterValidator(_source)]
    to: str
    port: Annotated[int | str, BeforeValidator(_port)]
    protocol: Literal["tcp", "udp"] = "tcp"
    why: Annotated[str, written_as(r'[^"\\\n]+', 'is not one line of text without " and \\')]

    @property
    def ports(self) -> tuple[int, int]:
        return port_range(self.port)

    @property
    def network(self) -> IPNetwork | None:
        """The source where it is a network; None where it is a name."""
        try:
            return ip_network(self.source)
        except ValueError:
            return None

    @property
    def public(self) -> bool:
        """Whether everybody is let in."""
        return self.source == WORLD or (self.network is not None and is_world(self.network))

    def __str__(self) -> str:
        return f"{self.source} -> {self.to}:{self.port}/{self.protocol}"


def check_flows(flows: Iterable[Flow], *, groups: Collection[str]) -> None:
    """Note what is wrong with the flows as a whole. They are sound each by itself."""
    seen: set[tuple[object, ...]] = set()
    for flow in flows:
        if flow.to not in groups:
            wrong(flow, "to", f"there is no group {flow.to!r}; groups are {', '.join(groups)}")
        if flow.network is None and flow.source not in (WORLD, ADMINISTRATORS, *groups):
            allowed = f'"{WORLD}", "{ADMINISTRATORS}", a network in CIDR notation, or a group: {", ".join(groups)}'
            wrong(flow, "source", f"{flow.source!r} is not known; a source is {allowed}")
        if flow.public:
            _check_public(flow)
        key = (WORLD if flow.public else flow.network or flow.source, flow.to, flow.ports, flow.protocol)
        if key in seen:
            wrong(flow, "port", f"the flow {flow} is declared twice")
        seen.add(key)


def _check_public(flow: Flow) -> None:
    first, last = flow.ports
    if flow.protocol == "tcp" and first <= SSH_PORT <= last:
        wrong(flow, "port", f"the flow {flow} opens SSH to the world; SSH is open to the administrators' networks without a flow")
    elif any((flow.protocol, port) not in PUBLIC for port in range(first, last + 1)):
        wrong(flow, "port", f"the flow {flow} is refused: only 80/tcp, 443/tcp and 443/udp may be open to the world")
