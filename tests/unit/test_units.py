"""What is planned for units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from facts.units import unit_table
from recettes.loaded import drop_in, recorders
from recettes.units import Begun, Unit, UnitState, UnitTable, as_begun, overlaid, plan_units, units_script

WEB = "web.service"
RUNS = UnitState("loaded", "active", "running", "enabled")
UNIT = Unit(definition=("/etc/systemd/system/web.service",), reads=("/etc/web",), reload="/bin/kill -HUP $MAINPID")
DEFINED = {"/etc/systemd/system/web.service": "1", drop_in(WEB): "2"}
READ = {"/etc/web/a.conf": "3", "/etc/web/b.conf": "4"}
CURRENT = UnitTable({WEB: RUNS}, {(WEB, "definition"): DEFINED, (WEB, "reads"): READ}, DEFINED | READ)


def said(actual: UnitTable, unit: Unit = UNIT, pending: Mapping[str, str | None] | None = None) -> list[str]:
    return [str(change) for change in plan_units(actual, {WEB: unit}, pending or {})]


def test_a_unit_that_runs_what_lies_there_needs_nothing() -> None:
    assert said(CURRENT) == []
    assert said(CURRENT, pending={"/etc/web/a.conf": "3"}) == []
    assert said(CURRENT, pending={"/etc/website": "9", "/etc/web.conf": None}) == []


@pytest.mark.parametrize(
    ("pending", "words"),
    [
        ({"/etc/web/a.conf": "9"}, "reload web.service (has not read /etc/web/a.conf)"),
        ({"/etc/web/c.conf": "new"}, "reload web.service (has not read /etc/web/c.conf)"),
        ({"/etc/web/a.conf": None}, "reload web.service (still has /etc/web/a.conf, now gone)"),
        ({"/etc/web": None}, "reload web.service (still has /etc/web/a.conf, /etc/web/b.conf, now gone)"),
    ],
)
def test_what_this_run_will_write_is_seen_before_it_is_written(pending: dict[str, str | None], words: str) -> None:
    assert said(CURRENT, pending=pending) == [f"units: {words}"]


def test_what_was_written_by_a_run_that_died_is_seen_by_the_next() -> None:
    assert said(replace(CURRENT, present=DEFINED | READ | {"/etc/web/a.conf": "9"})) == [
        "units: reload web.service (has not read /etc/web/a.conf)"
    ]


def test_a_unit_that_cannot_reload_is_restarted() -> None:
    assert said(CURRENT, replace(UNIT, reload=None), {"/etc/web/a.conf": "9"}) == [
        "units: restart web.service (has not read /etc/web/a.conf)"
    ]


def test_a_changed_definition_restarts_and_does_not_also_reload() -> None:
    assert said(CURRENT, pending={"/etc/systemd/system/web.service": "9", "/etc/web/a.conf": "9"}) == [
        "units: reload definitions systemd (/etc/systemd/system/web.service)",
        "units: restart web.service (has not read /etc/systemd/system/web.service)",
    ]


def test_a_unit_that_has_noted_nothing_yet_is_restarted() -> None:
    assert "restart" in said(replace(CURRENT, noted={}))[0]


def test_many_files_are_counted() -> None:
    pending = {f"/etc/web/{number}.conf": "new" for number in range(8)}
    assert said(CURRENT, pending=pending) == [
        "units: reload web.service (has not read /etc/web/0.conf, /etc/web/1.conf, /etc/web/2.conf and 5 more)"
    ]


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (UnitState("not-found", "inactive", "dead", "not-found"), ["enable", "start"]),
        (UnitState("loaded", "inactive", "dead", "disabled"), ["enable", "start"]),
        (UnitState("loaded", "failed", "failed", "enabled"), ["start"]),
        (UnitState("loaded", "activating", "auto-restart", "enabled"), ["start"]),
        (UnitState("loaded", "active", "running", "disabled"), ["enable"]),
        (UnitState("masked", "inactive", "dead", "masked"), ["unmask", "enable", "start"]),
        (UnitState("loaded", "active", "running", "static"), []),
    ],
)
def test_a_wanted_unit_ends_enabled_and_running(state: UnitState, actions: list[str]) -> None:
    assert [change.action for change in plan_units(replace(CURRENT, states={WEB: state}), {WEB: UNIT}, {})] == actions


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (UnitState("not-found", "inactive", "dead", "not-found"), []),
        (RUNS, ["disable", "stop"]),
        (UnitState("loaded", "inactive", "dead", "static"), []),
    ],
)
def test_an_unwanted_unit_ends_disabled_and_stopped(state: UnitState, actions: list[str]) -> None:
    assert [change.action for change in plan_units(UnitTable({WEB: state}), {WEB: Unit(wanted=False)}, {})] == actions


def test_systemd_reads_its_definitions_once_a_run() -> None:
    pending = {"/etc/systemd/system/web.service": "9"}
    stale = UnitTable({WEB: replace(RUNS, stale=True)})
    wanted = {WEB: Unit()}
    assert [change.action for change in plan_units(stale, wanted, {})] == ["reload definitions"]
    assert plan_units(stale, wanted, pending, reread=frozenset(pending)) == []
    assert plan_units(stale, wanted, pending, reread=frozenset()) != []


def test_a_folder_that_goes_takes_with_it_what_is_below() -> None:
    assert overlaid({"/a/b": "1", "/a/b/c": "1", "/a/bc": "1"}, {"/a/b": None}) == {"/a/bc": "1"}


def test_what_stops_does_so_before_anything_starts() -> None:
    wanted = {WEB: Unit(), "old.service": Unit(wanted=False)}
    off = UnitState("loaded", "inactive", "dead", "enabled")
    script = units_script(plan_units(UnitTable({WEB: off, "old.service": RUNS}), wanted, {}))
    assert script.index("each stop old.service") < script.index("together start web.service")


def test_the_drop_in_restates_the_reload_between_its_own_lines() -> None:
    files = recorders(
        {WEB: UNIT, "web.timer": Unit(definition=("/x",)), "off.service": Unit(wanted=False, reads=("/x",))}, "program"
    )
    assert sorted(files) == ["/etc/systemd/system/web.service.d/zz-recettes-loaded.conf", "/usr/local/lib/recettes/loaded"]
    content = files[drop_in(WEB)].content
    assert content
    reload = [line for line in content.decode().splitlines() if line.startswith("ExecReload=")]
    assert [line.partition("=")[2].split('"')[0].strip() for line in reload] == [
        "",
        "-+/usr/local/lib/recettes/loaded begin %n reads",
        "/bin/kill -HUP $MAINPID",
        "-+/usr/local/lib/recettes/loaded commit %n reads",
    ]


def test_odd_paths_reach_the_program_as_one_word() -> None:
    content = recorders({WEB: Unit(reads=('/etc/a b/50%/$x"',))}, "")[drop_in(WEB)].content
    assert content
    assert r'"/etc/a b/50%%/$$x\""' in content.decode()


def test_an_answer_that_names_fewer_units_is_not_understood() -> None:
    shown = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NeedDaemonReload": "no"}
    shown |= {"ConditionResult": "yes", "ConditionTimestampMonotonic": "1"}
    block = [f"{key}={value}" for key, value in shown.items()]
    with pytest.raises(ValueError, match="shorter"):
        unit_table({WEB: Unit(), "b.service": Unit()}).parse(["= show", *block, "= enabled", "enabled", "= notes"])


def test_what_an_earlier_step_starts_is_foretold_as_running_and_as_having_read_what_is_written_then() -> None:
    unit = {"a.service": Unit(definition=("/opt/a",), reads=("/etc/a",))}
    bare = UnitTable({"a.service": UnitState("not-found", "inactive", "dead", "not-found")})
    first: dict[str, str | None] = {"/opt/a/x": "new", "/etc/a/y": "1"}
    begun = {"a.service": Begun(first, enabled=True)}

    def planned(pending: dict[str, str | None]) -> list[tuple[str, str]]:
        return [(c.action, c.wanted) for c in plan_units(as_begun(bare, unit, begun, done=False), unit, pending)]

    assert planned(first) == []
    assert planned({**first, "/etc/a/z": "2"}) == [("restart", "has not read /etc/a/z")]


def test_what_was_read_as_it_lies_there_is_read_though_nobody_knew_its_digest_before() -> None:
    unit = {"a.service": Unit(definition=("/opt/a",))}
    drop = drop_in("a.service")
    running = UnitState("loaded", "active", "running", "enabled")
    begun = {"a.service": Begun({"/opt/a/x": "new"})}
    there = {"/opt/a/x": "1", drop: "2"}

    def planned(noted: dict[str, str]) -> list[str]:
        table = UnitTable({"a.service": running}, {("a.service", "definition"): noted}, there)
        return [c.action for c in plan_units(as_begun(table, unit, begun, done=True), unit, {"/opt/a/x": "new"})]

    assert planned(there) == []
    assert planned({**there, "/opt/a/x": "0"}) == ["restart"]
