"""What was begun and how far it is, in one SQLite file: every step is noted whole or not at all, and synced before the next.

Nothing is told to a cluster that was not noted here before: a submitter that died anywhere asks how far it came, and goes on.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# send: pages are to be brought. start: whole, a job is to be sent. wait: a job is sent. fetch: it ended, results are to be
# fetched. deliver: they are to be laid where they belong. drop: the gate is to forget the batch. over: it has.
PHASES = ("send", "start", "wait", "fetch", "deliver", "drop", "over")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    name TEXT PRIMARY KEY, cluster TEXT NOT NULL, model TEXT NOT NULL, origin TEXT NOT NULL, source TEXT NOT NULL,
    destination TEXT NOT NULL, zipped INTEGER NOT NULL, made REAL NOT NULL, phase TEXT NOT NULL DEFAULT 'send',
    attempt INTEGER NOT NULL DEFAULT 1, done_before INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0, asked REAL NOT NULL DEFAULT 0, fetched TEXT NOT NULL DEFAULT '',
    problem TEXT NOT NULL DEFAULT '', said TEXT NOT NULL DEFAULT '', since REAL NOT NULL DEFAULT 0,
    again REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS pages (
    batch TEXT NOT NULL REFERENCES batches(name), page TEXT NOT NULL, own TEXT NOT NULL, path TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (batch, page)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pages_by_own ON pages (own, sha256);
CREATE TABLE IF NOT EXISTS drops (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, inode INTEGER NOT NULL, since REAL NOT NULL,
    batch TEXT NOT NULL DEFAULT '', sha256 TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS laid (
    image TEXT NOT NULL, model TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, batch TEXT NOT NULL,
    aside INTEGER NOT NULL, PRIMARY KEY (image, model, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    cluster TEXT PRIMARY KEY, problem TEXT NOT NULL, said TEXT NOT NULL, since REAL NOT NULL, again REAL NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Page:
    """`own` is its path within what was sent; `outcome` is "" until known, then done or failed, and `why` for people."""

    page: str
    own: str
    path: str
    size: int
    sha256: str
    outcome: str = ""
    why: str = ""


@dataclass(frozen=True)
class Batch:
    """`attempt` is the number of jobs that are wanted for it, `done_before` how many pages were done before the last of them.

    `origin` is "submit" or "queue", `source` the folder the pages' own names are relative to. `state`, `why`, `done`, `failed`,
    `seconds` are the gate's words of `asked` (time). `fetched` is the last result that came whole. `problem` is the kind of the
    last refusal, seen since `since`, `said` its sentence, `again` the time before which nothing more is tried unattended.
    """

    name: str
    cluster: str
    model: str
    origin: str
    source: str
    destination: str
    zipped: bool
    made: float
    phase: str = "send"
    attempt: int = 1
    done_before: int = 0
    state: str = ""
    why: str = ""
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    asked: float = 0.0
    fetched: str = ""
    problem: str = ""
    said: str = ""
    since: float = 0.0
    again: float = 0.0


@dataclass(frozen=True)
class Drop:
    """A file in the queue as last seen: `changed` is its inode's time, `since` when it was first seen so, `sha256` and `kind`
    (an ending) what it was found to be when it was read. `outcome` is that of a Page, or "waiting", with `why` for people.
    """

    path: str
    size: int
    changed: int
    inode: int
    since: float
    batch: str = ""
    sha256: str = ""
    kind: str = ""
    outcome: str = ""
    why: str = ""


@dataclass(frozen=True)
class Laid:
    """A result at `path` as `batch` left it there: of which image (its path), by which model. `aside`: another file has the name
    that it should have."""

    image: str
    model: str
    path: str
    sha256: str
    batch: str
    aside: bool


@dataclass(frozen=True)
class Hold:
    """Why nothing is asked of a cluster unattended: the kind of the refusal, seen since `since`, its sentence, until when."""

    cluster: str
    problem: str
    said: str
    since: float
    again: float


class BusyError(Exception):
    """Another submitter is at it."""


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._base = sqlite3.connect(folder / "ocr.sqlite3", timeout=60, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        self._base.close()

    def work(self, what: str) -> Path:
        """A folder for what is fetched of a batch and not yet laid where it belongs."""
        folder = self.folder / "work" / what
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Nobody else works on it meanwhile. Raises BusyError; a lock dies with its process."""
        descriptor = os.open(self.work(what), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BusyError(what) from None
        finally:
            os.close(descriptor)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is written inside is there as a whole or not at all."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def add(self, batch: Batch, pages: Iterable[Page]) -> None:
        """Inside `whole`."""
        self._insert("batches", batch)
        for page in pages:
            self._insert("pages", page, batch=batch.name)

    def batch(self, name: str) -> Batch | None:
        row = self._base.execute("SELECT * FROM batches WHERE name = ?", (name,)).fetchone()
        return _batch(row) if row else None

    def batches(self) -> list[Batch]:
        """The newest last."""
        return [_batch(row) for row in self._base.execute("SELECT * FROM batches ORDER BY made, name")]

    def pages(self, batch: str) -> list[Page]:
        names = ", ".join(field.name for field in fields(Page))
        return [Page(*row) for row in self._base.execute(f"SELECT {names} FROM pages WHERE batch = ? ORDER BY page", (batch,))]  # noqa: S608

    def note(self, batch: Batch, **values: Any) -> Batch:
        """The batch as it is from now on."""
        setters = ", ".join(f"{name} = ?" for name in values)
        self._base.execute(f"UPDATE batches SET {setters} WHERE name = ?", (*values.values(), batch.name))  # noqa: S608
        return Batch(**{**vars(batch), **values})

    def note_outcomes(self, batch: str, outcomes: Mapping[str, tuple[str, str]]) -> None:
        """By page name, outcome and why; of the batch's pages and of the files in the queue that they were."""
        for page, (outcome, why) in outcomes.items():
            self._base.execute("UPDATE pages SET outcome = ?, why = ? WHERE batch = ? AND page = ?", (outcome, why, batch, page))
            self._base.execute(
                "UPDATE drops SET outcome = ?, why = ? WHERE batch = ? AND path = "
                "(SELECT own FROM pages WHERE batch = ? AND page = ?)",
                (outcome, why, batch, batch, page),
            )

    def drops(self) -> dict[str, Drop]:
        return {row["path"]: Drop(**row) for row in self._base.execute("SELECT * FROM drops")}

    def set_drops(self, drops: Iterable[Drop]) -> None:
        """Inside `whole`."""
        for drop in drops:
            self._base.execute("DELETE FROM drops WHERE path = ?", (drop.path,))
            self._insert("drops", drop)

    def forget_drops(self, paths: Iterable[str]) -> None:
        self._base.executemany("DELETE FROM drops WHERE path = ?", [(path,) for path in paths])

    def free(self, batch: str) -> None:
        """Its files in the queue belong to no batch any more, and are looked at anew."""
        self._base.execute("DELETE FROM drops WHERE batch = ?", (batch,))

    def recognised(self, own: str, sha256: str, model: str) -> bool:
        """Whether the last that was recognised of this file of the queue with the model is this very content of it."""
        row = self._base.execute(
            "SELECT sha256 FROM pages JOIN batches ON batch = name "
            "WHERE own = ? AND model = ? AND origin = 'queue' AND outcome = 'done' ORDER BY batches.rowid DESC LIMIT 1",
            (own, model),
        ).fetchone()
        return row is not None and row["sha256"] == sha256

    def laid(self, image: str, model: str) -> dict[str, str]:
        """By path, the SHA-256 of what was laid there of the image, recognised with the model."""
        rows = self._base.execute("SELECT path, sha256 FROM laid WHERE image = ? AND model = ?", (image, model))
        return {row["path"]: row["sha256"] for row in rows}

    def note_laid(self, results: Iterable[Laid]) -> None:
        with self.whole():
            for laid in results:
                key = (laid.image, laid.model, laid.path)
                self._base.execute("DELETE FROM laid WHERE image = ? AND model = ? AND path = ?", key)
                self._insert("laid", laid)

    def aside(self, batch: str) -> list[str]:
        """Paths of its results that do not have the name that they should have."""
        return [
            row["path"] for row in self._base.execute("SELECT path FROM laid WHERE batch = ? AND aside ORDER BY path", (batch,))
        ]

    def holds(self) -> dict[str, Hold]:
        return {row["cluster"]: Hold(**row) for row in self._base.execute("SELECT * FROM holds")}

    def hold(self, hold: Hold) -> None:
        with self.whole():
            self.release(hold.cluster)
            self._insert("holds", hold)

    def release(self, cluster: str) -> None:
        self._base.execute("DELETE FROM holds WHERE cluster = ?", (cluster,))

    def _insert(self, table: str, item: Batch | Page | Drop | Laid | Hold, **more: str) -> None:
        values = {**vars(item), **more}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._base.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608


def _batch(row: sqlite3.Row) -> Batch:
    return Batch(**{**dict(row), "zipped": bool(row["zipped"])})
