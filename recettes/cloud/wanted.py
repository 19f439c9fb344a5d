"""What an estate wants of the cloud, computed from the lab's declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from recettes.cloud.actual import Rule
from recettes.cloud.groups import group_rules, quarantine_rules
from recettes.declarations.cloud import (
    CloudEstate,
    CloudImage,
    CloudMachine,
    CloudVolume,
    machines_of,
    volumes_of,
    with_floating_ip,
)
from recettes.declarations.lab import Lab


@dataclass(frozen=True)
class WantedCloud:
    """All that the estate wants.

    `rules` are by security group, one for each machine type; their `remote` may be another group. `network` None: the private
    network `private` is ours to make. `ended` are machines whose day has passed, `idle_volumes` theirs, which are kept.
    `quarantine` is all that comes in to, or goes out of, a machine that is shut off.
    """

    estate: str
    machines: tuple[CloudMachine, ...]
    volumes: tuple[CloudVolume, ...]
    floating_ips: frozenset[str]
    rules: Mapping[str, frozenset[Rule]]
    image: CloudImage
    private: str
    network: str | None
    external: str | None
    ended: Mapping[str, date]
    now: datetime
    quarantine: frozenset[Rule] = frozenset()
    idle_volumes: tuple[CloudVolume, ...] = ()

    def machine(self, name: str) -> CloudMachine:
        return next(machine for machine in self.machines if machine.name == name)


def wanted_cloud(lab: Lab, estate: CloudEstate, now: datetime) -> WantedCloud:
    """Of a lab whose cloud is declared, and checked."""
    cloud = lab.cloud
    if cloud is None:
        raise ValueError("the lab declares no cloud")
    machines = machines_of(cloud, estate)
    current = tuple(one for one in machines if one.until is None or now.date() <= one.until)
    groups = dict.fromkeys(group for one in current for group in one.groups)
    there = {one.name for one in current}
    volumes = volumes_of(cloud, estate)
    return WantedCloud(
        estate=estate.name,
        machines=current,
        volumes=tuple(volume for volume in volumes if volume.machine in there),
        floating_ips=frozenset(with_floating_ip(current)),
        rules={group: group_rules(group, lab.flows, groups, lab.administrator_networks) for group in groups},
        image=cloud.image,
        private=cloud.private,
        network=cloud.network,
        external=cloud.external,
        ended={one.name: one.until for one in machines if one.until is not None and one not in current},
        now=now,
        quarantine=quarantine_rules(groups, lab.administrator_networks),
        idle_volumes=tuple(volume for volume in volumes if volume.machine not in there),
    )
