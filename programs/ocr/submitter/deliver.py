"""Files laid where they belong: beside the images or in a folder, never over what is not ours, and as a ZIP for eScriptorium."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .images import measure
from .refusal import harmless
from .stream import CHUNK, open_plain

Text = Callable[[], bytes]

FAILED = "NOT-RECOGNISED.txt"
_OURS = "ocr-new"
# One time for all, so that the same contents are the same ZIP; the earliest that the format knows.
_TIME = (1980, 1, 1, 0, 0, 0)


def lay(content: bytes, place: Path, ours: Mapping[str, str]) -> Path:
    """Write `content` there; beside it, as NAME.ocr.xml, NAME.ocr-2.xml, … where something else lies. Where it went.

    `ours` is by path the SHA-256 of what we laid before and may replace; what has another one by now, somebody has worked on.
    The same content once more goes to the same place, so that it can be repeated after a kill.
    """
    for candidate in _candidates(place):
        with suppress(FileExistsError):
            if _same(candidate, content):
                return candidate
            if not os.path.lexists(candidate):
                _put(content, candidate)
                return candidate
            if (before := ours.get(str(candidate))) and _renew(content, candidate, before):
                return candidate
    raise AssertionError  # the candidates are without end


def replace(content: bytes, place: Path) -> None:
    """Write over a file of ours."""
    if _same(place, content):
        return
    _stage(content, _staged(place))
    _staged(place).replace(place)
    _sync_folder(place.parent)


def lay_zip(place: Path, members: Sequence[tuple[str, Path | Text, int]]) -> None:
    """A flat ZIP of files and contents, each with its size, in the place of an earlier one of ours. A file that is not there any
    more, or has another size by now, is left out."""
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = _staged(place)
    staged.unlink(missing_ok=True)
    with staged.open("xb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, source, size in members:
                # Images are compressed as they are.
                kind = zipfile.ZIP_STORED if isinstance(source, Path) else zipfile.ZIP_DEFLATED
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type, entry.external_attr = kind, 0o644 << 16
                if not isinstance(source, Path):
                    archive.writestr(entry, source())
                    continue
                if not source.is_file() or source.lstat().st_size != size:
                    continue
                with (
                    suppress(OSError),
                    os.fdopen(open_plain(source), "rb") as image,
                    archive.open(entry, "w", force_zip64=True) as member,
                ):
                    left = size  # it may grow without end
                    while left and (chunk := image.read(min(CHUNK, left))):
                        member.write(chunk)
                        left -= len(chunk)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(place)
    _sync_folder(place.parent)


def failures_text(head: str, failures: Mapping[str, str]) -> bytes:
    """What a person reads in FAILED: by name, why."""
    return "\n".join([head, "", *(f"{harmless(own)}: {why}" for own, why in sorted(failures.items())), ""]).encode()


def _candidates(place: Path) -> Iterator[Path]:
    yield place
    stem = place.name.removesuffix(".xml")
    yield place.with_name(f"{stem}.ocr.xml")
    number = 2
    while True:
        yield place.with_name(f"{stem}.ocr-{number}.xml")
        number += 1


def _put(content: bytes, place: Path) -> None:
    """Raises FileExistsError when something came there meanwhile."""
    staged = _staged(place)
    _stage(content, staged)
    try:
        os.link(staged, place, follow_symlinks=False)
    except FileExistsError:
        staged.unlink()
        raise
    except OSError:  # a file system without hard links: a stick, a share
        staged.replace(place)
    else:
        staged.unlink()
    _sync_folder(place.parent)


def _renew(content: bytes, place: Path, before: str) -> bool:
    """Replace what has the SHA-256 `before`; whether it still had. Looked at last of all: somebody may be about to save it."""
    staged = _staged(place)
    _stage(content, staged)
    try:
        unchanged = measure(open_plain(place))[1] == before
    except OSError:
        unchanged = False
    if not unchanged:
        staged.unlink()
        return False
    staged.replace(place)
    _sync_folder(place.parent)
    return True


def _staged(place: Path) -> Path:
    # A name has 255 bytes at the most, and signs have up to four.
    return place.with_name(f".{os.fsencode(place.name)[:150].decode(errors='ignore')}.{_OURS}")


def _stage(content: bytes, staged: Path) -> None:
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.unlink(missing_ok=True)
    with staged.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _same(place: Path, content: bytes) -> bool:
    try:
        with os.fdopen(open_plain(place), "rb") as file:
            return os.fstat(file.fileno()).st_size == len(content) and file.read() == content
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def inside(own: str) -> tuple[str, str]:
    """Folder and name of a page's own path within what was sent."""
    path = PurePosixPath(own)
    return ("" if str(path.parent) == "." else str(path.parent)), path.name
