"""What there is in a project of a cloud. Sizes in GB, memory in MB as Nova has it, times as the cloud writes them (ISO 8601)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, TypeVar

from recettes.cloud.marks import Mark


@dataclass(frozen=True)
class Thing:
    """What everything has; `mark` None: it is not ours."""

    id: str
    name: str
    mark: Mark | None


@dataclass(frozen=True)
class Flavor:
    """`disk` 0: the system has to lie on a volume."""

    id: str
    name: str
    vcpus: int
    memory: int
    disk: int


@dataclass(frozen=True)
class Image:
    """`distribution` and `release` are what its owner says of it, "" where nothing; `least_disk` in GB; `together` see marks.

    `status` is Glance's: of one that is uploaded still, "saving".
    """

    id: str
    name: str
    created: str
    distribution: str = ""
    release: str = ""
    architecture: str = ""
    least_disk: int = 0
    snapshot: bool = False
    mark: Mark | None = None
    together: str = ""
    status: str = "active"


@dataclass(frozen=True)
class Network(Thing):
    external: bool = False
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subnet(Thing):
    network: str = ""
    cidr: str = ""


@dataclass(frozen=True)
class Router(Thing):
    """`external` is the network behind it, "" where none; `subnets` those that it joins."""

    external: str = ""
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Rule:
    """A security group's rule. `remote` is a network in CIDR notation, the id of a group, or "" for everybody; ports 0: all."""

    direction: Literal["ingress", "egress"]
    version: Literal[4, 6]
    protocol: str = ""
    first: int = 0
    last: int = 0
    remote: str = ""

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        what = f"{ports if self.first else 'all ports'}/{self.protocol or 'all protocols'}"
        return f"{'from' if self.direction == 'ingress' else 'to'} {self.remote or 'everywhere'} IPv{self.version} {what}"


@dataclass(frozen=True)
class SecurityGroup(Thing):
    """`rules` with their ids; `notes` are their descriptions by id."""

    rules: Mapping[Rule, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Port(Thing):
    """`device` is the server's or router's id, `groups` ids; `guarded`: security groups hold for it."""

    network: str = ""
    device: str = ""
    owner: str = ""
    addresses: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    guarded: bool = True


@dataclass(frozen=True)
class FloatingIP(Thing):
    address: str = ""
    network: str = ""
    port: str = ""


@dataclass(frozen=True)
class Server(Thing):
    """`launched`: it ran once. `flavor` is a name or an id, as the cloud gives it; `fault` Nova's words."""

    status: str = ""
    task: str = ""
    launched: bool = True
    flavor: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Volume(Thing):
    """`servers` are the ids of those that it is attached to; `source` of the snapshot that it was made from, "" where of none."""

    size: int = 0
    status: str = ""
    servers: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Snapshot(Thing):
    """`together` as marks.TOGETHER."""

    volume: str = ""
    size: int = 0
    status: str = ""
    created: str = ""
    together: str = ""


@dataclass(frozen=True)
class Allowance:
    """Of one kind of thing: how much the project may have, None for any number, and has."""

    limit: int | None
    used: int

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(self.limit - self.used, 0)


@dataclass(frozen=True)
class CloudState:
    """The project as a whole. `quota` is by the words of recettes.cloud.quota."""

    flavors: tuple[Flavor, ...] = ()
    images: tuple[Image, ...] = ()
    networks: tuple[Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    routers: tuple[Router, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    ports: tuple[Port, ...] = ()
    floating_ips: tuple[FloatingIP, ...] = ()
    servers: tuple[Server, ...] = ()
    volumes: tuple[Volume, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    quota: Mapping[str, Allowance] = field(default_factory=dict)

    def marked(self, estate: str) -> list[Thing]:
        """Everything that carries the estate's mark."""
        return [thing for thing in self.things() if thing.mark and thing.mark.estate == estate]

    def things(self) -> Iterator[Thing]:
        yield from chain(self.servers, self.volumes, self.snapshots, self.floating_ips, self.ports, self.groups)
        yield from chain(self.routers, self.subnets, self.networks)


T = TypeVar("T", bound=Thing)


def found(things: Iterable[T], mark: Mark) -> T | None:
    """The thing with the mark. That there are not two has been seen to before."""
    return next((thing for thing in things if thing.mark == mark), None)
