"""A folder on the controller as a source."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from recettes.contents.cache import FileDigests
from recettes.contents.entries import ContentsError, Entry

# Never part of a site: what git and macOS's Finder leave in folders.
LEFT_OUT = frozenset({".git", ".DS_Store"})


def folder_entries(root: Path) -> Iterator[Entry]:
    """All files below the folder, in order of their names."""
    if not root.is_dir():
        raise ContentsError(f"the folder {root} does not exist" if not root.exists() else f"{root} is not a folder")
    digests = FileDigests(root)
    yield from _below(root, "", digests)
    digests.keep()


def _below(folder: Path, prefix: str, digests: FileDigests) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            names = sorted(item.name for item in found if item.name not in LEFT_OUT)
        for name in names:
            path, relative = folder / name, prefix + name
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                yield from _below(path, relative + "/", digests)
            elif stat.S_ISLNK(status.st_mode):
                yield Entry(relative, link=os.readlink(path))  # noqa: PTH115 (a Path would rewrite the target)
            elif stat.S_ISREG(status.st_mode):
                executable = bool(status.st_mode & stat.S_IXUSR)
                yield Entry(relative, status.st_size, executable, sha256=digests.of(path, status), open=_opener(path))
            else:
                raise ContentsError(f"{relative} is neither a file, a folder nor a link")
    except OSError as error:
        raise ContentsError(f"{error.filename} could not be read: {error.strerror}") from None


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")
