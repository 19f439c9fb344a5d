"""The lab on a cloud: its machines, their volumes and network, and how its estates differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recettes.declarations.base import Declaration, Hostname, Name, written_as, wrong
from recettes.declarations.cloud_request import CloudRequest
from recettes.estate import STAND_IN

# What a cloud calls its things; none of ours, so nearly anything.
CloudName = Annotated[str, written_as(r"[^\s,][^\n,]{0,254}", "is not the name of something in a cloud (one line, no comma)")]
Gigabytes = Annotated[int, Field(ge=1, le=100_000)]
# Where a data volume may be mounted: never over a folder of the system itself.
MountPoint = Annotated[
    str, written_as(r"/(srv|data|mnt|var/lib)(/[a-z0-9][a-z0-9._-]*)+", "is not a folder below /srv, /data, /mnt or /var/lib")
]


# RFC 1918.
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def _private(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError("is not a network such as 10.20.0.0/24 (no bits set beyond the length)") from None
    if not isinstance(network, IPv4Network) or not 16 <= network.prefixlen <= 28 or not any(map(network.subnet_of, _PRIVATE)):
        raise ValueError("is not a private IPv4 network between /16 and /28, such as 10.20.0.0/24")
    return value


class Needs(Declaration):
    """A flavour by what it has at least: `vcpus` and `memory` in GB. Of those that have both, the smallest is taken."""

    vcpus: Annotated[int, Field(ge=1, le=256)]
    memory: Annotated[int, Field(ge=1, le=4096)]

    def __str__(self) -> str:
        return f"{self.vcpus} vCPU, {self.memory} GB"


Flavour = Needs | CloudName


class CloudImage(Declaration):
    """What machines are made from: the newest image of the cloud that is of this distribution and release."""

    distribution: Literal["debian"] = "debian"
    release: Literal["13"] = "13"

    def __str__(self) -> str:
        return f"{self.distribution} {self.release}"


class CloudMachine(Declaration):
    """A machine. `root` is the size of its system disk in GB, which outlives it where the flavour has no disk of its own.

    - `floating_ip` None: the machine of group `web` has one, the others are reached through it.
    - After the day `until` a machine for one task is reported as ended, and can be removed.
    - `formerly` is the name it had, where it was renamed.
    """

    name: Name
    groups: tuple[str, ...]
    flavour: Flavour
    root: Annotated[int, Field(ge=10, le=1000)] = 20
    floating_ip: bool | None = None
    until: date | None = None
    formerly: Name | None = None


class CloudVolume(Declaration):
    """A data volume of `size` GB on `machine`, at the folder `mount`; kept for ever, unless purged by name.

    `project` says whose it is, where it is one project's alone. `formerly` is the name it had, where it was renamed.
    """

    name: Name
    machine: Name
    size: Gigabytes
    mount: MountPoint
    project: Name | None = None
    formerly: Name | None = None


class CloudEstate(Declaration):
    """An estate of the lab on a cloud, and in what it differs from what is declared.

    - `cloud` is the entry of clouds.yaml that it lives in; with any other, nothing is done.
    - `domain` stands for the lab's in the names of all sites; `issuer` for the lab's.
    - `together` names the one machine that is in all groups and has all volumes.
    - `flavours` by machine, `sizes` in GB by machine (its system disk) or volume, `without` machines and volumes.
    """

    name: Name
    cloud: CloudName | None = None
    domain: Hostname | None = None
    issuer: Literal["local", "acme"] | None = None
    together: Name | None = None
    flavours: Mapping[Name, Flavour] = {}
    sizes: Mapping[Name, Gigabytes] = {}
    without: tuple[Name, ...] = ()


class Cloud(Declaration):
    """Everything that the lab has on a cloud.

    - `private` is the network of the machines among themselves, in CIDR notation; `network` the name of one that exists already
      (with its router), where the cloud gives one.
    - `external` is the network that floating IPs come from: a name, or None for the only one.
    """

    machines: tuple[CloudMachine, ...]
    volumes: tuple[CloudVolume, ...] = ()
    image: CloudImage = CloudImage()
    private: Annotated[str, AfterValidator(_private)] = "10.20.0.0/24"
    network: CloudName | None = None
    external: CloudName | None = None
    estates: tuple[CloudEstate, ...] = (CloudEstate(name="production"),)
    request: CloudRequest = CloudRequest()


def check_cloud(
    cloud: Cloud | None, *, groups: Collection[str], foreign: str, projects: Collection[str], administrators: Collection[str]
) -> None:
    """Note what is wrong with the cloud as a whole. `administrators` are their networks."""
    if cloud is None:
        return
    if not cloud.machines:
        wrong(cloud, "machines", "is empty; one machine at least, or no cloud")
    if not administrators:
        wrong(
            cloud, "machines", "nobody could reach them by SSH: say in Lab.administrator_networks where administrators come from"
        )
    allowed = [group for group in groups if group != foreign]
    for machine in cloud.machines:
        if not machine.groups or not set(machine.groups) <= set(allowed):
            wrong(machine, "groups", f"is {machine.groups!r}; one or more of {', '.join(allowed)}")
        if machine.name in groups and machine.groups != (machine.name,) and len(machine.groups) == 1:
            wrong(machine, "name", f"a machine called {machine.name} that is only in group {machine.groups[0]} would mislead")
    names = {machine.name for machine in cloud.machines}
    for volume in cloud.volumes:
        if volume.machine not in names:
            wrong(volume, "machine", f"there is no machine {volume.machine!r}; there are {', '.join(sorted(names))}")
        if volume.project is not None and volume.project not in projects:
            wrong(volume, "project", f"there is no project {volume.project!r}")
    for name in cloud.request.holds.keys() - {volume.name for volume in cloud.volumes}:
        wrong(cloud.request, "holds", f"there is no volume {name!r}")
    _check_names([*cloud.machines, *cloud.volumes])
    _check_estates(cloud, names)


def root_volume(machine: str) -> str:
    """The name of the volume that a machine's system lies on, where its flavour has no disk."""
    return f"{machine}-root"


