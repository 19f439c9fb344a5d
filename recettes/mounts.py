"""Data volumes on a machine: formatted when blank and never otherwise, entered in /etc/fstab by their UUID, mounted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recettes.change import Change
from recettes.shell import quote

# In the options of fstab's lines that are ours; mount(8) leaves what begins with x- to others.
OURS = "x-recettes"
# A machine starts without a volume that does not come.
_OPTIONS = f"defaults,nofail,x-systemd.device-timeout=30s,{OURS}"


@dataclass(frozen=True)
class Place:
    """A folder where a volume is wanted, or is. `device` is the volume's, "" where it is not attached.

    `holds` is what is on it: a file system, "" for nothing at all, "?" for what is none. `entered` is fstab's source for the
    folder, `mounted` the device that is mounted there, `files` whether the folder itself has any.
    """

    device: str = ""
    holds: str = ""
    uuid: str = ""
    entered: str = ""
    mounted: str = ""
    files: bool = False


@dataclass(frozen=True)
class Mounts:
    """`places` by folder; `ours` are the folders that fstab has because of us."""

    places: Mapping[str, Place]
    ours: frozenset[str] = frozenset()


def refusals(actual: Mounts, wanted: Mapping[str, str]) -> list[str]:
    """What no run does by itself: a sentence each. `wanted` has the volume's id by folder."""
    found = []
    for path in sorted(wanted):
        place = actual.places[path]
        if not place.device:
            found.append(f"the volume of {path} is not attached to this machine: deploys/cloud.py attaches it")
        elif place.holds == "?":
            found.append(f"the volume of {path} ({place.device}) is not blank, and holds no file system: it is not formatted")
        elif place.mounted and place.mounted != place.device:
            found.append(f"at {path}, {place.mounted} is mounted and not the volume {place.device}")
        elif place.entered and place.entered != f"UUID={place.uuid}":
            found.append(f"/etc/fstab has {place.entered} for {path}, and not the volume: take that line out, or the declaration")
        elif not place.mounted and place.files:
            found.append(f"{path} has files, which the volume would hide: move them first")
    return found


def plan_mounts(actual: Mounts, wanted: Mapping[str, str]) -> list[Change]:
    """Of what is not refused."""
    changes = []
    for path in sorted(actual.ours - wanted.keys()):
        changes.append(Change("mounts", path, "release", "declared no more; its volume keeps all data"))
    for path in sorted(wanted):
        place = actual.places[path]
        if not place.holds:
            changes.append(Change("mounts", path, "format", f"{place.device}, which is blank, with ext4"))
        if not place.entered:
            changes.append(Change("mounts", path, "enter", "in /etc/fstab, by UUID"))
        if not place.mounted:
            changes.append(Change("mounts", path, "mount", place.device))
    return changes


def mounts_script(changes: Sequence[Change], actual: Mounts) -> str:
    """Makes the changes, in their order."""
    lines = []
    for change in changes:
        path, device = quote(change.item), quote(actual.places.get(change.item, Place()).device)
        if change.action == "release":
            lines.append(f"! mountpoint -q {path} || umount {path}")
            lines.append(_new_fstab(f"awk -v path={path} '!($2 == path && $4 ~ /{OURS}/)' /etc/fstab"))
        elif change.action == "format":
            # Looked at once more, and without -F: mkfs itself asks where it finds something.
            lines.append(f"if blkid -p {device} >/dev/null; then echo {path}: the volume is not blank >&2; exit 1; fi")
            lines.append(f"mkfs.ext4 -q -m 1 {device}")
        elif change.action == "enter":
            lines.append(f"uuid=$(blkid -p -o value -s UUID {device}); kind=$(blkid -p -o value -s TYPE {device})")
            lines.append(_new_fstab(f'cat /etc/fstab; echo "UUID=$uuid "{path}" $kind {_OPTIONS} 0 2"'))
        elif change.action == "mount":
            lines.append(f"mkdir -p {path}; systemctl daemon-reload; mount {path}")
    return "\n".join(lines)


def _new_fstab(commands: str) -> str:
    return f"{{ {commands}; }} >/etc/fstab.new; chmod 644 /etc/fstab.new; sync /etc/fstab.new; mv -fT /etc/fstab.new /etc/fstab"
