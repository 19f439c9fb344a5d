"""Files as they are: any number of paths, and whole trees, in one read."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from facts.survey import Part
from recettes.files import MANAGED, FileState, FileTable
from recettes.shell import quote, words

_ABSENT = ("No such file or directory", "Not a directory")
# Larger files are compared by digest only.
_SHOWN_BYTES = 200_000


def file_states(paths: Iterable[str], *, roots: Iterable[str] = (), managed: bool = False) -> Part[FileTable]:
    """States of the paths, of everything below the roots, and, if asked, of what earlier runs put on the machine."""
    show = r"-printf 'S %y %u %g %m %p\t%l\n' -type f -exec sha256sum -- {} +"
    asked, trees = sorted(paths), sorted(roots)
    lines = [f"find {words(asked)} -maxdepth 0 {show} || :"] if asked else []
    lines += [f"find {words(trees)} {show} || :"] if trees else []
    if managed:
        lines += [f"[ ! -s {MANAGED} ] || sed 's/^/M /' {MANAGED}"]
        lines += [f"[ ! -s {MANAGED} ] || tr '\\n' '\\0' <{MANAGED} | find -files0-from - -maxdepth 0 {show} || :"]
    return Part("files", "\n".join(lines) or ":", _parse_states)


def _parse_states(lines: list[str]) -> FileTable:
    states: dict[str, FileState] = {}
    digests: dict[str, str] = {}
    managed = set()
    for line in lines:
        if line.startswith("S "):
            _, kind, owner, group, mode, rest = line.split(" ", 5)
            path, _, target = rest.partition("\t")
            states[path] = FileState(kind, owner, group, int(mode, 8), None, target if kind == "l" else None)
        elif line.startswith("M "):
            managed.add(line[2:])
        elif line.startswith("find: "):
            if not line.endswith(_ABSENT):
                raise ValueError(line)
        else:
            digest, _, path = line.partition("  ")
            digests[path] = digest
    for path, state in states.items():
        if state.kind == "f":
            if len(digests.get(path, "")) != 64:
                raise ValueError(f"{path} could not be read")
            states[path] = FileState("f", state.owner, state.group, state.mode, digests[path])
    return FileTable(states, frozenset(managed))


def file_contents(paths: Iterable[str]) -> Part[dict[str, bytes]]:
    """Contents of the paths that are regular files of a size that a person would read."""
    script = "\n".join(
        f'[ ! -f {quote(path)} ] || [ "$(stat -Lc %s {quote(path)})" -gt {_SHOWN_BYTES} ] || '
        f"{{ echo {quote('F ' + path)}; base64 -w 0 {quote(path)}; echo; }}"
        for path in sorted(paths)
    )
    return Part("files", script, _parse_contents)


def _parse_contents(lines: list[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for name, body in zip(lines[::2], lines[1::2], strict=True):
        contents[name.removeprefix("F ")] = base64.b64decode(body, validate=True)
    return contents
