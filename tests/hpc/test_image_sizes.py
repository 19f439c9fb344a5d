"""How large an image is, read from its header before anything decodes it: what could turn out larger is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.hpc import images
from tests.hpc.images import png
from tests.programs import program

JOB = program("ocr-pages")


@pytest.mark.parametrize(
    ("content", "kind", "pixels"),
    [
        (png(800, 600), "png", 480_000),
        (png(10, 10, then=(30_000, 30_000)), "png", 900_000_000),
        (images.jpeg(800, 600), "jpg", 480_000),
        (images.jpeg(60_000, 60_000, marker=0xC2), "jpg", 3_600_000_000),
        (images.tiff(800, 600), "tif", 480_000),
        (images.tiff(800, 600, order=">"), "tif", 480_000),
        (images.tiff(800, 600, big=True), "tif", 480_000),
        (images.tiff(10, 10, second=(20_000, 20_000)), "tif", 400_000_000),
        (images.jp2(800, 600), "jp2", 480_000),
        (images.jp2(10, 10, stream=(20_000, 20_000)), "jp2", 400_000_000),
    ],
)
def test_an_images_size_is_read_without_decoding_it(tmp_path: Path, content: bytes, kind: str, pixels: int) -> None:
    (tmp_path / "page").write_bytes(content)
    assert JOB.measured(str(tmp_path / "page")) == (kind, pixels)


FAR = JOB.HEAD + 1


@pytest.mark.parametrize(
    "content",
    [
        png(100, 100, then=(20_000, 20_000), between=FAR),
        images.jpeg(100, 100, then=b"\xff\xe2\xff\xff" + bytes(FAR) + images.jpeg(20_000, 20_000)[2:]),
        images.jpeg(100, 100, then=b"\xff\xd9" + images.jpeg(20_000, 20_000)),
        images.jp2(100, 100, stream=(20_000, 20_000), between=images.box(b"free", bytes(FAR))),
        images.jp2(100, 100, stream=(20_000, 20_000), between=images.box(b"free", b"\xff\x4f\xff\x51" + bytes(FAR))),
        images.tiff(100, 100, count=2),
        images.tiff(100, 100, count=2, big=True),
        images.tiff(100, 100, kind=5),
        images.tiff(100, 100, kind=3, count=0),
    ],
    ids=["png", "jpeg", "jpeg-ended", "jp2", "jp2-decoy", "tiff-list", "bigtiff-list", "tiff-fraction", "tiff-none"],
)
def test_an_image_that_could_be_larger_than_it_first_says_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "page").write_bytes(content)
    with pytest.raises(JOB.Refused):
        JOB.measured(str(tmp_path / "page"))


def test_no_header_however_odd_breaks_the_measuring(tmp_path: Path) -> None:
    whole = [png(), images.jpeg(), images.tiff(), images.tiff(big=True, order=">"), images.jp2()]
    for content in whole:
        for end in range(len(content)):
            for odd in (content[:end], content[:end] + b"\xff" * 20, content[:end] + bytes(20)):
                (tmp_path / "page").write_bytes(odd)
                with suppress(JOB.Refused):
                    assert JOB.measured(str(tmp_path / "page"))[1] > 0
