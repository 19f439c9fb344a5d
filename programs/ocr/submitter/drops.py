"""The queue: images that somebody dropped below a folder become batches, once they have come whole and enough of them wait.

QUEUE/MODEL/COLLECTION/page.jpg, or QUEUE/PROJECT/MODEL/COLLECTION/page.jpg where projects are charged to clusters. The files stay
where they are; the results come below RESULTS at the same place.
"""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from . import deliver
from .images import looks_like_image, measure
from .names import batch_name, page_name, sayable
from .settings import Queue, Settings
from .store import Batch, Drop, Page, Store
from .stream import open_plain
from .words import both

# What programs that copy call a file that is not whole, and what systems leave beside images.
_NOT_YET = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".swp", "~")
_BESIDE = ("thumbs.db", "desktop.ini")
_DEEPEST = 50  # folders
_LARGEST = 1 << 32  # bytes, as TIFF has it; to read more, perhaps of a file that is all holes, would hold up everybody
_COMPANIONS = (".xml", ".txt", ".json", ".csv", ".md", ".zip", ".html")


@dataclass(frozen=True)
class Found:
    """A file of the queue, or a folder that cannot be read; `path` is relative to the queue."""

    path: str
    size: int
    changed: int
    inode: int
    folder: bool = False

    @property
    def look(self) -> tuple[int, int, int]:
        return self.size, self.changed, self.inode


def scan(folder: Path) -> Iterator[tuple[Found, int]]:
    """Every regular file that may be meant, with a descriptor of its folder. No link is followed."""
    for root, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        below = PurePosixPath(os.path.relpath(root, folder))
        # Each folder on the way down is an open one and a call within a call.
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if len(below.parts) < _DEEPEST else []
        for name in folders:
            with suppress(FileNotFoundError):
                if os.access(name, os.R_OK | os.X_OK, dir_fd=descriptor):
                    continue
                yield Found(str(below / name), *_look(name, descriptor), folder=True), descriptor
        for name in sorted(names):
            if name.startswith(".") or name.lower() in _BESIDE or name.lower().endswith((*_NOT_YET, *_COMPANIONS)):
                continue
            with suppress(FileNotFoundError):
                yield Found(str(below / name), *_look(name, descriptor)), descriptor


def _look(name: str, folder: int) -> tuple[int, int, int]:
    """Size, time and number. The inode's time: a copied file may bring an old one of its own, and none is changed by a chmod."""
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return state.st_size, state.st_ctime_ns, state.st_ino


