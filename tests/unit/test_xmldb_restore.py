"""What comes back of the XML databases, by command or after a crash, and what goes for good."""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from argparse import Namespace
from pathlib import Path
from shutil import rmtree
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from recettes import xmldb_cli
from recettes.change import Change
from recettes.estate import Estate, Machine
from recettes.record import Record
from recettes.running import Ran
from tests.programs import program
from tests.unit.test_xmldb_dumps import of


def test_files_of_a_damaged_database_that_cannot_be_kept_are_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = program("xmldb-dump")
    monkeypatch.setattr(dump, "DATA", tmp_path / "data")
    monkeypatch.setattr(dump, "DAMAGED", tmp_path / "damaged")
    (tmp_path / "data/notes").mkdir(parents=True)
    (tmp_path / "data/notes/inf.basex").write_text("torn")
    kept = dump.keep_files("notes")
    assert (kept / "inf.basex").read_text() == (tmp_path / "data/notes/inf.basex").read_text() == "torn"
    with pytest.raises(dump.DumpError, match=r"the files of other could not be kept in .*, and nothing was changed"):
        dump.keep_files("other")
    assert list((tmp_path / "damaged").iterdir()) == [kept]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """xmldb-restore, with all of the machine's folders in `tmp_path`, a damaged database notes and no dump yet."""
    restore = program("xmldb-restore")
    for of_program in (restore, sys.modules["xmldb_dump"]):
        for name in ("DATA", "DUMPS", "DAMAGED", "NOTES"):
            monkeypatch.setattr(of_program, name, tmp_path / name.lower())
    for folder in (restore.DATA / "notes", restore.DUMPS):
        folder.mkdir(parents=True)
    (restore.DATA / "notes/upd.basex").write_text("torn")
    return restore


def has(restore: ModuleType, dump: str) -> None:
    """A dump there has the database notes, as the text that is its own name."""
    (restore.DUMPS / dump).mkdir()
    one = {"file": "notes.zip", "note": None, "documents": 1, "binaries": 0, "values": 0}
    (restore.DUMPS / dump / "notes.zip").write_text(dump)
    files = {"notes.zip": {"sha256": hashlib.sha256(dump.encode()).hexdigest()}}
    manifest = {"format": 1, "databases": {"notes": one}, "files": files}
    (restore.DUMPS / dump / "manifest.json").write_text(json.dumps(manifest))


def unpacked(archive: Path, name: str, place: Path) -> None:
    rmtree(place, ignore_errors=True)
    place.mkdir()
    for file in ("inf.basex", "tbl.basex", "txt.basex", "atv.basex"):
        (place / file).write_text(archive.read_text())


