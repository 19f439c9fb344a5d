"""Data volumes: what is planned, and what no run does by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facts.mounts import mounts_state
from recettes.mounts import Mounts, Place, mounts_script, plan_mounts, refusals

WANTED = {"/srv/texts": "33c5d084-6e67-4a19-aaaa-000000000000"}
MOUNTED = Place("/dev/vdb", "ext4", "u-1", "UUID=u-1", "/dev/vdb", files=True)


def plan(place: Place, *, ours: frozenset[str] = frozenset({"/srv/texts"})) -> list[str]:
    return [f"{change.action} {change.item}" for change in plan_mounts(Mounts({"/srv/texts": place}, ours), WANTED)]


def test_a_blank_volume_is_formatted_entered_and_mounted_and_then_left() -> None:
    assert plan(Place("/dev/vdb"), ours=frozenset()) == ["format /srv/texts", "enter /srv/texts", "mount /srv/texts"]
    assert plan(MOUNTED) == []
    assert plan(replace(MOUNTED, mounted="")) == ["mount /srv/texts"]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (Place(), "is not attached to this machine"),
        (Place("/dev/vdb", "?"), "it is not formatted"),
        (replace(MOUNTED, mounted="/dev/vdc"), "/dev/vdc is mounted and not the volume /dev/vdb"),
        (replace(MOUNTED, entered="LABEL=old"), "/etc/fstab has LABEL=old"),
        (Place("/dev/vdb", files=True), "has files, which the volume would hide"),
    ],
)
def test_what_could_lose_data_is_refused(place: Place, sentence: str) -> None:
    assert sentence in refusals(Mounts({"/srv/texts": place}), WANTED)[0]


def test_what_is_declared_no_more_is_released_and_nothing_else_is_done_to_it() -> None:
    actual = Mounts({}, frozenset({"/srv/old"}))
    changes = plan_mounts(actual, {})
    assert [(change.action, change.item) for change in changes] == [("release", "/srv/old")]
    assert "mkfs" not in mounts_script(changes, actual)


def test_an_answer_that_is_cut_off_is_not_taken_for_a_blank_volume() -> None:
    part = mounts_state(WANTED)
    assert part.parse(["place /srv/texts", "device /dev/vdb", "holds ext4", "uuid u-1", "ours /srv/texts"]).ours
    with pytest.raises(ValueError, match="a part of the answer is missing"):
        part.parse(["ours /srv/texts"])
    with pytest.raises(ValueError, match="blkid"):
        part.parse(["place /srv/texts", "blkid: error"])
