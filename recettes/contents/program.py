"""A program of the catalogue, put together from what was fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from recettes.catalogue import Artifact, Piece
from recettes.contents.archive import archive_entries
from recettes.contents.entries import Entry, write_tar
from recettes.contents.maven import fetch


def pack(artifact: Artifact, output: BinaryIO) -> None:
    """Write the program's files to `output` as tar.gz, fetched first if need be. Raises ContentsError."""
    paths = fetch(artifact.pieces)
    write_tar((entry for piece in artifact.pieces for entry in _entries(piece, paths[piece])), output)


def _entries(piece: Piece, path: Path) -> Iterator[Entry]:
    if piece.folder is None:
        yield from archive_entries(path, strip=True)
    else:
        yield Entry(f"{piece.folder}/{piece.source.file}", piece.size, sha256=piece.sha256, open=lambda: path.open("rb"))
