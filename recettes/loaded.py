"""The drop-in by which a service notes what it is about to read, before every start and reload, whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from recettes.files import File, text

if TYPE_CHECKING:
    from recettes.units import Unit

LOADED = "/usr/local/lib/recettes/loaded"
NOTES = "/run/recettes/loaded"
# Sorts after other drop-ins: what their commands write is noted too, and their ExecReload= is replaced.
DROP_IN = "zz-recettes-loaded.conf"


def drop_in(name: str) -> str:
    """The drop-in's path."""
    return f"/etc/systemd/system/{name}.d/{DROP_IN}"


def records(name: str, unit: Unit) -> bool:
    """Whether this unit notes what it reads."""
    return unit.wanted and name.endswith(".service") and bool(unit.definition or unit.reads)


def definition(name: str, unit: Unit) -> tuple[str, ...]:
    """What makes the unit what it is, the drop-in included: one that has just come means that nothing was noted yet."""
    return (*unit.definition, drop_in(name)) if records(name, unit) else ()


def recorders(units: Mapping[str, Unit], program: str) -> dict[str, File]:
    """The drop-ins of these units, and `program`, the text of programs/loaded, which they call."""
    files = {drop_in(name): text(_drop_in(name, unit)) for name, unit in units.items() if records(name, unit)}
    return {LOADED: text(program, mode=0o755), **files} if files else {}


def inside(path: str, roots: Iterable[str]) -> bool:
    """Whether the path is one of the roots or below one."""
    return any(path == root or path.startswith(root + "/") for root in roots)


def _drop_in(name: str, unit: Unit) -> str:
    """`-`: no failure of ours keeps a service from starting or reloading. `+`: as root, outside the sandbox of the service."""
    begin = {"definition": definition(name, unit), "reads": unit.reads}
    kinds = [kind for kind, paths in begin.items() if paths]
    lines = [
        "# Managed by recettes. Notes what the service is about to read, so that a later run knows",
        "# whether it has read the files that lie there.",
        "[Service]",
    ]
    lines += [f"ExecStartPre=-+{LOADED} begin %n {kind} {_words(begin[kind])}" for kind in kinds]
    lines += [f"ExecStartPost=-+{LOADED} commit %n {' '.join(kinds)}"]
    if unit.reload and unit.reads:
        lines += [
            "# Lines of a drop-in come after those of the unit: only emptied can the list begin with ours.",
            "ExecReload=",
            f"ExecReload=-+{LOADED} begin %n reads {_words(unit.reads)}",
            f"ExecReload={unit.reload}",
            f"ExecReload=-+{LOADED} commit %n reads",
        ]
    return "\n".join(lines) + "\n"


def _words(paths: Sequence[str]) -> str:
    """As words of a command in a unit file: systemd.service(5)."""
    return " ".join(
        '"' + path.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%").replace("$", "$$") + '"' for path in paths
    )
