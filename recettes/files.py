"""Files: what is wanted of them, what differs, and the shell text that brings them about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from recettes.change import Change, text_diff
from recettes.shell import quote, words, write

# The paths put on a machine by the last run: what is in it and not wanted any more goes away.
MANAGED = "/var/lib/recettes/managed"
# Staged names of a run that is under way; what is left in it was left by a run that died.
STAGING = "/var/lib/recettes/staging"
_NEW = ".recettes-new"


@dataclass(frozen=True)
class File:
    """A file (content), a symbolic link (link) or a folder (neither). Secret content is never shown in a diff."""

    content: bytes | None = field(default=None, repr=False)
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    secret: bool = False
    link: str | None = None

    @property
    def kind(self) -> str:
        return "l" if self.link is not None else "d" if self.content is None else "f"

    @property
    def digest(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()


def text(content: str, *, mode: int = 0o644, group: str = "root") -> File:
    """A text file of root's."""
    return File(content.encode(), group=group, mode=mode)


def folder(owner: str = "root", group: str = "root", mode: int = 0o755) -> File:
    return File(None, owner, group, mode)


@dataclass(frozen=True)
class FileState:
    """A path as it is: kind is find's letter (f, d, l, ...), digest SHA-256 of a regular file, link a link's target."""

    kind: str
    owner: str
    group: str
    mode: int
    digest: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class FileTable:
    """The asked paths that exist, and the paths that an earlier run put there."""

    states: Mapping[str, FileState]
    managed: frozenset[str] = frozenset()


def plan_files(actual: FileTable, wanted: Mapping[str, File]) -> list[Change]:
    """Paths as wanted, and nothing left of what is wanted no more. Folders stay: they may hold data."""
    changes = differences(actual.states, wanted)
    gone = sorted(path for path in actual.managed - wanted.keys() if path in actual.states and actual.states[path].kind != "d")
    changes += [Change("files", path, "remove") for path in gone]
    if not changes and actual.managed != managed_paths(wanted):
        return [Change("files", MANAGED, "change", "the list of what is managed")]
    return changes


def differences(actual: Mapping[str, FileState], wanted: Mapping[str, File]) -> list[Change]:
    """What must be made or changed of the wanted paths, in their order."""
    return [change for path in sorted(wanted) if (change := _plan_one(path, actual.get(path), wanted[path]))]


def managed_paths(wanted: Mapping[str, File]) -> frozenset[str]:
    """The paths that go away when they are wanted no more. Folders stay."""
    return frozenset(path for path, want in wanted.items() if want.kind != "d")


def _plan_one(path: str, is_: FileState | None, want: File) -> Change | None:
    if is_ is None:
        return Change("files", path, "create", describe(want))
    if is_.kind != want.kind:
        return Change("files", path, "replace", describe(want))
    if is_.digest != want.digest or is_.link != want.link:
        return Change("files", path, "change", describe(want))
    if (is_.owner, is_.group) != (want.owner, want.group) or (want.kind != "l" and is_.mode != want.mode):
        return Change("files", path, "own", f"{describe(want)}, was {is_.owner}:{is_.group} {is_.mode:04o}")
    return None


def describe(want: File) -> str:
    kind = {"f": "", "d": "folder ", "l": f"link to {want.link} "}[want.kind]
    return (
        f"{kind}{want.owner}:{want.group}"
        + ("" if want.kind == "l" else f" {want.mode:04o}")
        + (", secret" if want.secret else "")
    )


def shows_content(change: Change, actual: FileTable, wanted: Mapping[str, File]) -> bool:
    """Whether the old content may be read for a diff: not of a secret, nor what somebody else wrote for few eyes."""
    want = wanted.get(change.item)
    if change.action != "change" or want is None or want.kind != "f" or want.secret:
        return False
    return change.item in actual.managed or bool(actual.states[change.item].mode & 0o004)


def with_diffs(changes: Sequence[Change], before: Mapping[str, bytes], wanted: Mapping[str, File]) -> list[Change]:
    """The same changes, each with the diff of its content. `before` holds the contents that could be read."""
    return [_with_diff(change, before.get(change.item), wanted.get(change.item)) for change in changes]


def _with_diff(change: Change, before: bytes | None, want: File | None) -> Change:
    if want is None or want.content is None or change.action == "own":
        return change
    if want.secret:
        return replace(change, diff=("differs (the content is secret)",))
    if before is None and change.action == "change":
        return replace(change, diff=("differs (what is there is not shown: it is large, or not for all to read)",))
    return replace(change, diff=text_diff(change.item, before or b"", want.content))


