"""The stream of docs/ocr-protocol.md: records of name, size and SHA-256, then an end."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .refusal import RefusalError

CHUNK = 1 << 16  # what a pipe holds: more at once, and reader and writer wait for each other
_HEADER_BYTES = 300
_HEADER = re.compile(rb"file ([\x21-\x7e]+) (0|[1-9][0-9]{0,14}) ([0-9a-f]{64})")
_END = re.compile(rb"end (0|[1-9][0-9]{0,8})")


class FileChangedError(Exception):
    """A file is not any more what it was when its checksum was taken."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@dataclass(frozen=True)
class Outgoing:
    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Incoming:
    name: str
    content: bytes


def open_plain(path: str | Path, folder: int | None = None) -> int:
    """A descriptor of a regular file, relative to the folder's. Raises OSError for links and what is no file; never waits."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    return descriptor


def write_stream(files: Sequence[Outgoing], count: int) -> Iterator[bytes]:
    """The bytes of the stream. Raises FileChangedError, after which what was sent cannot be taken for whole."""
    for file in files:
        yield f"file {file.name} {file.size} {file.sha256}\n".encode("ascii")
        digest, left = hashlib.sha256(), file.size
        try:
            with os.fdopen(open_plain(file.path), "rb", buffering=0) as source:
                while left and (chunk := source.read(min(CHUNK, left))):
                    digest.update(chunk)
                    left -= len(chunk)
                    if not left and (digest.hexdigest() != file.sha256 or source.read(1)):
                        break
                    yield chunk
                else:
                    if not left and (file.size or digest.hexdigest() == file.sha256):
                        continue
        except OSError:
            pass
        raise FileChangedError(file.path)
    yield f"end {count}\n".encode("ascii")


def read_stream(read: Callable[[int], bytes], *, after: str, wanted: Callable[[str], bool], most: int) -> Iterator[Incoming]:
    """Records as they come. Raises RefusalError for anything but what was agreed on; what was yielded before is whole."""
    source = _Source(read)
    count, last = 0, after
    while True:
        line = source.line()
        if end := _END.fullmatch(line):
            if int(end[1]) != count:
                raise RefusalError("garbled", f"{count} results came, {int(end[1])} were counted")
            if source.rest:
                raise RefusalError("garbled", "something follows the end of the stream")
            return
        header = _HEADER.fullmatch(line)
        if not header:
            raise RefusalError("garbled", "no record of a result")
        name, size = header[1].decode("ascii"), int(header[2])
        if name <= last or not wanted(name):
            raise RefusalError("garbled", f"a result that was not asked for: {name}")
        if size > most:
            raise RefusalError("garbled", f"{name} has {size} bytes, {most} at the most are taken")
        content = source.exactly(size)
        if hashlib.sha256(content).hexdigest() != header[3].decode("ascii"):
            raise RefusalError("garbled", f"{name} came damaged")
        count, last = count + 1, name
        yield Incoming(name, content)


class _Source:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.rest = b""

    def line(self) -> bytes:
        while b"\n" not in self.rest:
            if len(self.rest) > _HEADER_BYTES:
                raise RefusalError("garbled", "no record of a result")
            self._more(_HEADER_BYTES)
        line, _, self.rest = self.rest.partition(b"\n")
        if len(line) >= _HEADER_BYTES:
            raise RefusalError("garbled", "no record of a result")
        return line

    def exactly(self, size: int) -> bytes:
        parts, left = [self.rest[:size]], size - len(self.rest[:size])
        self.rest = self.rest[size:]
        while left:
            chunk = self._read(min(CHUNK, left))
            if not chunk:
                raise RefusalError("network", "the stream was cut off")
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    def _more(self, size: int) -> None:
        chunk = self._read(size)
        if not chunk:
            raise RefusalError("network", "the stream was cut off")
        self.rest += chunk
