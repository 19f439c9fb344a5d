"""A tar or zip archive on the controller as a source."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from recettes.contents.cache import FileDigests
from recettes.contents.entries import DAMAGED, ContentsError, Entry

_LINK_BYTES = 4096  # PATH_MAX: no target of a link is longer


def check_archive(path: Path, sha256: str) -> None:
    """Raises ContentsError when the archive is not there, or is not the one that was declared."""
    try:
        digests = FileDigests(path)
        found = digests.of(path, path.stat())
        digests.keep()
    except OSError as error:
        raise ContentsError(f"the archive {path} could not be read: {error.strerror}") from None
    if found != sha256:
        raise ContentsError(f"the archive {path} is not the one declared: its SHA-256 is {found}, declared is {sha256}")


def archive_entries(path: Path, *, strip: bool = False) -> Iterator[Entry]:
    """The files and links in the archive, in its order, without the one folder on top if `strip`."""
    try:
        # Tar first: a tar whose last file is a zip looks like a zip.
        found = _zip(path) if not tarfile.is_tarfile(path) and zipfile.is_zipfile(path) else _tar(path)
        yield from _stripped(found) if strip else found
    except UnicodeDecodeError:
        raise ContentsError(f"names in {path} are not in UTF-8; make a tar, or a zip with UTF-8 names") from None
    except DAMAGED as error:
        raise ContentsError(f"{path} is not a whole tar or zip archive: {error}") from None


def _stripped(entries: Iterable[Entry]) -> Iterator[Entry]:
    first = None
    for entry in entries:
        top, slash, rest = entry.path.partition("/")
        first = first or top
        if not slash or top != first:
            raise ContentsError(f"{entry.path} does not lie in the one folder on top that strip=True leaves out")
        yield replace(entry, path=rest)


def _tar(path: Path) -> Iterator[Entry]:
    files: dict[str, tarfile.TarInfo] = {}  # hard links are read from the file they name
    with tarfile.open(path) as tar:
        for member in tar:
            yield from tar_entry(tar, member, files)


def tar_entry(tar: tarfile.TarFile, member: tarfile.TarInfo, files: dict[str, tarfile.TarInfo]) -> Iterator[Entry]:
    """The entry of one member, none for a folder. `files` are the members before it, by path."""
    name = member.name.removeprefix("./")
    executable = bool(member.mode & stat.S_IXUSR)
    if member.isreg():
        files[name] = member
        yield Entry(name, member.size, executable, open=_content(tar, member))
    elif member.issym():
        yield Entry(name, link=member.linkname)
    elif member.islnk():
        same = files.get(member.linkname.removeprefix("./"))
        if same is None:
            raise ContentsError(f"{name} is a hard link to {member.linkname!r}, which is no file before it in the archive")
        yield Entry(name, same.size, executable, open=_content(tar, same))
    elif not member.isdir():
        raise ContentsError(f"{name} is neither a file, a folder nor a link")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, tar.extractfile(member))


def _zip(path: Path) -> Iterator[Entry]:
    # macOS and Info-ZIP write names in UTF-8 without saying so.
    with zipfile.ZipFile(path, metadata_encoding="utf-8") as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                raise ContentsError(f"{info.filename} is encrypted")
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if kind == stat.S_IFLNK:
                with archive.open(info) as stream:
                    target = stream.read(_LINK_BYTES).decode(errors="replace")
                yield Entry(info.filename, link=target)
            elif kind in (0, stat.S_IFREG):
                yield Entry(info.filename, info.file_size, bool(mode & stat.S_IXUSR), open=_member(archive, info))
            else:
                raise ContentsError(f"{info.filename} is neither a file, a folder nor a link")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, archive.open(info))
