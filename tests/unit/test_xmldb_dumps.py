"""Dumps of the XML databases: which go, who keeps copies, and what the administrator is told."""

from __future__ import annotations

import json
import tarfile
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paramiko
import pytest

from recettes.declarations.base import DeclarationError
from recettes.gather import gather
from recettes.lab import load
from recettes.roles.dumps import copies_missing
from recettes.secret_values import Secret
from recettes.ssh import host_keys
from recettes.ssh_keys import private_key, public_key
from recettes.xmldb import dumps, names
from recettes.xmldb.databases import NOTES
from recettes.xmldb.tasks import Task, listed, parse_intended
from tests.programs import program

LAB = """
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab
from recettes.declarations.xmldb import XmlDumps, XmlServer
lab = Lab(name="Lab", domain="lab.test", contact="a@lab.test", flows=({flow}), xmldb=XmlServer(dumps=XmlDumps(copy_to={to!r})))
"""
FLOW = 'Flow(source="xmldb", to="web", port=22, why="copies of the dumps")'


def of(days: float, label: str = "") -> str:
    """The name of a dump that is so old."""
    taken = datetime.now(UTC) - timedelta(days=days)
    return taken.strftime("%Y%m%dT%H%M%SZ") + (f"-{label}" if label else "")


def test_of_the_timers_dumps_the_newest_stay_and_one_with_a_label_stays_for_90_days() -> None:
    spent = program("xmldb-dump").spent
    now = datetime.now(UTC)
    usual = [of(days) for days in (4, 3, 2, 1)]
    fresh, old = of(80, "before-upgrade"), of(100, "before-restore")
    assert spent([*usual, fresh, old], 3, now) == [usual[0], old]
    assert spent([*usual, fresh], 10, now) == []


def test_dumps_of_one_second_are_named_in_the_order_in_which_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = program("xmldb-dump")
    monkeypatch.setattr(dump, "DUMPS", tmp_path)
    names = []
    for label in (None, "by-hand", None):
        names.append(dump.next_name(label))
        (tmp_path / names[-1]).mkdir()
    assert names == sorted(names)


def test_a_dump_made_after_the_clock_was_put_right_is_the_newest_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = program("xmldb-dump")
    monkeypatch.setattr(dump, "DUMPS", tmp_path)
    for days in (-100, -101, -102):
        (tmp_path / of(days)).mkdir()
    made = dump.next_name(None)
    names = [one.name for one in tmp_path.iterdir()]
    assert made > max(names)
    assert made not in dump.spent([*names, made], 3, datetime.now(UTC))


@pytest.mark.parametrize("label", ["purge-notes", "before-restore", "Notes", "-x", "a b"])
def test_a_label_that_says_something_else_is_refused(label: str) -> None:
    dump = program("xmldb-dump")
    with pytest.raises(dump.DumpError, match="no dump was made"):
        dump.do_dump(Namespace(label=label))


def test_the_newest_dump_never_goes_however_old_it_is() -> None:
    spent = program("xmldb-dump").spent
    assert spent([of(500, "purge-old")], 1, datetime.now(UTC)) == []
    assert spent([], 1, datetime.now(UTC)) == []


def test_a_copy_goes_only_when_it_is_old_by_the_keepers_clock_and_enough_came_after() -> None:
    spent = program("dump-store").spent
    day = 86400.0
    arrived = {Path(f"{number}.tar"): number * day for number in range(6)}
    assert spent(arrived, 2, 6 * day) == [Path(f"{number}.tar") for number in (3, 2, 1, 0)]
    # However many arrive at once, they push nothing out.
    assert spent(arrived, 2, 5 * day) == [Path(f"{number}.tar") for number in (2, 1, 0)]
    assert spent(dict.fromkeys(arrived, 5 * day), 2, 5 * day) == []


@pytest.mark.parametrize(
    "name", ["x.tar", "../20261123T000000Z.tar", "20261123T000000Z", "20261123T000000Z.tar.sh", "/etc/passwd"]
)
def test_a_copy_has_the_name_of_a_dump_or_is_refused(name: str) -> None:
    store = program("dump-store")
    with pytest.raises(store.Refused, match="no name of a dump"):
        store.place(name)


def test_the_programs_look_where_the_recipes_put_things() -> None:
    dump, copies, store, watch = (program(name) for name in ("xmldb-dump", "xmldb-copies", "dump-store", "watch"))
    found = [dump.SETTINGS, dump.SERVER, dump.DATA, dump.REPO, dump.SOURCES, dump.DUMPS, dump.NOTES, dump.DAMAGED, watch.DAMAGED]
    wanted = [dumps.SETTINGS, names.PROGRAM, names.DATA, names.REPO, names.SOURCES, names.DUMPS, NOTES, *[dumps.DAMAGED] * 2]
    assert [str(path) for path in found] == wanted
    assert [str(path) for path in (copies.SETTINGS, copies.DUMPS, copies.KEY, copies.KNOWN_HOSTS)] == [
        dumps.SETTINGS, names.DUMPS, dumps.KEY, dumps.KNOWN_HOSTS,
    ]  # fmt: skip
    assert (copies.ACCOUNT, str(store.STORE), str(store.SETTINGS)) == (dumps.ACCOUNT, dumps.STORE, dumps.STORE_SETTINGS)