def _check_names(things: list[CloudMachine | CloudVolume]) -> None:
    taken = {root_volume(thing.name) for thing in things if isinstance(thing, CloudMachine)}
    for thing in things:
        for key, name in (("name", thing.name), ("formerly", thing.formerly)):
            if name in taken:
                wrong(thing, key, f"{name!r} is the name of another machine or volume; each is used once")
            if name is not None:
                taken.add(name)


def _check_estates(cloud: Cloud, machines: set[str]) -> None:
    if not cloud.estates:
        wrong(cloud, "estates", 'is empty; one at least, such as CloudEstate(name="production")')
    volumes = {volume.name for volume in cloud.volumes}
    seen: set[str] = set()
    for estate in cloud.estates:
        if estate.name in seen or estate.name == "containers":
            wrong(estate, "name", f"{estate.name!r} is the name of another estate")
        seen.add(estate.name)
        for key, given, known in (
            ("together", (estate.together,) if estate.together else (), machines),
            ("flavours", estate.flavours, machines),
            ("sizes", estate.sizes, machines | volumes),
            ("without", estate.without, machines | volumes),
        ):
            for name in given:
                if name not in known:
                    wrong(estate, key, f"there is no {name!r}; there are {', '.join(sorted(known))}")
        _check_estate(cloud, estate)


def _check_estate(cloud: Cloud, estate: CloudEstate) -> None:
    machines, volumes = machines_of(cloud, estate), volumes_of(cloud, estate)
    if not with_floating_ip(machines):
        wrong(cloud, "machines", f"no machine of {estate.name} has a floating IP, so none could be reached")
    places: dict[tuple[str, str], CloudVolume] = {}
    for volume in volumes:
        other = places.setdefault((volume.machine, volume.mount), volume)
        if other is not volume:
            wrong(volume, "mount", f"{volume.mount} of {volume.machine} is where {other.name} is mounted (estate {estate.name})")


def machines_of(cloud: Cloud, estate: CloudEstate) -> tuple[CloudMachine, ...]:
    """The machines of the estate, its differences applied."""
    machines = [machine for machine in cloud.machines if machine.name not in estate.without]
    if estate.together:
        groups = tuple(dict.fromkeys(group for machine in machines if machine.until is None for group in machine.groups))
        machines = [
            machine.model_copy(update={"groups": groups}) if machine.name == estate.together else machine
            for machine in machines
            if machine.name == estate.together or machine.until is not None
        ]
    return tuple(
        machine.model_copy(
            update={
                "flavour": estate.flavours.get(machine.name, machine.flavour),
                "root": estate.sizes.get(machine.name, machine.root),
            }
        )
        for machine in _with_a_front(machines)
    )


def volumes_of(cloud: Cloud, estate: CloudEstate) -> tuple[CloudVolume, ...]:
    """The volumes of the estate, its differences applied. A machine that is not there has none."""
    there = {machine.name for machine in cloud.machines if machine.name not in estate.without}
    return tuple(
        volume.model_copy(
            update={"size": estate.sizes.get(volume.name, volume.size), "machine": estate.together or volume.machine}
        )
        for volume in cloud.volumes
        if volume.machine in there and volume.name not in estate.without
    )


def with_floating_ip(machines: Collection[CloudMachine]) -> list[str]:
    """The names of the machines that have one."""
    return [one.name for one in machines if ("web" in one.groups if one.floating_ip is None else one.floating_ip)]


def _with_a_front(machines: list[CloudMachine]) -> list[CloudMachine]:
    """As in any estate, see recettes.estate.STAND_IN: the security groups have to know it, too."""
    if not any("web" in machine.groups for machine in machines):
        for place, machine in enumerate(machines):
            if STAND_IN in machine.groups:
                machines[place] = machine.model_copy(update={"groups": ("web", *machine.groups)})
                break
    return machines
