"""From one version of the XML database server's programs to another: what is planned, and what counts as a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facts.xmldb_upgrade import in_force
from recettes.declarations.xmldb import XmlServer
from recettes.xmldb import names
from recettes.xmldb.building import PROGRAM as BUILD
from recettes.xmldb.dumps import PROGRAM as DUMP
from recettes.xmldb.programs import programs
from recettes.xmldb.upgrade import InForce, plan_links, plan_upgrade
from tests.programs import program

WANTED = programs(XmlServer())
NOW = {"basex": "11.8", "jetty": "12.1.12", "saxon": "12.10"}
OLD = NOW | {"basex": "11.0", "saxon": "12.9"}


def planned(actual: InForce) -> list[tuple[str, str]]:
    changes = plan_links(actual, WANTED) + plan_upgrade(actual, WANTED)
    return [(change.action, change.item) for change in changes]


def test_a_first_installation_only_sets_links() -> None:
    links = [("set", f"/opt/{name}/current") for name in NOW]
    assert planned(InForce()) == links
    # The databases are there already on a machine that was made anew beside its volume.
    assert planned(InForce(guarded=True)) == links
    assert planned(InForce(OLD)) == [links[0], links[2]]


def test_nothing_is_planned_when_the_versions_are_in_force() -> None:
    assert planned(InForce(NOW, guarded=True)) == []


def test_a_server_with_something_to_lose_changes_all_versions_in_one_step_whose_fallback_is_told() -> None:
    (change,) = plan_upgrade(InForce(OLD, guarded=True), WANTED)
    assert (change.action, change.item) == ("upgrade", "basex.service")
    assert change.wanted.startswith("basex 11.0 -> 11.8, saxon 12.9 -> 12.10; all databases are dumped before; ")
    assert change.wanted.endswith("the old programs and the dumped databases come back")


def test_an_upgrade_that_was_cut_off_is_undone_even_when_its_links_look_right() -> None:
    (change,) = plan_upgrade(InForce(NOW, guarded=True, unfinished=True), WANTED)
    assert change.wanted == "what an upgrade that was cut off has left is undone first"


def test_the_answer_of_the_machine_is_understood() -> None:
    part = in_force(NOW)
    assert part.parse(["L basex 11.0", "L jetty /elsewhere", "G", "G", "U"]) == InForce({"basex": "11.0"}, True, True)


def seen(users: str = "admin", **databases: dict[str, str]) -> dict[str, Any]:
    return {"users": users, "databases": databases}


def test_a_database_that_nobody_wrote_to_must_answer_as_before() -> None:
    was = {"written": "1", "has": "3 0 0 9", "finds": "4 26 1"}
    before = seen(letters=was)
    differences = program("xmldb-upgrade").differences
    assert differences(before, seen(letters=was)) == {}
    assert differences(before, seen(letters=was, more=was)) == {}
    assert differences(before, seen()) == {"letters": "is missing"}
    assert differences(before, seen(letters={"wrong": "EOF"})) == {"letters": "cannot be read: EOF"}
    assert differences(before, seen(letters=was | {"finds": "4 26 0"})) == {
        "letters": "answers 3 0 0 9 / 4 26 0 instead of 3 0 0 9 / 4 26 1"
    }
    assert differences(before, seen(users="admin ada", letters=was)) == {"The users": "are not those of before"}


def test_one_that_was_written_to_meanwhile_only_has_to_be_whole() -> None:
    was = {"written": "1", "has": "3 0 0 9", "finds": "4 26 1"}
    differences = program("xmldb-upgrade").differences
    assert differences(seen(letters=was), seen(letters={"written": "2", "has": "4 0 0 12", "finds": "5 26 1"})) == {}


def test_one_that_could_not_be_read_before_does_not_keep_the_others_from_an_upgrade() -> None:
    differences = program("xmldb-upgrade").differences
    assert differences(seen(letters={"wrong": "EOF"}), seen(letters={"wrong": "EOF"})) == {}


def test_an_upgrade_that_was_cut_off_is_undone_once_though_there_are_more_users_and_writings_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade, calls = program("xmldb-upgrade"), []
    was = {"written": "1", "has": "3 0 0 9", "finds": "4 26 1"}
    for name in ("stop", "start", "point"):
        monkeypatch.setattr(upgrade, name, lambda *_: None)
    monkeypatch.setattr(upgrade, "look", lambda: seen("admin ada", letters=was | {"written": "2"}))
    monkeypatch.setattr(upgrade, "call", lambda *words: calls.append(words))
    monkeypatch.setattr(upgrade, "JOURNAL", tmp_path / "upgrade.json")
    (tmp_path / "upgrade.json").touch()
    links = {"basex": {"current": "11.0", "previous": None}}
    told = upgrade.undo({"links": links, "dump": "D", "before": seen("admin", letters=was)})
    assert "all databases answer as before; the users are not those of before: a run makes those that are declared" in told
    assert (calls, upgrade.JOURNAL.exists()) == ([], False)


@pytest.mark.parametrize("why", ["the server does not start", OSError(28, "No space left on device", "/opt/basex")])
def test_why_an_upgrade_failed_is_told_also_where_it_could_not_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: Any
) -> None:
    upgrade = program("xmldb-upgrade")

    def fails(what: Any) -> Any:
        def step(*_: Any) -> None:
            raise what if isinstance(what, OSError) else upgrade.UpgradeError(what)

        return step

    for name, answer in (("call", ""), ("unusable", {}), ("settled", ("D", seen())), ("stop", None)):
        monkeypatch.setattr(upgrade, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(upgrade, "OPT", tmp_path)
    monkeypatch.setattr(upgrade, "JOURNAL", tmp_path / "state/upgrade.json")
    (tmp_path / "basex/11.9").mkdir(parents=True)
    monkeypatch.setattr(upgrade, "start", fails(why))
    monkeypatch.setattr(upgrade, "undo", fails("The old programs are in place again, but not all is well"))
    with pytest.raises(upgrade.UpgradeError) as told:
        upgrade.upgrade({"basex": "11.9"})
    assert str(why) in str(told.value) and "not all is well" in str(told.value)


def test_the_program_looks_where_the_recipes_put_things() -> None:
    upgrade = program("xmldb-upgrade")
    found = [upgrade.SERVER, upgrade.DUMP, upgrade.BUILD, str(upgrade.DUMPS), str(upgrade.APPLICATIONS)]
    assert found == [names.PROGRAM, DUMP, BUILD, names.DUMPS, names.RESTXQ]


def test_applications_in_force_and_stylesheets_are_of_use_or_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = program("xmldb-upgrade")
    for app in ("desk", "letters"):
        (tmp_path / f"apps/{app}/releases/1").mkdir(parents=True)
        (tmp_path / f"apps/{app}/current").symlink_to("releases/1")
    force = tmp_path / "restxq"
    force.mkdir()
    (force / "_health.xqm").touch()
    for app in ("desk", "letters", "never-taken"):
        (force / app).symlink_to(f"../apps/{app}/current")
    checked = []

    def call(*words: str, asked: str | None = None) -> str:
        if asked:
            return "123"
        checked.append(words[1:])
        if "letters" in words:
            raise upgrade.UpgradeError("newer.xqm:2:97: Unknown function: fn:type-of.")
        return ""

    monkeypatch.setattr(upgrade, "APPLICATIONS", force)
    monkeypatch.setattr(upgrade, "call", call)
    assert upgrade.unusable() == {"the application letters": "is refused: newer.xqm:2:97: Unknown function: fn:type-of."}
    assert checked == [("app", app, str(tmp_path / f"apps/{app}/releases/1")) for app in ("desk", "letters")]
    monkeypatch.setattr(upgrade, "TRANSFORMED", "another answer")
    assert upgrade.unusable()["xslt:transform"] == "answers '123'"


def test_what_is_told_of_a_failure_is_short() -> None:
    trace = "\n".join(f"\tat org.basex.Thing.call(Thing.java:{line})" for line in range(99))
    assert program("xmldb-upgrade").short(f"BaseX says: no\n{trace}\n\t... 12 more\nfor good\n") == "BaseX says: no | for good"
    assert len(program("xmldb-upgrade").short("word " * 999)) <= 600