def written(changes: Iterable[Change], wanted: Mapping[str, File]) -> dict[str, str | None]:
    """The paths that these changes write, with the digests they will have; None for those that go, "new" for links."""
    return {c.item: _will_have(wanted.get(c.item)) for c in changes if c.action != "own"}


def _will_have(want: File | None) -> str | None:
    # What a link leads to is not known here, but whoever reads it reads something else than before.
    return None if want is None else "new" if want.link is not None else want.digest


def files_script(changes: Sequence[Change], wanted: Mapping[str, File]) -> str:
    """All files written beside their places and synced, then all renamed; a failure on the way leaves all as it was."""
    by_path = {change.item: change for change in changes}
    make = {path: wanted[path] for path in sorted(wanted) if path in by_path}
    staged = [path + _NEW for path, want in make.items() if want.kind != "d" and by_path[path].action != "own"]
    listed = write(MANAGED + ".add", _lines(managed_paths(wanted)))
    # Listed before they are there: what a run leaves behind that dies on the way is still known to the next.
    lines = [f"mkdir -p {quote(_parent(MANAGED))}", "umask 077", listed + f"cat {MANAGED}.add >>{MANAGED}"]
    if staged:
        lines.append(write(STAGING, _lines(staged)))
        lines.append(f"trap 'xargs -r -d \"\\n\" rm -f -- <{STAGING}; rm -f {STAGING}' EXIT")
    lines += [_FOLDER] if any(want.kind == "d" for want in make.values()) else []
    lines += [_stage(path, want, by_path[path].action) for path, want in make.items()]
    if staged:
        contents = [path + _NEW for path, want in make.items() if want.kind == "f" and by_path[path].action != "own"]
        lines += [f"sync -- {words(contents)}"] if contents else []
    lines += [_settle(path, want, by_path[path].action) for path, want in make.items() if want.kind != "d"]
    gone = [path for path in by_path if path not in wanted and path != MANAGED]
    lines += [f"rm -f -- {words(gone)}"] if gone else []
    return "\n".join([*lines, f"mv -fT {MANAGED}.add {MANAGED}"])


def _lines(paths: Iterable[str]) -> bytes:
    return "".join(path + "\n" for path in sorted(paths)).encode()


def _parent(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


# folder PATH OWNER MODE. The folder above may be a service's own, and code of its account put a link in this one's place at any
# time: what was entered is what changes, and nothing when that is elsewhere.
_FOLDER = r"""folder() (
  ( umask 022; mkdir -p -- "$1" )
  cd -P -- "${1%/*}/"
  above=$(pwd -P)
  cd -P -- "$1"
  [ "$(pwd -P)" = "${above%/}/${1##*/}" ] || { echo "$1 leads to $(pwd -P) now; nothing was changed there" >&2; exit 1; }
  chown "$2" .
  chmod "$3" .
)"""


def _stage(path: str, want: File, action: str) -> str:
    owner = f"{want.owner}:{want.group}"
    if want.kind == "d":
        clear = f"rm -f -- {quote(path)}\n" if action == "replace" else ""
        return clear + f"folder {quote(path)} {owner} {want.mode:o}"
    if action == "own":
        return f"chown -h {owner} {quote(path)}" + ("" if want.kind == "l" else f"; chmod {want.mode:o} {quote(path)}")
    new = path + _NEW
    parent = f"[ -d {quote(_parent(path))} ] || ( umask 022; mkdir -p {quote(_parent(path))} )\n"
    if want.link is not None:
        return parent + f"ln -sfn {quote(want.link)} {quote(new)}; chown -h {owner} {quote(new)}"
    assert want.content is not None
    return parent + write(new, want.content) + f"chown {owner} {quote(new)}; chmod {want.mode:o} {quote(new)}"


def _settle(path: str, want: File, action: str) -> str:
    if action == "own":
        return ":"
    new, place = quote(path + _NEW), quote(path)
    move = f"mv -fT {new} {place}"
    if action == "replace":
        return f"[ ! -d {place} ] || [ -L {place} ] || rmdir {place}\n{move}"
    if action == "change" and want.kind == "f":
        # A file that is a mount (a container's /etc/hosts) cannot be renamed over.
        return f"if mountpoint -q {place}; then cat {new} >{place}; rm -f {new}; else {move}; fi"
    return move
