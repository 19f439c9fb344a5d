"""How a thing in the cloud says whose it is. The mark is set by the call that makes the thing: no moment without it.

Servers, volumes and snapshots have it in their metadata, all of Neutron's in the first word of the description: tags are taken
by Neutron only in a second call on older clouds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ESTATE, ITEM, GROUPS = "recettes-estate", "recettes-item", "recettes-groups"
# The vault's name of the host key that the machine was given; a rename leaves it.
HOST_KEY = "recettes-host-key"
# What a person asked for until asked otherwise; the plan leaves it so. Words of METADATA[KEPT], with commas.
KEPT = "recettes-kept"
STOPPED, QUARANTINED = "stopped", "quarantined"
# On a server: "198.51.100.9 2026-11-23T15:00+00:00", to whom its own firewall opens SSH until when. programs/ssh-window reads it.
SSH_WINDOW = "recettes-ssh"
# On what a snapshot of a machine consists of: "xmldb 3", the machine and how many things were to be taken at that moment.
TOGETHER = "recettes-together"
# On a volume made from a snapshot, until it takes its place: the machine or volume that was to be restored.
RESTORES = "recettes-restores"
_TOGETHER = re.compile(r"[a-z0-9-]+ [0-9]+")
_WORD = re.compile(r"recettes:([a-z0-9-]+)/([a-z-]+)/([a-z0-9-]+)")


@dataclass(frozen=True, order=True)
class Mark:
    """`item` of the estate's things of one `kind`: "server", "volume", "network", "group" …"""

    estate: str
    kind: str
    item: str

    def __str__(self) -> str:
        return f"{self.kind} {self.item}"

    @property
    def name(self) -> str:
        """What the cloud's own tools show."""
        return f"{self.estate}-{self.item}"

    @property
    def description(self) -> str:
        return f"recettes:{self.estate}/{self.kind}/{self.item} (changes by hand are undone)"

    @property
    def metadata(self) -> dict[str, str]:
        return {ESTATE: self.estate, ITEM: self.item}


def kept(metadata: Mapping[str, str]) -> frozenset[str]:
    return frozenset(metadata.get(KEPT, "").split(",")) - {""}


def together(metadata: Mapping[str, str]) -> str:
    said = metadata.get(TOGETHER) or ""
    return said if _TOGETHER.fullmatch(said) else ""


def mark_in_description(text: str | None) -> Mark | None:
    found = _WORD.match(text or "")
    return Mark(*found.groups()) if found else None


def mark_in_metadata(kind: str, metadata: Mapping[str, str]) -> Mark | None:
    estate, item = metadata.get(ESTATE), metadata.get(ITEM)
    return Mark(estate, kind, item) if estate and item else None
