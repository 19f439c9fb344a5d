"""What an estate needs of a project's quota, and whether there is as much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from recettes.cloud.actual import Allowance

SERVERS, VCPUS, MEMORY = "servers", "vCPU", "MB of memory"
VOLUMES, VOLUME_SIZE, SNAPSHOTS = "volumes", "GB of volumes", "volume snapshots"
NETWORKS, SUBNETS, ROUTERS, PORTS = "networks", "subnets", "routers", "ports"
FLOATING_IPS, GROUPS, RULES = "floating IPs", "security groups", "security group rules"

Needed = Counter[str]


def too_much(needed: Mapping[str, int], quota: Mapping[str, Allowance]) -> list[str]:
    """A sentence for each that is not left. What a cloud does not tell is not counted."""
    sentences = []
    for what, count in sorted(needed.items()):
        left = quota[what].left if what in quota else None
        if left is not None and count > left:
            sentences.append(f"needs {count} {what}, {left} left of {quota[what].limit}")
    return sentences


def told(needed: Mapping[str, int], quota: Mapping[str, Allowance]) -> str:
    """One line: what is needed, and what is left of it."""
    parts = []
    for what, count in needed.items():
        left = quota[what].left if what in quota else None
        parts.append(f"{count} {what}" + ("" if left is None else f" of {left} left"))
    return "needs " + ", ".join(parts)