def test_after_a_crash_the_state_that_was_replaced_or_purged_comes_back_last(
    place: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer, by_hand, purged, replaced = of(9), of(8, "by-hand"), of(2, "purge-notes"), of(1, "before-restore")
    for dump in (timer, by_hand, purged, replaced):
        has(place, dump)
    (place.DUMPS / of(7)).mkdir()
    assert place.holders("notes") == [purged, replaced, timer, by_hand]
    monkeypatch.setattr(place, "unpack", unpacked)
    place.do_check(None)
    assert (place.DATA / "notes/tbl.basex").read_text() == by_hand
    (kept,) = place.DAMAGED.iterdir()
    assert (kept / "upd.basex").read_text() == "torn"
    assert [one.name for one in place.DATA.iterdir()] == ["notes"]


def test_what_a_restore_that_died_has_left_goes_with_the_next_dump(place: ModuleType) -> None:
    has(place, of(30))
    old = place.DUMPS / of(30) / "notes.zip"
    for name in ("notes", "letters"):
        unpacked(old, name, place.DATA / f"{name}@restored")
    unpacked(old, "letters", place.DATA / "letters")
    (place.DUMPS / ".partial-users.xml").write_text("<users")
    place.sweep()
    assert sorted(one.name for one in place.DATA.iterdir()) == ["letters", "notes", "notes@restored"]
    assert [one.name for one in place.DUMPS.iterdir()] == [of(30)]


def test_a_full_disk_leaves_nothing_of_the_list_of_users(place: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any, path: Path, **__: Any) -> None:
        path.write_text("<users")
        raise OSError(28, "No space left on device")

    (place.DATA / "users.xml").write_text("<users><user name='admin'/></users>")
    (place.DUMPS / "users.xml").write_text("<users><user name='ada'/></users>")
    monkeypatch.setattr(place, "systemctl", lambda *_: None)
    monkeypatch.setattr(ElementTree.ElementTree, "write", full)
    with pytest.raises(OSError):
        place.put_back_users(place.DUMPS)
    assert list(place.DUMPS.glob(".partial-*")) == []


def test_a_database_of_any_name_is_purged_with_what_waits_beside_it_and_its_last_dump_counts(
    place: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump, name = sys.modules["xmldb_dump"], "Letters_1890"

    def backup(name: str, work: Path) -> dict[str, Any]:
        (work / "databases" / name).write_text("all of it")
        return {"state": "now", "file": f"databases/{name}"}

    monkeypatch.setattr(dump, "LOCK", place.DUMPS / ".lock")
    monkeypatch.setattr(dump, "SOURCES", place.DUMPS / "sources")
    (place.DATA / f"{name}@restored").mkdir()
    for word, answer in (("databases", [name]), ("unreadable", None), ("query", "")):
        monkeypatch.setattr(dump, word, lambda *_, answer=answer: answer)
    monkeypatch.setattr(dump, "backup", backup)
    dump.do_purge(Namespace(name=name, plan=False))
    (made,) = dump.dumps()
    assert made.endswith("-purge-letters-1890")
    assert not (place.DATA / f"{name}@restored").exists()


def test_a_package_that_comes_back_is_a_link_as_runs_make_them(
    tmp_path: Path, place: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REPO", "PACKAGES"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setattr(place, name, tmp_path / name.lower())
    monkeypatch.setattr(place.subprocess, "run", lambda *_, **__: None)
    (tmp_path / "tools.xqm").write_text("a module")
    with tarfile.open(tmp_path / "packages.tar", "w") as archive:
        archive.add(tmp_path / "tools.xqm", "tools/tools.xqm")
    place.put_back_packages(tmp_path)
    assert (place.REPO / "tools").is_symlink() and (place.REPO / "tools/tools.xqm").read_text() == "a module"
    assert [one.name for one in place.REPO.iterdir()] == ["tools"]


def test_a_database_whose_server_is_killed_while_it_is_exchanged_is_left_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xmldb = program("xmldb")

    def query(text: str, _: Any = None) -> bytes:
        if "db:alter" in text:
            (xmldb.DATA / "notes/tbl.basex").unlink()
        if "db:alter" in text or text == "1":
            raise xmldb.RefusedError("the server does not answer")
        return b""

    for name in ("DATA", "STAGING"):
        monkeypatch.setattr(xmldb, name, tmp_path / name.lower())
    for folder in (xmldb.STAGING / "notes/data/notes", xmldb.DATA / "notes"):
        folder.mkdir(parents=True)
        (folder / "tbl.basex").touch()
    monkeypatch.setattr(xmldb, "query", query)
    with pytest.raises(xmldb.RefusedError):
        xmldb.do_swap(["notes"])
    assert (xmldb.DATA / "notes@new/tbl.basex").exists()


def test_one_damaged_dump_hides_no_other(place: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    names = [of(3), of(2), of(1)]
    for name in names:
        has(place, name)
    (place.DUMPS / names[1] / "manifest.json").write_text("")
    sys.modules["xmldb_dump"].do_list(None)
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == names


def test_what_others_have_begun_to_write_since_a_dump_stays_theirs_when_it_comes_back(
    place: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(place, of(1))
    file = place.DUMPS / of(1) / "manifest.json"
    file.write_text(file.read_text().replace('"note": null', '"note": "aaaaaaaaaaaaaaaa options made stamp\\n"'))
    place.NOTES.mkdir()
    (place.NOTES / "notes").write_text("aaaaaaaaaaaaaaaa others written stamp\n")
    monkeypatch.setattr(place, "unpack", unpacked)
    place.do_check(None)
    assert (place.NOTES / "notes").read_text() == "aaaaaaaaaaaaaaaa options written -\n"


@pytest.fixture
def restoring(place: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The same, where nothing is there to be dumped before."""
    monkeypatch.setattr(sys.modules["xmldb_dump"], "LOCK", place.DUMPS / ".lock")
    monkeypatch.setattr(place, "keep_present", lambda names: dict.fromkeys(names, ""))
    return place


def asked(dump: str, *, names: tuple[str, ...] = (), from_copy: bool = False, plan: bool = False) -> Namespace:
    return Namespace(names=list(names), all=not names, dump=dump, from_copy=from_copy, plan=plan)


def test_a_copy_takes_the_place_of_a_dump_that_was_damaged_here(restoring: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    dump, got = of(1), []
    has(restoring, dump)
    listing = (restoring.DUMPS / dump / "manifest.json").read_text()

    def run(words: list[str], **_: Any) -> Namespace:
        if words[1] == "list":
            return Namespace(returncode=0, stdout=json.dumps({"name": dump, **json.loads(listing)}), stderr="")
        (Path(words[-1]) / "manifest.json").write_text(listing)
        (Path(words[-1]) / "notes.zip").write_text(dump)
        return Namespace(returncode=0, stderr="")

    (restoring.DUMPS / dump / "notes.zip").write_text("damaged")
    monkeypatch.setattr(restoring.subprocess, "run", run)
    monkeypatch.setattr(restoring, "put_back", lambda folder, *_: got.append((folder / "notes.zip").read_text()))
    with pytest.raises(restoring.DumpError, match=r"is damaged: notes\.zip"):
        restoring.do_restore(asked(dump, names=("notes",), plan=True))
    restoring.do_restore(asked(dump, names=("notes",), from_copy=True))
    assert got == [dump]


def test_of_all_databases_those_are_named_that_were_not_reached(restoring: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, name: str, *__: Any) -> None:
        if name == "b":
            raise restoring.DumpError("b was not restored and is as it was: it was written to meanwhile")

    has(restoring, of(1))
    file = restoring.DUMPS / of(1) / "manifest.json"
    listing = json.loads(file.read_text())
    file.write_text(json.dumps(listing | {"whole": True, "databases": dict.fromkeys("abc", listing["databases"]["notes"])}))
    monkeypatch.setattr(restoring, "put_back", refuse)
    with pytest.raises(restoring.DumpError, match=r"meanwhile\. Not restored either: c, users and packages$"):
        restoring.do_restore(asked(of(1)))


def test_what_is_restored_is_what_was_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    words = []

    def run(_: str, __: Any, *options: str) -> Ran:
        words.append(options[1])
        change = Change("dumps", "letters", "restore", "40 documents of 20261123T023000Z; it is missing now")
        return Ran((Record("books", "plan", change),), True, "")

    monkeypatch.setattr(xmldb_cli, "run", run)
    monkeypatch.setattr(xmldb_cli, "present_estate", lambda _: Estate("e", Path(), {"b": Machine("b", "192.0.2.1", ("xmldb",))}))
    assert xmldb_cli.main(["restore", "letters", "--yes"]) == 0
    assert words == ["xmldb_task=restore letters", "xmldb_task=restore letters --from 20261123T023000Z"]


@pytest.mark.parametrize("step", ["unpack", "put_back_note", "move"])
def test_what_comes_back_after_a_crash_does_so_too_when_it_is_cut_off_anywhere(
    place: ModuleType, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class PowerCutError(BaseException):
        pass

    dump = of(1)
    has(place, dump)
    monkeypatch.setattr(place, "unpack", unpacked)
    calls, whole = [], getattr(place, step)

    def cut_off(*words: Any) -> Any:
        calls.append(words)
        # Of two moves the second.
        if len(calls) == (2 if step == "move" else 1):
            raise PowerCutError
        return whole(*words)

    monkeypatch.setattr(place, step, cut_off)
    with pytest.raises(PowerCutError):
        place.do_check(None)
    monkeypatch.setattr(place, step, whole)
    monkeypatch.setattr(place, "unpack", unpacked)
    place.do_check(None)
    assert (place.DATA / "notes/tbl.basex").read_text() == dump
    assert [one.name for one in place.DATA.iterdir()] == ["notes"]
    assert len(list(place.DAMAGED.iterdir())) == 1


def test_a_disk_that_is_full_leaves_what_is_damaged_for_the_next_start(
    place: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise place.DumpError("notes needs 9 MB, and there are 0 MB left")

    has(place, of(1))
    monkeypatch.setattr(place, "unpack", full)
    place.do_check(None)
    assert (place.DATA / "notes/upd.basex").exists()
    assert "stays so until the next start of the server, which tries again: notes needs 9 MB" in capsys.readouterr().out
