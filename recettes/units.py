"""Systemd units: whether they run, and whether what they run is what lies there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from recettes.change import Change
from recettes.loaded import definition, inside
from recettes.shell import words

# Where a file makes systemd read its definitions again.
DEFINITIONS = ("/etc/systemd/system/", "/run/systemd/system/", "/usr/local/lib/systemd/system/")
# Answers of `systemctl is-enabled` that call for nothing: systemctl(1).
_ENABLED = {"enabled", "static", "alias", "indirect", "generated", "transient"}
_CAN_BE_DISABLED = {"enabled", "enabled-runtime", "linked", "linked-runtime"}
# Files named in a reason; the others are counted.
_NAMED = 3


@dataclass(frozen=True)
class Unit:
    """A unit that is enabled and active, or neither where `wanted` is False.

    `definition` are files that make the unit what it is (unit file, drop-ins, program): a difference restarts it. `reads` are
    configuration files and folders: a difference reloads it by the command `reload`, or restarts it where it has none.
    Only services note what they read; a service that ends by itself is not one to be wanted here, its timer is.
    """

    wanted: bool = True
    definition: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    reload: str | None = None


@dataclass(frozen=True)
class UnitState:
    """systemd's own words for a unit: systemctl(1). `stale` means that its definition on disk is not the one in memory, `unmet`
    that systemd looked whether its conditions are met and did not start it: in a container some units have nothing to do."""

    load: str
    active: str
    sub: str
    enabled: str
    stale: bool = False
    unmet: bool = False

    @property
    def running(self) -> bool:
        return self.active in ("active", "reloading", "refreshing") or (
            self.active == "activating" and "auto-restart" not in self.sub
        )


@dataclass(frozen=True)
class UnitTable:
    """States by the names asked for. `noted` is what each service has noted that it has read, by kind of file ("definition",
    "reads"), and `present` what lies there: digests by path."""

    states: Mapping[str, UnitState]
    noted: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    present: Mapping[str, str] = field(default_factory=dict)


def companion(name: str) -> str | None:
    """The service that a timer, path or socket starts, unless it says otherwise."""
    stem, _, kind = name.rpartition(".")
    return f"{stem}.service" if kind in ("timer", "path", "socket") else None


def plan_units(
    actual: UnitTable,
    wanted: Mapping[str, Unit],
    pending: Mapping[str, str | None],
    reread: Collection[str] | None = None,
) -> list[Change]:
    """Units enabled and running as wanted, and none that has not read what lies there, or will lie there.

    `pending` are paths that this run writes, with their digests ("new": unknown, None: removed). `reread` are those for which
    this run has made systemd read its definitions already, None if it has not.
    """
    changes = list(_definitions(actual, pending, reread))
    present = overlaid(actual.present, pending)
    for name, unit in sorted(wanted.items(), key=lambda item: (item[1].wanted, item[0])):
        state = actual.states[name]
        redefined = any(f"/{name}" in path for path in pending_definitions(pending))
        if unit.wanted:
            changes += _wanted(name, unit, replace(state, unmet=state.unmet and not redefined), actual, present)
        else:
            changes += _off(name, state)
    return changes


def pending_definitions(pending: Mapping[str, str | None]) -> frozenset[str]:
    return frozenset(path for path in pending if path.startswith(DEFINITIONS))


def overlaid(present: Mapping[str, str], pending: Mapping[str, str | None]) -> dict[str, str]:
    """The digests that will be there when `pending` is done."""
    gone = tuple(path for path, digest in pending.items() if digest is None)
    below = tuple(path + "/" for path in gone)
    kept = {path: digest for path, digest in present.items() if path not in gone and not (below and path.startswith(below))}
    return kept | {path: digest for path, digest in pending.items() if digest is not None}


@dataclass(frozen=True)
class Begun:
    """An earlier step of this run starts the unit, or makes it read anew what is of these `kinds`; `pending` was written then."""

    pending: Mapping[str, str | None]
    kinds: tuple[str, ...] = ("definition", "reads")
    enabled: bool = False


def as_begun(actual: UnitTable, wanted: Mapping[str, Unit], begun: Mapping[str, Begun], *, done: bool) -> UnitTable:
    """What later steps find. `done`: it has happened, and only what nobody could know before ("new") is known to be read now.

    Otherwise it is foretold: those units run, and have read what is written then.
    """
    states, noted = dict(actual.states), dict(actual.noted)
    for name in begun.keys() & wanted.keys():
        before = begun[name].pending
        if not done:
            states = {other: replace(state, stale=False) for other, state in states.items()}
            enabled = "enabled" if begun[name].enabled else states[name].enabled
            states[name] = replace(states[name], active="active", sub="running", enabled=enabled)
        for kind in begun[name].kinds:
            roots = definition(name, wanted[name]) if kind == "definition" else wanted[name].reads
            there = overlaid(actual.present, before)
            read = {path: digest for path, digest in there.items() if inside(path, roots)}
            noted[name, kind] = _known(noted.get((name, kind), {}), actual.present, read) if done else read
    return replace(actual, states=states, noted=noted)


def _known(note: Mapping[str, str], present: Mapping[str, str], foretold: Mapping[str, str]) -> dict[str, str]:
    """The note, with the word that stands for a digest that could not be known where it was read as it lies there."""
    return {
        path: "new" if foretold.get(path) == "new" and digest == present.get(path) else digest for path, digest in note.items()
    }


def _definitions(actual: UnitTable, pending: Mapping[str, str | None], reread: Collection[str] | None) -> Iterator[Change]:
    changed = pending_definitions(pending)
    stale = [name for name, state in actual.states.items() if state.stale]
    if changed != reread if reread is not None else changed or stale:
        yield Change(
            "units", "systemd", "reload definitions", _listed(sorted(changed - set(reread or ()))) or _listed(sorted(stale))
        )


def _wanted(name: str, unit: Unit, state: UnitState, actual: UnitTable, present: Mapping[str, str]) -> Iterator[Change]:
    if state.load == "masked" or state.enabled.startswith("masked"):
        yield Change("units", name, "unmask")
    if state.enabled not in _ENABLED:
        yield Change("units", name, "enable")
    if state.unmet and state.active == "inactive":
        return
    if not state.running:
        yield Change("units", name, "start", "it failed" if state.active == "failed" or "auto-restart" in state.sub else "")
        return
    if not name.endswith(".service"):
        return
    if why := _unread(actual.noted.get((name, "definition"), {}), definition(name, unit), present):
        yield Change("units", name, "restart", why)
    elif why := _unread(actual.noted.get((name, "reads"), {}), unit.reads, present):
        yield Change("units", name, "reload" if unit.reload else "restart", why)


def _off(name: str, state: UnitState) -> Iterator[Change]:
    if state.enabled in _CAN_BE_DISABLED:
        yield Change("units", name, "disable")
    if state.running or state.active == "failed":
        yield Change("units", name, "stop")


def _unread(noted: Mapping[str, str], roots: Sequence[str], present: Mapping[str, str]) -> str:
    """In words, what lies at or below `roots` and was not read as it is; empty when all was."""
    there = {path: digest for path, digest in present.items() if inside(path, roots)}
    unread = sorted(path for path, digest in there.items() if noted.get(path) != digest)
    gone = sorted(path for path in noted if path not in there)
    parts = [f"has not read {_listed(unread)}"] if unread else []
    return ", ".join(parts + ([f"still has {_listed(gone)}, now gone"] if gone else []))


def _listed(paths: Sequence[str]) -> str:
    rest = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def plan_dropped(states: Mapping[str, UnitState]) -> list[Change]:
    """Units of ours that are declared no more neither run nor are enabled."""
    return [change for name in sorted(states) for change in _off(name, states[name])]


def units_script(changes: Iterable[Change]) -> str:
    """What stops comes first, what starts last. A unit that fails does not keep the others from it, but fails the run."""
    of: dict[str, list[str]] = {}
    for change in changes:
        of.setdefault(change.action, []).append(change.item)
    lines = [_TRY.strip()]
    if off := of.get("disable"):
        lines.append(f"systemctl --quiet disable -- {words(off)} 2>/dev/null || :")
        # What a unit leaves that was removed before it was disabled.
        lines += [f"find /etc/systemd/system -type l -path {words([f'*.wants/{name}'])} -delete" for name in off]
    if stop := of.get("stop"):
        lines.append(f"each stop {words(stop)}\nsystemctl reset-failed -- {words(stop)} 2>/dev/null || :")
    if masked := of.get("unmask"):
        lines.append(f"systemctl --quiet unmask -- {words(masked)}")
    enable = of.get("enable", [])
    if enable:
        lines.append(f'systemctl --quiet --no-reload enable -- {words(enable)} 2>"$said" || {{ cat "$said" >&2; failed=1; }}')
    if "enable" in of or "reload definitions" in of:
        lines.append("systemctl daemon-reload")
    if start := of.get("start"):
        lines.append(f"systemctl reset-failed -- {words(start)} 2>/dev/null || :")
    for action in ("restart", "start"):
        lines += [f"together {action} {words(of[action])}"] if action in of else []
    lines += [f"each reload {words(of['reload'])}"] if "reload" in of else []
    return "\n".join([*lines, 'exit "$failed"'])


_TRY = """
failed=0 said=$(mktemp)
trap 'rm -f "$said"' EXIT
tell() {
    failed=1
    echo "$2: $1 failed; the next run tries again. systemd says:" >&2
    systemctl status --no-pager --full --lines=0 -- "$2" >&2 || :
    # The status leaves out what was said before systemd began to try again.
    journalctl --no-pager --quiet --output=cat --lines=15 --unit="$2" >&2 || :
}
each() {
    verb=$1; shift
    for unit; do
        systemctl "$verb" -- "$unit" 2>"$said" || { cat "$said" >&2; tell "$verb" "$unit"; }
    done
}
# All in one transaction, so that they start side by side; then each is looked at.
together() {
    verb=$1; shift
    systemctl "$verb" -- "$@" 2>"$said" || { cat "$said" >&2; failed=1; }
    for unit; do
        systemctl is-active --quiet -- "$unit" && continue
        [ "$(systemctl show -P ConditionResult -- "$unit")" = no ] || tell "$verb" "$unit"
    done
}
"""
