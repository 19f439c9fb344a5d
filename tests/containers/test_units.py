"""Units on a real machine: what is due is due by state, not by history. The service itself says what it did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from tests.containers.one_operation import Controller

pytestmark = pytest.mark.containers

DEMO = "recettes-demo.service"
# Reads its files at start and at SIGHUP; will not reload what holds the word "broken".
PROGRAM = """#!/bin/sh
read_all() { cat /etc/demo/* >/run/demo.read 2>/dev/null; echo "$1" >>/run/demo.log; }
trap 'read_all reloaded' HUP
read_all started
while :; do sleep 0.1; done
"""
RELOAD = "/bin/sh -c '! grep -q broken /etc/demo/* && kill -HUP $MAINPID && sleep 0.3'"
DEPLOY = """
from operations.files import files
from operations.units import dropped, units
from recettes.files import text
from recettes.loaded import recorders
from recettes.units import Unit

wanted = {
    "recettes-demo.service": Unit(
        definition=("/etc/systemd/system/recettes-demo.service", "/usr/local/bin/demo"), reads=("/etc/demo",), reload=@RELOAD@
    ),
    "recettes-demo.timer": Unit(definition=("/etc/systemd/system/recettes-demo.timer",)),
}
contents = {
    "/usr/local/bin/demo": text(@PROGRAM@, mode=0o755),
    "/etc/systemd/system/recettes-demo.service": text(
        "[Unit]\\nDescription=@DESCRIPTION@\\n[Service]\\nExecStart=/usr/local/bin/demo\\nExecReload=/bin/false\\n"
        "[Install]\\nWantedBy=multi-user.target\\n"
    ),
    "/etc/systemd/system/recettes-demo.timer": text("[Timer]\\nOnCalendar=@WHEN@\\n[Install]\\nWantedBy=timers.target\\n"),
    **{f"/etc/demo/{name}": text(content) for name, content in @CONF@.items()},
}
for name in @DROPPED@:
    del wanted[name], contents["/etc/systemd/system/" + name]
contents |= recorders(wanted, open("programs/loaded").read())
dropped(name="Dropped units", wanted=frozenset(wanted), files=frozenset(contents))
if @FILES@:
    files(name="Files", wanted=contents)
if @UNITS@:
    units(name="Units", wanted=wanted)
"""


def demo(
    conf: dict[str, str] | None = None, *, description: str = "Demo", when: str = "daily", dropped: tuple[str, ...] = (),
    files: bool = True, units: bool = True,
) -> str:  # fmt: skip
    """A service of ours with configuration files `conf`. Without `units` the run ends before them, as if it died."""
    words = {
        "@RELOAD@": repr(RELOAD), "@PROGRAM@": repr(PROGRAM), "@DESCRIPTION@": description, "@WHEN@": when,
        "@CONF@": repr({"a": "1"} if conf is None else conf), "@DROPPED@": repr(dropped),
        "@FILES@": repr(files), "@UNITS@": repr(units),
    }  # fmt: skip
    deploy = DEPLOY
    for word, value in words.items():
        deploy = deploy.replace(word, value)
    return deploy


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with temporary_estate(["web"]) as estate:
        yield Controller(estate, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def machine(alone: Controller) -> Machine:
    """With the demo service converged."""
    alone.apply(demo())
    return alone.machine


def units_only(changes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(action, item) for action, item in changes if item.endswith((".service", ".timer")) and not item.startswith("/")]


def log(machine: Machine) -> list[str]:
    return machine.run("cat /run/demo.log").out.split()


def read(machine: Machine) -> str:
    return machine.run("cat /run/demo.read").out


def test_a_bare_machine_gets_its_units_exactly_as_planned(alone: Controller) -> None:
    done = alone.converge(demo())
    assert ("reload definitions", "systemd") in done
    assert units_only(done) == [
        ("enable", DEMO),
        ("start", DEMO),
        ("enable", "recettes-demo.timer"),
        ("start", "recettes-demo.timer"),
    ]
    assert alone.machine.run(f"systemctl is-active {DEMO} recettes-demo.timer; systemctl is-enabled {DEMO}").out.split() == [
        "active",
        "active",
        "enabled",
    ]
    assert log(alone.machine) == ["started"]


@pytest.mark.parametrize("conf", [{"a": "2"}, {"a": "1", "b": "1"}, {}])
def test_a_file_changed_added_or_removed_is_one_reload(alone: Controller, machine: Machine, conf: dict[str, str]) -> None:
    before = log(machine)
    assert units_only(alone.converge(demo(conf))) == [("reload", DEMO)]
    assert log(machine) == [*before, "reloaded"]
    assert read(machine) == "".join(conf.values())


def test_a_changed_definition_is_one_restart(alone: Controller, machine: Machine) -> None:
    before = log(machine)
    assert units_only(alone.converge(demo({"a": "5"}, description="Other"))) == [("restart", DEMO)]
    assert log(machine) == [*before, "started"]


def test_a_changed_timer_needs_no_restart_and_is_in_force(alone: Controller, machine: Machine) -> None:
    assert units_only(alone.converge(demo(when="*-*-* 04:05:06"))) == []
    assert "04:05:06" in machine.run("systemctl show -p TimersCalendar -p NextElapseUSecRealtime recettes-demo.timer").out


def test_a_run_that_died_before_the_reload_is_made_good_by_the_next(alone: Controller, machine: Machine) -> None:
    alone.apply(demo({"a": "7"}, units=False))
    assert read(machine) == "1"
    assert alone.dry(demo({"a": "7"})).said == [f"units: reload {DEMO} (has not read /etc/demo/a)"]
    assert alone.converge(demo({"a": "7"})) == [("reload", DEMO)]
    assert read(machine) == "7"


def test_a_run_that_died_before_the_restart_is_made_good_even_after_a_daemon_reload(alone: Controller, machine: Machine) -> None:
    alone.apply(demo(description="Third", units=False))
    machine.run("systemctl daemon-reload")
    assert alone.converge(demo(description="Third")) == [("restart", DEMO)]


def test_a_restart_from_a_definition_that_systemd_had_not_read_does_not_count(alone: Controller, machine: Machine) -> None:
    alone.apply(demo(description="Fourth", units=False))
    machine.run(f"systemctl restart {DEMO}")
    assert alone.converge(demo(description="Fourth")) == [("reload definitions", "systemd"), ("restart", DEMO)]


def test_a_failed_reload_is_shown_and_stays_due_until_it_succeeds(alone: Controller, machine: Machine) -> None:
    run = alone.attempt(demo({"a": "broken"}))
    assert run.status != 0
    assert f"{DEMO}: reload failed" in run.output
    assert "Active: active (running)" in run.output
    assert alone.dry(demo({"a": "broken"})).said == [f"units: reload {DEMO} (has not read /etc/demo/a)"]
    assert read(machine) == "1"
    alone.apply(demo(units=False))
    assert alone.dry(demo()).said == []  # what runs is what lies there again


def test_touch_restart_and_reboot_cause_nothing(alone: Controller, machine: Machine) -> None:
    machine.run("touch /etc/demo/a /usr/local/bin/demo")
    assert alone.dry(demo()).said == []
    machine.run(f"systemctl restart {DEMO}")
    assert alone.dry(demo()).said == []
    machine.reboot()
    assert alone.dry(demo()).said == []
    assert log(machine) == ["started"]


@pytest.mark.parametrize(
    ("damage", "healed"),
    [
        (f"systemctl stop {DEMO}", [("start", DEMO)]),
        (f"systemctl disable {DEMO}", [("enable", DEMO)]),
        (f"rm /etc/systemd/system/multi-user.target.wants/{DEMO}", [("enable", DEMO)]),
        (f"systemctl kill --signal KILL {DEMO}; sleep 0.5", [("start", DEMO)]),
        ("systemctl disable --now recettes-demo.timer", [("enable", "recettes-demo.timer"), ("start", "recettes-demo.timer")]),
        ("rm -r /run/recettes/loaded", [("restart", DEMO)]),
    ],
)
def test_damage_is_seen_and_healed(alone: Controller, machine: Machine, damage: str, healed: list[tuple[str, str]]) -> None:
    machine.run(f"{damage} 2>&1")
    assert alone.converge(demo()) == healed
    assert machine.run(f"systemctl is-active {DEMO} recettes-demo.timer").out.split() == ["active", "active"]


def test_a_masked_unit_of_a_package_comes_back(alone: Controller, machine: Machine) -> None:
    timer = "dpkg-db-backup.timer"
    imports = "from operations.units import units\nfrom recettes.units import Unit\n"
    wanted = f"{imports}units(name='Units', wanted={{{timer!r}: Unit()}})\n"
    alone.converge(wanted)
    machine.run(f"systemctl mask --now {timer} 2>&1")
    assert alone.converge(wanted) == [("unmask", timer), ("enable", timer), ("start", timer)]
    assert machine.run(f"systemctl is-active {timer}; systemctl is-enabled {timer}").out.split() == ["active", "enabled"]


def test_without_our_program_the_service_still_starts_and_is_due(alone: Controller, machine: Machine) -> None:
    machine.run(f"rm /usr/local/lib/recettes/loaded /run/recettes/loaded/*; systemctl restart {DEMO}; systemctl reload {DEMO}")
    assert machine.run(f"systemctl is-active {DEMO}").out.strip() == "active"
    assert units_only(alone.converge(demo())) == [("restart", DEMO)]


def test_a_unit_that_does_not_start_fails_the_run_and_says_why(alone: Controller, machine: Machine) -> None:
    machine.run(
        "printf '[Service]\\nExecStartPre=/bin/sh -c \"echo no way; exit 3\"\\n' >"
        "/etc/systemd/system/recettes-demo.service.d/x.conf"
    )
    machine.run(f"systemctl daemon-reload; systemctl stop {DEMO}")
    run = alone.attempt(demo())
    machine.run("rm /etc/systemd/system/recettes-demo.service.d/x.conf; systemctl daemon-reload")
    assert run.status != 0
    assert f"{DEMO}: start failed" in run.output
    assert "no way" in run.output
    assert alone.converge(demo()) == [("start", DEMO)]


def test_a_dropped_unit_is_stopped_disabled_and_gone(alone: Controller, machine: Machine) -> None:
    gone = demo(dropped=(DEMO, "recettes-demo.timer"))
    assert units_only(alone.converge(gone))[:4] == [
        ("disable", DEMO),
        ("stop", DEMO),
        ("disable", "recettes-demo.timer"),
        ("stop", "recettes-demo.timer"),
    ]
    assert machine.run("systemctl list-units --all --plain --no-legend 'recettes-*'").out == ""
    assert machine.run("find /etc/systemd ! -type d -name '*recettes*'").out == ""
    assert machine.run("ls /etc/demo").out.split() == ["a"]


def test_a_dropped_unit_whose_file_is_gone_already_is_still_stopped(alone: Controller, machine: Machine) -> None:
    machine.run(f"rm -r /etc/systemd/system/{DEMO} /etc/systemd/system/{DEMO}.d; systemctl daemon-reload")
    done = alone.converge(demo(dropped=(DEMO, "recettes-demo.timer")))
    assert ("stop", DEMO) in done
    assert machine.run(f"systemctl is-active {DEMO}", check=False).out.strip() == "inactive"


def test_units_of_others_are_left_alone(alone: Controller, machine: Machine) -> None:
    machine.run("systemd-run --unit neighbour sleep 1000; systemd-run --unit recettes-less-named sleep 1000")
    machine.run("systemctl stop recettes-less-named")
    assert alone.converge(demo()) == []
    assert machine.run("systemctl is-active neighbour").out.strip() == "active"
