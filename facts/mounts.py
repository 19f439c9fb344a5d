"""Data volumes as the machine sees them: attached, formatted, entered, mounted."""

from __future__ import annotations

from collections.abc import Mapping

from facts.survey import Part
from recettes.mounts import OURS, Mounts, Place
from recettes.shell import quote

# A disk's serial number is the beginning of the volume's id, as virtio has room for no more; udev makes links of it on any bus.
_SERIAL = 20
_FIELDS = ("device", "holds", "uuid", "entered", "mounted", "files")


def mounts_state(wanted: Mapping[str, str]) -> Part[Mounts]:
    """Of the volumes `wanted`, ids by folder, and of all folders that fstab has because of us."""
    script = [_FUNCTION, *(f"place {quote(path)} {quote(id_[:_SERIAL])}" for path, id_ in sorted(wanted.items()))]
    script.append(f"awk '$1 !~ /^#/ && $4 ~ /{OURS}/ {{ print \"ours \" $2 }}' /etc/fstab")
    return Part("mounts", "\n".join(script), lambda lines: _parse(lines, wanted))


_FUNCTION = r"""
place() {
    echo "place $1"
    device=
    for link in /dev/disk/by-id/*"$2"*; do
        case $link in *-part*) continue ;; esac
        if [ -b "$link" ]; then device=$(readlink -f "$link"); break; fi
    done
    echo "device $device"
    if [ -n "$device" ]; then
        if said=$(blkid -p -o export "$device"); then
            kind=$(echo "$said" | sed -n 's/^TYPE=//p')
            echo "holds ${kind:-?}"
            echo "uuid $(echo "$said" | sed -n 's/^UUID=//p')"
        elif [ $? != 2 ]; then
            echo "$said"
            return 1
        fi
    fi
    echo "entered $(awk -v path="$1" '$1 !~ /^#/ && $2 == path { print $1 }' /etc/fstab | head -n 1)"
    source=$(findmnt -n -o SOURCE --mountpoint "$1" | tail -n 1)
    case $source in /*) source=$(readlink -f "$source") ;; esac
    echo "mounted $source"
    [ ! -d "$1" ] || [ -z "$(ls -A "$1")" ] || echo "files yes"
}
"""


def _parse(lines: list[str], wanted: Mapping[str, str]) -> Mounts:
    places: dict[str, dict[str, str]] = {}
    ours: set[str] = set()
    path = ""
    for line in lines:
        word, _, value = line.partition(" ")
        if word == "place":
            path = value
            places[path] = {}
        elif word == "ours":
            ours.add(value)
        elif word in _FIELDS and path:
            places[path][word] = value
        else:
            raise ValueError(line)
    if places.keys() != wanted.keys():
        raise ValueError("a part of the answer is missing")
    return Mounts({path: _place(place) for path, place in places.items()}, frozenset(ours))


def _place(said: Mapping[str, str]) -> Place:
    device, holds, uuid, entered, mounted, files = (said.get(name, "") for name in _FIELDS)
    return Place(device, holds, uuid, entered, mounted, files == "yes")
