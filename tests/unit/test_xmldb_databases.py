"""XML databases: what is planned, and what is said and left."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from facts.xmldb import database_states
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlDatabase
from recettes.releases import Release
from recettes.shell import whole
from recettes.xmldb import names
from recettes.xmldb.building import sandbox
from recettes.xmldb.databases import (
    ABSENT,
    Database,
    DatabaseState,
    Note,
    databases_of,
    databases_script,
    plan_databases,
    remarks,
)

A, B = "a" * 16, "b" * 16
WANT = Database(A, "git main", {"FTINDEX": "true"})
GOOD = DatabaseState(exists=True, stamp="s", note=Note(A, WANT.digest, False, "s"), current=A)
WRITTEN = replace(GOOD, note=Note(A, WANT.digest, True, "s"), stamp="other")


def planned(is_: DatabaseState, want: Database = WANT) -> list[tuple[str, str]]:
    return [(change.action, change.wanted) for change in plan_databases({"letters": is_}, {"letters": want})]


def test_a_database_as_declared_is_left_alone() -> None:
    assert planned(GOOD) == []


def test_a_database_that_is_missing_is_created_though_there_is_a_note_of_it() -> None:
    assert planned(ABSENT) == [("create", f"of {A} from git main")]
    assert planned(replace(GOOD, exists=False)) == [("create", f"of {A} from git main")]


@pytest.mark.parametrize(
    ("is_", "reason"),
    [
        (replace(GOOD, note=None), "nothing says what it was made of, so all databases are dumped before"),
        (replace(GOOD, note=Note(B, WANT.digest, False, "s")), f"was {B}"),
        (replace(GOOD, note=Note(A, "others", False, "s")), "with other options"),
        (replace(GOOD, damaged=True), "an update of it was cut off"),
        (replace(GOOD, stamp="x"), "its files were changed on the machine"),
    ],
)
def test_a_database_that_is_not_what_it_was_made_of_is_rebuilt_and_the_plan_says_why(is_: DatabaseState, reason: str) -> None:
    assert planned(is_) == [("rebuild", f"of {A} from git main, {reason}")]


def test_a_database_whose_source_was_rolled_back_is_made_of_what_was_before() -> None:
    back = replace(GOOD, current=B, held=A)
    assert planned(back) == [("rebuild", f"of {B} from git main, was {A}")]
    assert planned(replace(back, note=Note(B, WANT.digest, False, "s"))) == []


def test_a_database_that_others_write_to_is_made_once_and_its_source_s_changes_are_only_said() -> None:
    want = replace(WANT, written=True)
    assert planned(ABSENT, want) == [("create", f"of {A} from git main")]
    assert planned(WRITTEN, want) == []
    later = replace(want, release=B)
    assert planned(WRITTEN, later) == []
    (said,) = remarks({"letters": WRITTEN}, {"letters": later})
    assert "letters stays as others wrote it" in said
    assert said.endswith("`bin/xmldb purge letters`, then run again")
    assert remarks({"letters": WRITTEN}, {"letters": want}) == []
    # What is declared of its language and indexes is not silently without effect.
    (said,) = remarks({"letters": WRITTEN}, {"letters": replace(want, options={"LANGUAGE": "fr"})})
    assert "Those that are declared are others." in said and said.endswith("`bin/xmldb purge letters`, then run again")
    taken_over = replace(WRITTEN, note=Note("-", "-", True, "-"))
    assert remarks({"letters": taken_over}, {"letters": want}) == []


def test_what_was_written_is_not_lost_when_nobody_is_declared_to_write_any_more() -> None:
    later = replace(WANT, release=B)
    assert planned(WRITTEN, later) == []
    (said,) = remarks({"letters": WRITTEN}, {"letters": later})
    # bin/xmldb refuses to purge what is declared and made of its source.
    way = "take it out of its project and of the `reads` of applications and people, `bin/xmldb purge letters`, declare it again"
    assert way in said
    (gone,) = remarks({"letters": replace(WRITTEN, exists=False)}, {"letters": WANT})
    assert way in gone


def test_a_database_that_others_wrote_and_that_is_gone_is_not_silently_made_anew() -> None:
    gone = replace(WRITTEN, exists=False)
    assert planned(gone, replace(WANT, written=True)) == []
    (said,) = remarks({"letters": gone}, {"letters": WANT})
    assert "bin/xmldb restore letters" in said


def test_a_database_of_an_earlier_machine_that_others_write_to_is_taken_over_as_it_is() -> None:
    assert [action for action, _ in planned(replace(GOOD, note=None), replace(WANT, written=True))] == ["leave"]


def test_what_may_be_somebody_s_is_dumped_before_it_is_made_anew() -> None:
    def script(is_: DatabaseState) -> str:
        (change,) = plan_databases({"letters": is_}, {"letters": WANT})
        return databases_script(change, is_, WANT)

    assert script(replace(GOOD, note=None)).startswith("/usr/local/lib/recettes/xmldb-dump dump --label before-rebuild || ")
    assert "xmldb-dump" not in script(ABSENT) + script(replace(GOOD, stamp="x"))


def test_a_database_that_is_not_declared_stays_and_that_is_said() -> None:
    assert plan_databases({"old": GOOD}, {}) == []
    assert remarks({"old": GOOD}, {}) == ["database old is not declared; it stays until `bin/xmldb purge old`"]


def test_what_a_dead_run_left_goes_with_the_next_one() -> None:
    assert [action for action, _ in planned(replace(GOOD, stray=True))] == ["clean"]
    assert [change.action for change in plan_databases({"old": replace(GOOD, stray=True)}, {})] == ["clean"]
    assert [action for action, _ in planned(replace(GOOD, stray=True, stamp="x"))] == ["rebuild"]


def test_options_are_those_declared_and_nothing_outside_a_document_is_read() -> None:
    declared = XmlDatabase(name="letters", source=Folder(path="x"), language="fr", stemming=False, whitespace=False)
    plain = XmlDatabase(name="plain", source=Folder(path="x"), fulltext=False)
    writer = XmlApp(name="app", source=Folder(path="x"), writes=("plain",))
    releases = {name: Release(A * 4, "folder x") for name in ("letters", "plain")}
    made = databases_of([declared, plain], [writer], [], releases)
    letters, other = made["letters"].options, made["plain"].options
    assert (letters["LANGUAGE"], letters["STEMMING"], letters["STRIPWS"], letters["AUTOOPTIMIZE"]) == (
        "fr",
        "false",
        "true",
        "false",
    )
    assert (letters["DTD"], letters["XINCLUDE"]) == ("false", "false")
    assert (other["FTINDEX"], other["AUTOOPTIMIZE"], made["plain"].written) == ("false", "true", True)
    assert made["letters"].digest != made["plain"].digest


def test_a_build_can_reach_neither_network_nor_other_files() -> None:
    lines = sandbox()
    assert "PrivateNetwork=yes" in lines
    assert "RestrictAddressFamilies=AF_UNIX" in lines
    assert any(line.startswith("TemporaryFileSystem=") and "/srv" in line for line in lines)


def test_what_a_restore_has_beside_a_database_is_not_taken_for_one(tmp_path: Path) -> None:
    for name in ("notes", "notes@restored", "letters@new"):
        (tmp_path / "data" / name).mkdir(parents=True)
    part = database_states(())
    script = whole(part.script.replace(names.ROOT, str(tmp_path)))
    answer = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True)
    assert part.parse(answer.stdout.splitlines()) == {"notes": DatabaseState(exists=True), "letters": DatabaseState(stray=True)}


def test_states_are_read_by_name_and_an_odd_answer_is_unread() -> None:
    parse = database_states(["letters"]).parse
    read = parse([
        "D letters", "D My old one", "U letters", "X notes", f"N letters {A} o made s", "N notes cut", "S letters s",
        f"L letters releases/{A}", f"H letters {B}",
    ])  # fmt: skip
    assert read["letters"] == DatabaseState(True, True, "s", Note(A, "o", False, "s"), A, B)
    assert read["My old one"] == DatabaseState(exists=True)
    assert read["notes"] == DatabaseState(stray=True)
    with pytest.raises(ValueError, match="find"):
        parse(["find: I/O error"])
