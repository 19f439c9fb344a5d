"""Which of a cloud's images is meant."""

from __future__ import annotations

from dataclasses import replace

from recettes.cloud.actual import Image
from recettes.cloud.choosing import choose_image
from recettes.declarations.cloud import CloudImage


def test_the_newest_image_that_is_whole_is_taken_by_what_its_owner_says_or_else_by_its_name() -> None:
    said = Image("said", "trixie-x64", "2026-01-01T00:00:00Z", "debian", "13")
    newest = replace(said, id="newest", created="2026-03-01T00:00:00Z")
    images = (
        said,
        newest,
        replace(newest, id="old", release="12", created="2026-09-01T00:00:00Z"),
        replace(newest, id="uploading", created="2026-10-01T00:00:00Z", status="saving"),
        replace(newest, id="taken", created="2026-11-01T00:00:00Z", snapshot=True),
        replace(newest, id="arm", architecture="aarch64", created="2026-12-01T00:00:00Z"),
        Image("named", "Debian-13.2-x64-2027-01", "2027-01-01T00:00:00Z"),
    )
    assert choose_image(images, CloudImage()).id == "newest"
    names = ("Debian-13.1-x64-2026-02", "debian-12-2013", "Debian 13 trixie 2026-08 arm64", "debian-trixie-cloud", "Ubuntu-13")
    named = [Image(name, name, f"2026-0{month}-01T00:00:00Z") for month, name in enumerate(names, start=1)]
    assert choose_image(named, CloudImage()).name == "debian-trixie-cloud"
    assert choose_image(named[:3], CloudImage()).name == "Debian-13.1-x64-2026-02"
