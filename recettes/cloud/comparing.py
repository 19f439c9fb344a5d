"""How two estates of one declaration differ."""

from __future__ import annotations

from recettes.declarations.cloud import Cloud, CloudEstate, machines_of, volumes_of, with_floating_ip
from recettes.declarations.lab import Lab


def described(lab: Lab, cloud: Cloud, estate: CloudEstate) -> dict[str, str]:
    """All that may differ, as words by what it is about."""
    machines = machines_of(cloud, estate)
    floating = with_floating_ip(machines)
    said = {
        "cloud": estate.cloud or "as OS_CLOUD says",
        "domain": estate.domain or lab.domain,
        "issuer": estate.issuer or lab.issuer,
    }
    for machine in machines:
        public = ", floating IP" if machine.name in floating else ""
        groups = " ".join(machine.groups)
        said[f"machine {machine.name}"] = f"{machine.flavour}, {machine.root} GB, in {groups}{public}"
    for volume in volumes_of(cloud, estate):
        said[f"volume {volume.name}"] = f"{volume.size} GB, at {volume.machine}:{volume.mount}"
    return said


def beside(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    """What it is about, and how it is in either; "-" where there is none."""
    return [(what, first.get(what, "-"), second.get(what, "-")) for what in dict.fromkeys([*first, *second])]


def differences(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    """Of all that, what is not the same in both."""
    return [(what, one, other) for what, one, other in beside(first, second) if one != other]
