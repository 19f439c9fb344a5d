"""XML databases on a real machine: made of what is declared, exchanged without a gap, healed, and never lost."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from recettes.containers.waiting import until
from tests.containers.xmldb.desk import MODULE, Desk, desk_on, tei
from tests.harness import PYINFRA, ROOT, TestLab

NEW = (("xml-sources", "publish", "corpus"), ("databases", "rebuild", "corpus"))


@pytest.fixture(scope="module")
def desk(edition_made: TestLab, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Three databases, of which an application may write to one."""
    desk = desk_on(edition_made, tmp_path_factory.mktemp("desk"))
    desk.database("corpus", a=tei("the river", "rivers"), sub__b=tei("no water"))
    desk.database("spare", "fulltext=False, whitespace=False", a=tei("x"))
    desk.database("notes", a=tei("first word"))
    desk.app("desk", "reads=('corpus', 'spare'), writes=('notes',)", app=MODULE)
    desk.declare()
    planned = desk.lab.dry("xmldb")
    ran = desk.apply()
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    made = {(action, item) for _, subsystem, action, item in ran.changes if subsystem == "databases"}
    assert made == {("create", "corpus"), ("create", "spare"), ("create", "notes")}
    assert desk.dry().changes == []
    return desk


@pytest.fixture(autouse=True)
def as_declared(desk: Desk) -> None:
    """Each test begins with the same files; a test that failed shall not fail the others."""
    desk.database("corpus", a=tei("the river", "rivers"), sub__b=tei("no water"))
    desk.database("spare", "fulltext=False, whitespace=False", a=tei("x"))
    ran = desk.apply()
    assert ran.status == 0, ran.output


def test_a_database_has_the_files_and_the_options_that_are_declared(desk: Desk) -> None:
    assert desk.query("string-join(sort(db:list('corpus')), ' ')") == "a.xml sub/b.xml"
    assert desk.ask("/run/desk/desk/find") == "2 200"
    assert desk.query("db:info('spare')//ftindex/string()") == "false"
    assert desk.query("count(db:get('corpus')//text()[not(normalize-space())])") != "0"
    assert desk.query("count(db:get('spare')//text()[not(normalize-space())])") == "0"
    # Who reads changes nothing, though BaseX writes another index when it is first asked for a document by its path.
    assert desk.query("db:get('corpus', 'sub/b.xml')//p/string()") == "no water"
    assert desk.dry().changes == []


def test_one_changed_file_changes_one_database_and_no_visitor_meets_a_gap(desk: Desk) -> None:
    with desk.visited("/run/desk/desk/find") as seen:
        for number in (3, 4):
            desk.database("corpus", a=tei(*["the river"] * number), sub__b=tei("no water"))
            desk.apply()
        desk.database("corpus", a=tei(*["the river"] * 5), sub__b=tei("no water"))
        desk.brings(*NEW)
    assert set(seen) == {"2 200", "3 200", "4 200", "5 200"}
    assert desk.ask("/run/desk/desk/find") == "5 200"


def test_other_options_rebuild_the_database_and_the_plan_says_so(desk: Desk) -> None:
    indexes = "db:info('spare')//(textindex, attrindex, tokenindex, ftindex)/string()"
    assert desk.query(indexes).split() == ["true", "true", "false", "false"]
    desk.database("spare", "whitespace=True, values=('attribute', 'token')", a=tei("x"))
    ran = desk.brings(("databases", "rebuild", "spare"))
    assert "with other options" in ran.output
    assert desk.query(indexes).split() == ["false", "true", "true", "true"]


def test_xml_that_is_no_good_is_refused_with_file_and_line_and_the_old_database_serves_on(desk: Desk) -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">\n' for n in range(1, 10))
    desk.database(
        "corpus",
        good=tei("good"),
        sub__torn="<text>\n<p>torn\n</text>",
        outside="<!DOCTYPE p [<!ENTITY out SYSTEM 'file:///etc/passwd'>]>\n<p>&out;</p>",
        elsewhere="<!DOCTYPE p SYSTEM 'names.dtd'>\n<p>&eacute;</p>",
        bomb=f'<!DOCTYPE p [<!ENTITY e0 "{"x" * 1000}">\n{bomb}]>\n<p>&e9;</p>',
    )
    refused = desk.apply()
    assert refused.status != 0
    for place in ("sub/torn.xml:3:3: mismatched tag", "outside.xml:2:4: &out;", "elsewhere.xml:2:", "bomb.xml:"):
        assert place in refused.output
    assert "good.xml" not in refused.output
    assert "what was before stays" in refused.output
    assert desk.ask("/run/desk/desk/find") == "2 200"


def test_nothing_outside_a_document_gets_into_the_database(desk: Desk) -> None:
    include = "<text xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='other.xml'/><p>river</p></text>"
    desk.database("corpus", a=f"<!DOCTYPE text SYSTEM 'nowhere.dtd'>{include}", other=tei("other"))
    desk.brings(*NEW)
    assert desk.query("db:get('corpus', 'a.xml')/text/*/name()") == "xi:include\np"


