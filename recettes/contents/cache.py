"""What the controller keeps of sources so that reading them again is cheap. All of it can be removed at any time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import BinaryIO

from recettes.contents.entries import BLOCK
from recettes.durable import write_whole

# Clocks of file systems are coarse: a file that changed this short a time ago may change again unseen.
_RACY_SECONDS = 2


def cache_folder() -> Path:
    """RECETTES_CACHE, else ~/.cache/recettes or what XDG_CACHE_HOME says."""
    own = os.environ.get("RECETTES_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(own or f"{base}/recettes").expanduser().absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def sha256_of(stream: BinaryIO) -> str:
    """SHA-256 of all that is left to read, in hex."""
    total = hashlib.sha256()
    while block := stream.read(BLOCK):
        total.update(block)
    return total.hexdigest()


class FileDigests:
    """SHA-256 of files, read again only when size, times or inode differ from those of the last reading."""

    def __init__(self, about: Path) -> None:
        name = hashlib.sha256(os.fsencode(about)).hexdigest()[:32]
        self._file = cache_folder() / "digests" / f"{name}.json"
        self._now = time.time()
        self._fresh: dict[str, list[int | str]] = {}
        try:
            self._known = dict(json.loads(self._file.read_bytes()))
        except (OSError, ValueError, TypeError):
            self._known = {}

    def of(self, path: Path, status: os.stat_result) -> str:
        """Raises OSError when the file cannot be read."""
        mark = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._known.get(str(path))
        if isinstance(known, list) and known[:-1] == mark:
            digest = str(known[-1])
        else:
            with path.open("rb") as stream:
                digest = sha256_of(stream)
        if max(status.st_mtime, status.st_ctime) < self._now - _RACY_SECONDS:
            self._fresh[str(path)] = [*mark, digest]
        return digest

    def keep(self) -> None:
        """Keep what was asked for, and nothing else, for the next run."""
        if self._fresh != self._known:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._file, json.dumps(self._fresh).encode(), 0o600)