def test_a_package_of_which_nothing_is_in_force_keeps_no_other_from_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = program("xmldb-dump")
    repository, release = tmp_path / "repo", tmp_path / "packages/tools/releases/1"
    release.mkdir(parents=True)
    (release / "tools.xqm").write_text("a module")
    (release / "lost").symlink_to("nowhere")
    repository.mkdir()
    (repository / "tools").symlink_to("../packages/tools/releases/1")
    (repository / "refused").symlink_to("../packages/refused/current")
    monkeypatch.setattr(dump, "REPO", repository)
    assert dump.packages(tmp_path / "packages.tar") == ["refused"]
    with tarfile.open(tmp_path / "packages.tar") as archive:
        assert archive.getnames() == ["tools", "tools/tools.xqm"]


def test_a_copy_comes_from_another_machine_where_the_first_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, got = program("xmldb-copies"), []

    def held(machine: dict[str, str]) -> list[dict[str, str]]:
        if machine["name"] == "web":
            raise copies.CopyError("web does not take copies of the dumps: No route to host")
        return [{"name": of(1)}]

    monkeypatch.setattr(copies, "machines", lambda: [{"name": "web"}, {"name": "apps"}])
    monkeypatch.setattr(copies, "held", held)
    monkeypatch.setattr(copies, "receive", lambda machine, *_: got.append(machine["name"]))
    copies.fetch(of(1), str(tmp_path))
    assert got == ["apps"]
    with pytest.raises(copies.CopyError, match="No route to host"):
        copies.fetch(of(9), str(tmp_path))


def test_a_secret_is_one_key_pair_and_another_secret_is_another() -> None:
    first, second = Secret("basex-dumps", "a" * 32), Secret("basex-dumps", "b" * 32)
    assert private_key(first) == private_key(first)
    assert public_key(first) != public_key(second)
    assert public_key(first).startswith("ssh-ed25519 AAAA")


def test_the_host_keys_of_a_machine_are_those_the_estate_knows(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    key = public_key(Secret("host", "h" * 32))
    known.write_text(f"web,192.0.2.1 {key}\n[192.0.2.1]:2222 {public_key(Secret('host', 'o' * 32))}\n")
    assert host_keys(known, "192.0.2.1", 22) == (key,)
    assert host_keys(known, "192.0.2.1", 2222) != host_keys(known, "192.0.2.1", 22)
    assert host_keys(known, "192.0.2.9", 22) == host_keys(tmp_path / "none", "192.0.2.1", 22) == ()
    hashed = paramiko.HostKeys.hash_host("192.0.2.7")
    known.write_text(f"{hashed} {key}\n")
    assert host_keys(known, "192.0.2.7", 22) == (key,)


@pytest.mark.parametrize(
    ("to", "flow", "said"),
    [
        ("web", "", r'no flow opens it from xmldb to web\. Add to the lab\'s flows: Flow\(source="xmldb", to="web", port=22'),
        ("nowhere", "", "there is no group 'nowhere'"),
        ("xmldb", "", "a copy beside the databases is lost with them"),
    ],
)
def test_copies_go_where_a_flow_leads_or_the_missing_line_is_said(tmp_path: Path, to: str, flow: str, said: str) -> None:
    (tmp_path / "lab.py").write_text(LAB.format(flow=flow, to=to))
    with pytest.raises(DeclarationError, match=said):
        gather(tmp_path)
    (tmp_path / "lab.py").write_text(LAB.format(flow=FLOW + ",", to="web"))
    assert gather(tmp_path).lab.xmldb.dumps.copy_to == "web"


def test_copies_that_go_nowhere_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ESTATES", str(tmp_path)), ("ESTATE", "mylab"), ("GROUP_DATA", str(tmp_path))):
        monkeypatch.setenv(f"RECETTES_{name}", value)
    (tmp_path / "mylab").mkdir()
    (tmp_path / "lab.py").write_text(LAB.format(flow=FLOW + ",", to="web"))
    alone = '[lab]\naddress = "203.0.113.5"\ngroups = ["web", "xmldb"]\n'
    for text, said in (
        (alone, "the dumps of lab are copied nowhere: this estate has no other machine in group web"),
        (alone + '[web]\naddress = "203.0.113.6"\ngroups = ["web"]\n', None),
    ):
        (tmp_path / "mylab" / "machines.toml").write_text(text)
        assert copies_missing(load(), "lab") == said


def test_what_a_task_would_do_is_its_machines_own_word() -> None:
    line = json.dumps({"item": "letters", "action": "restore", "wanted": "40 documents"})
    assert [str(change) for change in parse_intended([line]).changes] == ["dumps: restore letters (40 documents)"]
    assert parse_intended(["refused there is no database x here"]).refusal == "there is no database x here"
    with pytest.raises(ValueError):
        parse_intended(["Traceback (most recent call last):"])


def test_what_a_person_names_reaches_the_machine_as_a_word() -> None:
    assert Task(("restore", "a b;reboot")).command() == "/usr/local/lib/recettes/xmldb-dump restore 'a b;reboot'"


def test_the_list_says_what_each_dump_holds_and_where_it_is() -> None:
    one = {"name": "20261123T023000Z", "files": {"a": {"bytes": 2_500_000}}}
    held = {"databases": {"letters": {"documents": 40, "binaries": 1, "values": 0}}}
    copy = {**one, **held, "on": "web"}
    assert listed([json.dumps({**one, **held}), json.dumps(copy)]) == "20261123T023000Z  here and on web  2.5 MB  letters (41)"
    assert listed([json.dumps(copy)]) == "20261123T023000Z  on web  2.5 MB  letters (41)"
    assert listed([]) == "There are no dumps."
    assert "remove the folder" in listed([f"{dumps.DAMAGED}/letters-20261123T023000Z"])
