"""The sources of contents, resolved on the controller before any machine is changed: each to a digest, and on demand to a tar."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from recettes.contents.archive import archive_entries, check_archive
from recettes.contents.cache import cache_folder
from recettes.contents.entries import FORMAT, ContentsError, Entry, digest, write_tar
from recettes.contents.folder import folder_entries
from recettes.contents.git import Commit, find_commit
from recettes.declarations.sources import Archive, Folder, Git, Source
from recettes.durable import write_whole
from recettes.recipes import ROOT


class SourceError(Exception):
    """One source cannot be published."""


class SourcesError(Exception):
    """All sources that cannot be published; nothing was changed on any machine."""

    def __init__(self, errors: list[SourceError]) -> None:
        self.errors = errors
        super().__init__("Contents cannot be had; no machine was touched:" + "".join(f"\n  {e}" for e in errors))


@dataclass(frozen=True)
class Resolved:
    """What a source holds now. `digest` is SHA-256 over all files, `describe` says for people where they come from."""

    digest: str
    describe: str
    entries: Callable[[], Iterator[Entry]] = field(repr=False, compare=False)


_resolved: dict[Source, Resolved] = {}
_commits: dict[tuple[str, str], Commit] = {}


def forget() -> None:
    """What was resolved holds for one run. Tests are many runs."""
    _resolved.clear()
    _commits.clear()


def resolve_all(sources: Mapping[str, Source], kind: str = "site") -> dict[str, Resolved]:
    """The sources by site, or by what `kind` says, each resolved once a run. Raises SourcesError with all that is wrong."""
    found: dict[str, Resolved] = {}
    errors = []
    for name, source in sources.items():
        try:
            found[name] = resolve(source)
        except SourceError as error:
            errors.append(SourceError(f"{kind} {name}: {error}"))
    if errors:
        raise SourcesError(errors)
    return found


def resolve(source: Source) -> Resolved:
    """What the source holds now; for a git branch, what it held when this run first asked. Raises SourceError."""
    if source not in _resolved:
        try:
            _resolved[source] = _resolve(source)
        except ContentsError as error:
            raise SourceError(str(error)) from None
    return _resolved[source]


def pack(resolved: Resolved, output: BinaryIO) -> None:
    """Write the contents to `output` as tar.gz. Raises SourceError when they are not any more what was resolved."""
    try:
        written = write_tar(resolved.entries(), output)
    except ContentsError as error:
        raise SourceError(f"{resolved.describe}: {error}") from None
    if written != resolved.digest:
        raise SourceError(f"{resolved.describe} changed during this run; nothing was published. Run again")


def _resolve(source: Source) -> Resolved:
    match source:
        case Folder():
            return _folder(_place(source.path), source.path)
        case Archive():
            return _archive(_place(source.path), source)
        case Git():
            return _git(source)


def _place(path: str) -> Path:
    return ROOT / Path(path).expanduser()


def _folder(place: Path, shown: str) -> Resolved:
    def entries() -> Iterator[Entry]:
        return folder_entries(place)

    return Resolved(digest(entries()), f"folder {shown}", entries)


def _archive(place: Path, source: Archive) -> Resolved:
    def entries() -> Iterator[Entry]:
        return archive_entries(place, strip=source.strip)

    check_archive(place, source.sha256)
    known = _remembered(f"archive {source.sha256} {source.strip}", entries)
    return Resolved(known, f"archive {source.path}", entries)


def _git(source: Git) -> Resolved:
    key = (source.url, source.ref)
    commit = _commits.get(key) or _commits.setdefault(key, find_commit(*key))
    tree = commit.tree(source.subfolder)

    def entries() -> Iterator[Entry]:
        return commit.entries(tree)

    where = f" {source.subfolder}" if source.subfolder else ""
    name = "" if source.ref == commit.sha else f"{source.ref} "
    return Resolved(_remembered(f"tree {tree}", entries), f"git {name}{commit.sha[:12]} of {source.url}{where}", entries)


def _remembered(what: str, entries: Callable[[], Iterator[Entry]]) -> str:
    """The digest of something that is named by its own content, computed once for all runs."""
    key = hashlib.sha256(FORMAT + what.encode()).hexdigest()
    file = cache_folder() / "contents" / key
    try:
        known = file.read_text()
    except OSError:
        known = ""
    if len(known) != len(key):
        known = digest(entries())
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(file, known.encode(), 0o600)
    return known
