"""A folder as a stream from one computer to another: a tar of its files, and their SHA-256 at its end.

    files/PATH     ordinary files; no link is sent or followed
    SHA256SUMS     the last entry, as sha256sum(1) writes it; a stream without it was cut off

Used on both sides, and put on machines as it is: standard library only.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

SUMS = "SHA256SUMS"
INSIDE = "files/"
_BLOCK = 1 << 20
_MOST_SUMS = 1 << 30  # bytes: of some millions of files
_NAME_BYTES = 255  # what file systems take


class StreamError(Exception):
    """A sentence for a person: what is wrong with which file."""


class CutOffError(StreamError):
    """It ended too early, or is no stream at all: whoever sent it may say why."""


@dataclass(frozen=True)
class Found:
    """A file below a folder, as it was when the folder was looked through."""

    path: str
    status: os.stat_result


def may_travel(path: str) -> bool:
    """Relative, inside, and of names that no shell, terminal or file system takes for something else."""
    return all(
        step not in ("", ".", "..")
        and step.isprintable()
        and not step.startswith("-")
        and "\\" not in step
        and len(step.encode(errors="surrogateescape")) <= _NAME_BYTES
        for step in path.split("/")
    )


def files_of(root: Path) -> tuple[list[Found], list[str]]:
    """The files below the folder in order, and what is neither file nor folder. Raises StreamError, and OSError."""
    files: list[Found] = []
    others: list[str] = []
    for path, status in _below(root, ""):
        if not may_travel(path):
            raise StreamError(
                f"{path!r} is no name that can travel: letters, digits, spaces and signs that print; no \\, no - at its start. "
                "Give it another name"
            )
        if stat.S_ISREG(status.st_mode):
            files.append(Found(path, status))
        else:
            others.append(path)
    return files, others


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as found:
        names = sorted(item.name for item in found)
    for name in names:
        status = (folder / name).lstat()
        if stat.S_ISDIR(status.st_mode):
            yield from _below(folder / name, f"{prefix}{name}/")
        else:
            yield prefix + name, status


def size_of(files: Iterable[Found]) -> int:
    """Bytes."""
    return sum(file.status.st_size for file in files)


class _Reading:
    """What is read is digested too; there has to be something until `bytes_` are read."""

    def __init__(self, stream: IO[bytes], bytes_: int = 0) -> None:
        self._stream, self._left = stream, bytes_
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if not block and self._left > 0:
            raise StreamError("a file became shorter while it was sent")
        self.hash.update(block)
        return block


def sums_of(root: Path, files: Iterable[Found]) -> str:
    """The text of SHA256SUMS. Raises StreamError."""
    lines = []
    for file in files:
        with _open(root, file) as stream:
            reading = _Reading(stream)
            while reading.read(_BLOCK):
                pass
        lines.append(_line(file.path, reading.hash.hexdigest()))
    return "".join(lines)


def pack(root: Path, files: Iterable[Found], out: IO[bytes]) -> None:
    """Write the stream. Raises StreamError where a file is not what it was when it was found."""
    lines = []
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar:
        for file in files:
            member = tarfile.TarInfo(INSIDE + file.path)
            member.size = file.status.st_size
            member.mtime = int(file.status.st_mtime)
            member.mode = 0o755 if file.status.st_mode & stat.S_IXUSR else 0o644
            with _open(root, file) as stream:
                reading = _Reading(stream, member.size)
                tar.addfile(member, cast("IO[bytes]", reading))
                if _changing(os.fstat(stream.fileno())) != _changing(file.status):
                    raise StreamError(f"{file.path} was changed while it was sent")
            lines.append(_line(file.path, reading.hash.hexdigest()))
        text = "".join(lines).encode()
        member = tarfile.TarInfo(SUMS)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))


def _open(root: Path, file: Found) -> IO[bytes]:
    """The very file that was found: not what a link leads to that has taken its place since."""
    try:
        descriptor = os.open(root / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StreamError(f"{file.path} cannot be read: {error.strerror}") from None
    if _changing(os.fstat(descriptor)) != _changing(file.status):
        os.close(descriptor)
        raise StreamError(f"{file.path} was changed while it was sent")
    return os.fdopen(descriptor, "rb")


def _changing(status: os.stat_result) -> tuple[Any, ...]:
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def _line(path: str, digest: str) -> str:
    return f"{digest}  {path}\n"


def unpack(stream: IO[bytes], folder: Path, most: int | None = None) -> tuple[str, int]:
    """Write the stream's files into a new folder of the caller's own; return the text of SHA256SUMS, and how many bytes came.

    Nothing is overwritten. At most `most` bytes are taken. Raises StreamError at anything odd, damaged or cut off, and OSError.
    """
    lines: list[str] = []
    came = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as tar:
            for member in tar:
                if member.name == SUMS and member.type == tarfile.REGTYPE and member.size <= _MOST_SUMS:
                    return _whole(tar, member, "".join(lines)), came
                path = member.name.removeprefix(INSIDE)
                if member.type != tarfile.REGTYPE or path == member.name or not may_travel(path):
                    raise StreamError(f"the stream holds {member.name!r}, which is no file that may come. It was not taken")
                came += member.size
                if most is not None and came > most:
                    raise StreamError(f"more came than the {most} bytes that were announced")
                lines.append(_line(path, _write(tar, member, folder / path)))
    except tarfile.TarError as error:
        raise CutOffError(f"the stream is damaged or was cut off ({error})") from None
    raise CutOffError("the stream was cut off")


def _whole(tar: tarfile.TarFile, member: tarfile.TarInfo, seen: str) -> str:
    """The sums, where they are those of what was written and nothing follows."""
    content = tar.extractfile(member)
    if content is None or content.read() != seen.encode():
        raise StreamError("a file is not what was sent: its SHA-256 is another")
    if tar.next() is not None:
        raise StreamError("something follows the end of the stream")
    return seen


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> str:
    """Returns the SHA-256."""
    content = tar.extractfile(member)
    assert content  # it is a regular file
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o777 if member.mode & stat.S_IXUSR else 0o666
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise StreamError(f"{place.name} came twice, or under two names that are one here") from None
    reading = _Reading(content)
    with os.fdopen(descriptor, "wb") as file:
        while block := reading.read(_BLOCK):
            file.write(block)
    os.utime(place, (member.mtime, member.mtime), follow_symlinks=False)
    return reading.hash.hexdigest()