def test_damage_is_seen_and_healed(desk: Desk) -> None:
    run, note = desk.lab.web.run, "/var/lib/recettes/basex/databases"
    for damage, action in {
        "echo \"db:drop('corpus')\" | /usr/local/lib/recettes/xmldb query": "create",
        f"rm {note}/corpus; mkdir -p /srv/basex/staging/corpus /srv/basex/data/corpus@new": "rebuild",
        "echo \"db:delete('corpus', 'a.xml')\" | /usr/local/lib/recettes/xmldb query": "rebuild",
        "systemctl stop basex; touch /srv/basex/data/corpus/upd.basex": "rebuild",
    }.items():
        run(damage)
        planned = desk.dry()
        assert ("databases", action, "corpus") in [change[1:] for change in planned.changes], damage
        ran = desk.apply()
        assert ran.status == 0, ran.output
        until(lambda: desk.ask("/run/desk/desk/find") == "2 200", f"it is healed: {damage}")
        assert desk.dry().changes == []
    assert run("ls /srv/basex/staging; ls -d /srv/basex/data/*@*", check=False).out == ""


def test_a_database_that_an_application_writes_to_is_left_to_it_and_a_later_source_is_only_said(desk: Desk) -> None:
    assert desk.ask("/run/desk/desk/notes") == "1 200"
    assert desk.ask("/run/desk/desk/note", "-X POST").endswith("200")
    assert desk.ask("/run/desk/desk/notes") == "2 200"
    desk.database("notes", a=tei("word, and another word"))
    ran = desk.brings(("xml-sources", "publish", "notes"))
    assert "database notes stays as others wrote it" in ran.output
    # Nobody is declared to write any more: what was written is still not thrown away.
    desk.app("desk", "reads=('corpus', 'spare', 'notes')", app=MODULE)
    ran = desk.brings(("xml-users", "change", "run-desk"))
    assert "database notes stays as others wrote it" in ran.output
    assert desk.ask("/run/desk/desk/notes") == "2 200"
    assert "No write permission" in desk.ask("/run/desk/desk/note", "-X POST")
    desk.app("desk", "reads=('corpus', 'spare'), writes=('notes',)", app=MODULE)


def test_a_database_that_is_declared_no_more_stays_and_that_is_said(desk: Desk) -> None:
    spare = desk.databases.pop("spare")
    desk.app("desk", "reads=('corpus',), writes=('notes',)", app=MODULE)
    ran = desk.brings(("xml-users", "change", "run-desk"))
    assert "database spare is not declared; it stays until `bin/xmldb purge spare`" in ran.output
    assert desk.query("count(db:get('spare')//p)") == "1"
    desk.databases["spare"] = spare
    desk.app("desk", "reads=('corpus', 'spare'), writes=('notes',)", app=MODULE)


def test_a_controller_that_is_killed_in_the_middle_leaves_the_old_database_and_the_next_run_ends_it(desk: Desk) -> None:
    desk.database("corpus", a=tei(*["the river"] * 7))
    desk.declare()
    machine = desk.lab.web
    with subprocess.Popen(
        [PYINFRA, "inventory.py", "deploys/xmldb.py", "-y"], cwd=ROOT, env=desk.lab.variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as controller:  # fmt: skip
        until(lambda: _builds(desk), "the database is being built")
        machine.run("pkill -KILL -f '^/usr/bin/python3 -I /usr/local/lib/recettes/xmldb-build'")
        os.killpg(controller.pid, signal.SIGKILL)
    assert desk.ask("/run/desk/desk/find") == "2 200"
    ran = desk.apply()
    assert ran.status == 0, ran.output
    assert desk.ask("/run/desk/desk/find") == "7 200"
    assert desk.dry().changes == []
    assert machine.run("ls /srv/basex/staging").out == ""


def _builds(desk: Desk) -> bool:
    return desk.lab.web.run("systemctl is-active xmldb-build-corpus", check=False).out.strip() in ("active", "activating")


def test_two_runs_at_once_do_not_harm_each_other(desk: Desk) -> None:
    desk.database("corpus", a=tei(*["the river"] * 6))
    desk.declare()
    command = [str(PYINFRA), "inventory.py", "deploys/xmldb.py", "-y"]
    runs = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=desk.lab.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    said = [run.communicate()[0].decode() for run in runs]
    assert 0 in [run.returncode for run in runs], said
    assert desk.ask("/run/desk/desk/find") == "6 200"
    assert desk.dry().changes == []


def test_a_full_disk_leaves_the_old_database(desk: Desk) -> None:
    desk.database("corpus", a=tei(*["the river"] * 8))
    with desk.lab.web.full_disk("/srv/basex/staging"):
        assert desk.apply().status != 0
        assert desk.ask("/run/desk/desk/find") == "2 200"
    assert desk.apply().status == 0
    assert desk.ask("/run/desk/desk/find") == "8 200"
