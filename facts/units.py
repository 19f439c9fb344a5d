"""Units as they are, what each has noted that it has read, and what lies there to be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from facts.survey import Part
from recettes.loaded import DROP_IN, NOTES, definition, records
from recettes.shell import quote, words
from recettes.trials import WAY_BACK
from recettes.units import Unit, UnitState, UnitTable, companion

_ABSENT = ("No such file or directory", "Not a directory")
_SHOW = "systemctl show --property=LoadState,ActiveState,SubState,NeedDaemonReload,ConditionResult,ConditionTimestampMonotonic --"
_ENABLED = "systemctl is-enabled --"
# Kinds of unit that we make: files of theirs that begin with our name are ours alone.
_KINDS = ("service", "timer", "path", "socket")


def unit_table(wanted: Mapping[str, Unit]) -> Part[UnitTable]:
    """The wanted units and the services that their timers start."""
    names = sorted(wanted.keys() | {service for name in wanted if (service := companion(name))})
    notes = [
        f"{NOTES}/{name}.{kind}" for name in sorted(wanted) if records(name, wanted[name]) for kind in ("definition", "reads")
    ]
    roots = sorted({path for name, unit in wanted.items() if unit.wanted for path in (*definition(name, unit), *unit.reads)})
    lines = [*_states(words(names))] if names else []
    lines += [f'for note in {words(notes)}; do [ ! -e "$note" ] || {{ echo "N $note"; cat "$note"; }}; done'] if notes else []
    lines += ["echo '= present'", f"find -L {words(roots)} -type f -exec sha256sum -- {{}} + || :"] if roots else []
    return Part("units", "\n".join(lines) or ":", lambda lines: _parse_table(names, lines))


def dropped_units(units: Collection[str], files: Iterable[str]) -> Part[dict[str, UnitState]]:
    """Units that we made, by name or by our drop-in, and that neither `units` nor a unit file in `files` accounts for."""
    kept = sorted({*units, *(path.rpartition("/")[2] for path in files if path.startswith("/etc/systemd/system/"))})
    # An instance is accounted for by the file of its template. The way back of a trial, whose run died, is not ours to stop.
    patterns = [*(f"recettes-*.{kind}" for kind in _KINDS)]
    named = " -o ".join(f"-name {quote(pattern)}" for pattern in patterns)
    script = f"""
kept={quote("".join(name + chr(10) for name in kept))}
dropped=$(
    {{
        find /etc/systemd/system -maxdepth 2 \\( {named} \\) ! -name '*@.*' -printf '%f\\n'
        find /etc/systemd/system -mindepth 2 -maxdepth 2 -path '*.d/{DROP_IN}' -printf '%h\\n' | sed 's|.*/||; s|\\.d$||'
        systemctl show --property=Id -- {words(patterns)} | sed -n 's/^Id=//p'
    }} | sort -u | sed '/^{WAY_BACK}/d' | while read -r name; do
        template=$(echo "$name" | sed 's/@.*\\./@./')
        echo "$kept" | grep -qxF -e "$name" -e "$template" || echo "$name"
    done
)
[ -n "$dropped" ] || exit 0
echo "$dropped" | sed 's/^/= name /'
{chr(10).join(_states("$dropped"))}
"""
    return Part("dropped", script, _parse_dropped)


def _states(names: str) -> Iterator[str]:
    yield "echo '= show'"
    yield f"{_SHOW} {names}"
    # The state in systemd's memory does not know of a link that somebody removed; is-enabled looks. Its status is not an error.
    yield "echo '= enabled'"
    yield f"{_ENABLED} {names} 2>/dev/null || :"
    yield "echo '= notes'"


def _parse_dropped(lines: list[str]) -> dict[str, UnitState]:
    names = [line.removeprefix("= name ") for line in lines if line.startswith("= name ")]
    return dict(_parse_states(names, lines)) if names else {}


def _parse_states(names: list[str], lines: list[str]) -> Iterator[tuple[str, UnitState]]:
    show, enabled, notes = (lines.index(f"= {word}") for word in ("show", "enabled", "notes"))
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in "\n".join(lines[show + 1 : enabled]).split("\n\n")
    ]
    words_ = lines[enabled + 1 : notes]
    for name, block, word in zip(names, blocks, words_, strict=True):
        # Before it first looks, systemd says that conditions are not met.
        unmet = block["ConditionResult"] == "no" and block["ConditionTimestampMonotonic"] != "0"
        state = UnitState(
            block["LoadState"], block["ActiveState"], block["SubState"], word, block["NeedDaemonReload"] == "yes", unmet
        )
        yield name, state


def _parse_table(names: list[str], lines: list[str]) -> UnitTable:
    if not names:
        return UnitTable({})
    end = lines.index("= present") if "= present" in lines else len(lines)
    noted: dict[tuple[str, str], dict[str, str]] = {}
    note: dict[str, str] = {}
    for line in lines[lines.index("= notes") + 1 : end]:
        if line.startswith("N "):
            name, _, kind = line.removeprefix(f"N {NOTES}/").rpartition(".")
            note = noted[name, kind] = {}
        else:
            note.update([_digest(line)])
    present = dict(_digest(line) for line in lines[end + 1 :] if not (line.startswith("find: ") and line.endswith(_ABSENT)))
    return UnitTable(dict(_parse_states(names, lines[:end])), noted, present)


def _digest(line: str) -> tuple[str, str]:
    digest, separator, path = line.partition("  ")
    if len(digest) != 64 or not separator:
        raise ValueError(line)
    return path, digest