class Drops:
    """What lies in the queue, against what is known of it."""

    def __init__(self, settings: Settings, queue: Queue, store: Store) -> None:
        self._settings = settings
        self._queue = queue
        self._store = store

    def look(self) -> dict[tuple[str, str], list[Drop]]:
        """Notes what is there; returns what is settled, can be recognised and is not yet in a batch, by (cluster, model).

        Files that cannot be recognised are noted as failed and hold up nothing.
        """
        now = time.time()
        known = self._store.drops()
        noted: list[Drop] = []
        ready: dict[tuple[str, str], list[Drop]] = defaultdict(list)
        there = set()
        for found, descriptor in scan(self._queue.folder):
            path = os.fsencode(found.path).decode("utf-8", "backslashreplace")
            there.add(path)
            drop = known.get(path)
            if drop is None or (drop.size, drop.changed, drop.inode) != found.look or drop.since > now:
                if drop and drop.batch and not drop.outcome:
                    continue  # is being sent as it was: sending finds out, and it is looked at anew then
                noted.append(Drop(path, *found.look, since=now))
                drop = noted[-1]
            if drop.batch or drop.outcome in ("done", "failed") or now - drop.since < self._queue.settle_seconds:
                continue
            if not drop.kind:
                drop = self._checked(drop, found, descriptor)
                noted.append(drop)
            if drop.outcome != "failed" and (place := self._place(found.path)):
                if self._there_already(drop, place[1]):
                    noted.append(replace(drop, outcome="done", why=""))
                else:
                    ready[place].append(drop)
        with self._store.whole():
            self._store.set_drops(noted)
            gone = [path for path, drop in known.items() if path not in there and not (drop.batch and not drop.outcome)]
            self._store.forget_drops(gone)
        return ready

    def due(self, waiting: Sequence[Drop]) -> bool:
        """Whether those wait no longer for others to share a job with."""
        eldest = min(drop.since for drop in waiting)
        return len(waiting) >= self._queue.gather_pages or (
            time.time() - eldest >= self._queue.settle_seconds + self._queue.gather_seconds
        )

    def note(self, files: Iterable[Drop], outcome: str, why: str) -> None:
        """A file that is replaced is looked at anew, whatever was noted."""
        with self._store.whole():
            self._store.set_drops(replace(drop, outcome=outcome, why=why) for drop in files)

    def batch(self, cluster: str, model: str, files: Sequence[Drop]) -> Batch:
        """A batch of these files, noted together with them."""
        pages = [
            Page(page_name(drop.path, drop.kind), drop.path, str(self._queue.folder / drop.path), drop.size, drop.sha256)
            for drop in files
        ]
        name = new_name(self._store, [(page.page, page.sha256) for page in pages], model, self._settings.submitter)
        batch = Batch(name, cluster, model, "queue", str(self._queue.folder), str(self._queue.results), True, time.time())
        with self._store.whole():
            self._store.add(batch, pages)
            self._store.set_drops(replace(drop, batch=name, outcome="", why="") for drop in files)
        return batch

    def tell(self) -> int:
        """In each folder of the results a file that names what failed and why, or none; returns how many files failed."""
        failed: dict[str, dict[str, str]] = defaultdict(dict)
        for drop in self._store.drops().values():
            if drop.outcome in ("failed", "waiting"):
                folder, name = deliver.inside(drop.path)
                failed[folder][name] = drop.why
        for folder, why in failed.items():
            deliver.replace(deliver.failures_text(both("head"), why), self._queue.results / folder / deliver.FAILED)
        for root, _, names in os.walk(self._queue.results):
            below = "" if (path := os.path.relpath(root, self._queue.results)) == "." else path
            if deliver.FAILED in names and below not in failed:
                Path(root, deliver.FAILED).unlink()
        return sum(len(names) for names in failed.values())

    def _place(self, path: str) -> tuple[str, str] | None:
        """Cluster and model that the file's folder stands for."""
        parts = PurePosixPath(path).parts[:-1]
        if not self._settings.projects:
            return (next(iter(self._settings.clusters)), parts[0]) if parts else None
        return (self._settings.projects[parts[0]], parts[1]) if len(parts) > 1 and parts[0] in self._settings.projects else None

    def _checked(self, drop: Drop, found: Found, descriptor: int) -> Drop:
        """The file read, or failed with a reason."""
        why = ""
        if not sayable(found.path):
            why = both("unsayable")
        elif found.folder:
            why = both("unreadable", why=os.strerror(errno.EACCES))
        elif not looks_like_image(found.path):
            why = both("no image")
        elif self._place(found.path) is None:
            why = both("no place", models=", ".join(sorted(self._settings.projects)) or "MODEL")
        elif drop.size > _LARGEST:
            why = both("too large", bytes=drop.size // 1_000_000, most=_LARGEST // 1_000_000)
        else:
            try:
                _, sha256, kind = measure(open_plain(PurePosixPath(found.path).name, descriptor))
            except OSError as error:
                why = both("unreadable", why=error.strerror or "")
            else:
                if kind:
                    return replace(drop, sha256=sha256, kind=kind)
                why = both("no image")
        return replace(drop, outcome="failed", why=why)

    def _there_already(self, drop: Drop, model: str) -> bool:
        """Whether it was only touched, or taken away and put back: same content, and its result still there."""
        folder, name = deliver.inside(drop.path)
        places = (self._queue.results / folder / f"{base}.xml" for base in (name, name.rpartition(".")[0]))
        return self._store.recognised(drop.path, drop.sha256, model) and any(place.exists() for place in places)


def new_name(store: Store, pages: Sequence[tuple[str, str]], model: str, submitter: str) -> str:
    """Of a batch of pages of which, if they were sent before, all is over."""
    generation = 0
    while store.batch(name := batch_name(pages, model=model, submitter=submitter, generation=generation)):
        generation += 1
    return name


def portions(files: Sequence[Drop], limits: Mapping[str, float]) -> Iterator[list[Drop]]:
    """As few batches as the gate's limits allow (keys pages, batch_bytes)."""
    portion: list[Drop] = []
    size = 0
    for file in files:
        if portion and (len(portion) >= limits["pages"] or size + file.size > limits["batch_bytes"]):
            yield portion
            portion, size = [], 0
        portion.append(file)
        size += file.size
    if portion:
        yield portion
