"""The files of a source, whatever it is: what may be among them, their common digest, and the tar that carries them."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from lzma import LZMAError
from typing import BinaryIO, cast

# Part of every digest. Raise it when the same files shall count as different ones.
FORMAT = b"recettes contents 1\n"
BLOCK = 1 << 20  # bytes read at a time: no file is ever held in memory
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # the last are bytes that are no UTF-8
# What reading a damaged archive raises; its libraries do not agree on one exception.
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, NotImplementedError)
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_BYTES = 1024  # pointers are shorter, by Git LFS's own specification


class ContentsError(Exception):
    """The source cannot be published; the message is a sentence without the site's name."""


@dataclass(frozen=True)
class Entry:
    """A file or a symbolic link (`link` is its target). Folders are not listed: they are where files are.

    `open` gives a file's content; for an entry of an archive only until the next entry is asked for. `sha256` is the
    content's digest where it is known without reading.
    """

    path: str
    size: int = 0
    executable: bool = False
    link: str | None = None
    sha256: str | None = None
    open: Callable[[], BinaryIO] = field(default=io.BytesIO, repr=False, compare=False)


def checked(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same entries. Raises ContentsError at the first that would not stay inside its folder, and where there are none."""
    leaves: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        _check_path(entry.path)
        parents = _parents(entry.path)
        if entry.path in leaves or entry.path in folders:
            raise ContentsError(f"{entry.path} is in it twice")
        if below := leaves.intersection(parents):
            raise ContentsError(f"{entry.path} lies below {below.pop()}, which is not a folder")
        if entry.link is not None:
            _check_link(entry.path, entry.link)
        leaves.add(entry.path)
        folders.update(parents)
        yield entry
    if not leaves:
        raise ContentsError("holds no files; an empty site is not published")


def _check_path(path: str) -> None:
    if path.startswith("/") or any(step in ("", ".", "..") for step in path.split("/")):
        raise ContentsError(f"{path!r} does not lie inside it: absolute paths and .. are not allowed")
    if not _plain(path):
        raise ContentsError(f"{path!r} is not a name that can be published: control characters, or not UTF-8")


def _check_link(path: str, target: str) -> None:
    """A target may climb only at its start, and not above the top: then no chain of links leads out."""
    steps = [step for step in target.split("/") if step not in ("", ".")]
    climbs = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    if target.startswith("/") or ".." in steps[climbs:] or climbs > path.count("/") or not _plain(target):
        raise ContentsError(f"the link {path} leads to {target!r}; allowed are relative links that stay inside")


def _plain(name: str) -> bool:
    return not _CONTROL.search(name)


def _parents(path: str) -> list[str]:
    steps = path.split("/")
    return ["/".join(steps[:count]) for count in range(1, len(steps))]


class Listing:
    """The digest of a set of files: paths, contents, executable or not, targets of links; not times, owners or order."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add(self, entry: Entry, sha256: str) -> None:
        kind = "l" if entry.link is not None else "x" if entry.executable else "f"
        self._lines.append(f"{entry.path}\0{kind}\0{sha256 if entry.link is None else entry.link}\n".encode())

    def digest(self) -> str:
        return hashlib.sha256(FORMAT + b"".join(sorted(self._lines))).hexdigest()


class _Reading(io.RawIOBase):
    """A stream that digests what is read of it, and knows Git LFS's pointers."""

    def __init__(self, entry: Entry, stream: BinaryIO) -> None:
        self._entry, self._stream = entry, stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._stream.read(size)
        except DAMAGED as error:
            raise ContentsError(f"{self._entry.path} could not be read: {error}") from None
        if self._entry.size < _LFS_BYTES and block.startswith(_LFS):
            raise ContentsError(f"{self._entry.path} is only a pointer of Git LFS; publish a folder in which it was checked out")
        self._hash.update(block)
        return block

    def sha256(self) -> str:
        return self._hash.hexdigest()


def digest(entries: Iterable[Entry]) -> str:
    """SHA-256 of the whole: the same files give the same digest from any kind of source, on any computer."""
    listing = Listing()
    for entry in checked(entries):
        if entry.link is not None or entry.sha256:
            listing.add(entry, entry.sha256 or "")
            continue
        with closing(entry.open()) as stream:
            reading = _Reading(entry, stream)
            while reading.read(BLOCK):
                pass
        listing.add(entry, reading.sha256())
    return listing.digest()


def write_tar(entries: Iterable[Entry], output: BinaryIO) -> str:
    """Write all to `output` as tar.gz: owner root, modes 0644 and 0755, no times. Returns the digest of what was written."""
    listing = Listing()
    with (
        gzip.GzipFile(fileobj=output, mode="wb", compresslevel=6, mtime=0, filename="") as squeezed,
        tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar,
    ):
        for entry in checked(entries):
            member = tarfile.TarInfo(entry.path)
            if entry.link is not None:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link, 0o777
                tar.addfile(member)
                listing.add(entry, "")
                continue
            member.size, member.mode = entry.size, 0o755 if entry.executable else 0o644
            with closing(entry.open()) as stream:
                reading = _Reading(entry, stream)
                try:
                    tar.addfile(member, cast(BinaryIO, reading))
                except OSError:
                    raise ContentsError(f"{entry.path} was shortened while it was read, or the disk here is full") from None
            listing.add(entry, reading.sha256())
    return listing.digest()
