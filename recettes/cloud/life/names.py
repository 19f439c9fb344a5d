"""How snapshots, and volumes that are exchanged for others, are called. What one was is read from its name alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from recettes.cloud.actual import Volume
from recettes.cloud.marks import Mark

LABEL = re.compile(r"[0-9]{8}t[0-9]{6}z")
_FORMAT = "%Y%m%dt%H%M%Sz"
_FROM, _UNTIL = "-from-", "-until-"


def label(moment: datetime) -> str:
    """ "20261123t140501z": what was taken in one snapshot has one label."""
    return moment.astimezone(UTC).strftime(_FORMAT)


def moment(label: str) -> datetime:
    """Raises ValueError."""
    return datetime.strptime(label, _FORMAT).replace(tzinfo=UTC)


def snapshot(volume: str, label: str) -> str:
    return f"{volume}-{label}"


def of_snapshot(item: str) -> tuple[str, str] | None:
    """The volume and the label of a snapshot of ours; None for another's."""
    volume, _, label = item.rpartition("-")
    return (volume, label) if volume and LABEL.fullmatch(label) else None


def on_its_way(volume: str, label: str) -> str:
    """A volume made from the snapshot, until it is the volume."""
    return f"{volume}{_FROM}{label}"


def aside(volume: str, label: str) -> str:
    """The volume that it replaced at that moment; kept."""
    return f"{volume}{_UNTIL}{label}"


def becomes(mark: Mark | None) -> Mark | None:
    """What a volume on its way is to be."""
    volume, _, taken = mark.item.rpartition(_FROM) if mark else ("", "", "")
    return Mark(mark.estate, mark.kind, volume) if mark and volume and LABEL.fullmatch(taken) else None


def unfinished(volumes: Iterable[Volume], mark: Mark) -> Volume | None:
    """The volume that is to become `mark`, where a restore was interrupted: until it is, no other may be made in its place."""
    return next((volume for volume in volumes if becomes(volume.mark) == mark), None)
