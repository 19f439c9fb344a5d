"""Image files: which are of a kind that is recognised, and reading one for its checksum."""

from __future__ import annotations

import hashlib
import os

from .stream import CHUNK

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".jp2")

# What an image of the kind begins with, and the ending it travels under.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ".jp2"),
    (b"\xffO\xffQ", ".jp2"),
)
_BEGINNING = 12


def looks_like_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def measure(descriptor: int) -> tuple[int, str, str]:
    """Size, SHA-256 and kind (an ending; "" for what is no image of a kind that is recognised); closes the descriptor."""
    digest, beginning, size = hashlib.sha256(), b"", 0
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        while chunk := source.read(CHUNK):
            beginning = beginning or chunk[:_BEGINNING]
            digest.update(chunk)
            size += len(chunk)
    kind = next((ending for magic, ending in _BEGINNINGS if beginning.startswith(magic)), "")
    return size, digest.hexdigest(), kind
