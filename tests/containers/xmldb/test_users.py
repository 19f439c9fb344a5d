"""BaseX's users on a real machine: their rights hold, and there are no others."""

from __future__ import annotations

import json
import shlex

import pytest

from recettes.containers.waiting import until
from tests.containers.xmldb.desk import MODULE, Desk, desk_on, tei
from tests.harness import TestLab


@pytest.fixture(scope="module")
def desk(edition_made: TestLab, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Somebody else's database beside those of an application and of two people."""
    desk = desk_on(edition_made, tmp_path_factory.mktemp("desk"))
    desk.database("corpus", a=tei("the river"))
    desk.database("notes", a=tei("a word"))
    desk.database("private", a=tei("nobody's business"))
    desk.app("desk", "reads=('corpus',), writes=('notes',), transforms=('/',)", app=MODULE)
    desk.users["ada"] = "XmlUser(name='ada', reads=('corpus',))"
    desk.users["bo"] = "XmlUser(name='bo', writes=('corpus',))"
    ran = desk.apply()
    assert ran.status == 0, ran.output
    assert desk.dry().changes == []
    # What is asked first of XSLT may take the server longer than it gives to a query.
    until(lambda: desk.ask("/render/desk/desk/sheet") == "one 200", "a transformation is answered")
    return desk


def password(desk: Desk, name: str) -> str:
    got = desk.lab.command("bin/secrets", "--estate", desk.lab.estate.folder.name, "get", f"basex-user-{name}")
    assert got.returncode == 0, got.stderr
    return got.stdout.strip()


def rest(desk: Desk, name: str, query: str, database: str = "") -> str:
    """What a person gets: body and status."""
    body = f'<query xmlns="http://basex.org/rest"><text><![CDATA[{query}]]></text></query>'
    return desk.ask(
        f"/rest/{database}", f"-u {name}:{password(desk, name)}", f"-d {shlex.quote(body)}", "-H 'Content-Type: application/xml'"
    )


@pytest.mark.parametrize("servlet", ["run", "render"])
def test_an_application_reads_and_writes_its_own_databases_and_no_others(desk: Desk, servlet: str) -> None:
    def ask(path: str, *words: str) -> str:
        return desk.ask(f"/{servlet}/desk/desk/{path}", *words)

    assert ask("count/corpus") == "1 200"
    assert ask("note", "-X POST").endswith("200")
    assert "No read permission: private" in ask("count/private")
    assert "No read permission: letters-en" in ask("count/letters-en")
    assert "No write permission" in ask("spoil", "-X POST")
    for refused in ("drop/private", "drop/corpus", "make"):
        assert "No create permission" in ask(refused, "-X POST")
    sheet = ask("sheet")
    assert sheet == "one 200" if servlet == "render" else "No create permission" in sheet
    assert desk.query("string-join(db:list(), ' ')") == "corpus letters-en letters-fr notes private"


def test_a_person_has_the_rights_declared_and_sees_nothing_else(desk: Desk) -> None:
    assert rest(desk, "ada", "count(//p)", "corpus") == "1 200"
    assert rest(desk, "ada", "db:list()") == "corpus 200"
    assert "permission" in rest(desk, "ada", "delete node //p", "corpus")
    assert "permission" in rest(desk, "ada", "user:create('eve', 'x')")
    assert "permission" in rest(desk, "ada", "file:read-text('/etc/passwd')")
    assert rest(desk, "bo", "db:put('corpus', <b/>, 'b.xml')").endswith("200")
    assert rest(desk, "ada", "count(/b)", "corpus") == "1 200"
    assert desk.ask("/rest/corpus", "-u run-desk:").endswith("401")


def test_what_was_changed_by_hand_is_undone_and_each_user_is_named(desk: Desk) -> None:
    desk.query("user:create('eve', 'x', 'admin'), user:grant('run-desk', 'read'), user:drop('render-desk', '*'), user:drop('bo')")
    desk.query("user:password('ada', 'guessed')")
    desk.brings(
        ("xml-users", "change", "ada"),
        ("xml-users", "create", "bo"),
        ("xml-users", "change", "render-desk"),
        ("xml-users", "change", "run-desk"),
        ("xml-users", "remove", "eve"),
    )
    assert desk.ask("/rest", "-u ada:guessed").endswith("401")
    assert rest(desk, "ada", "1") == "1 200"
    assert "No read permission" in desk.ask("/render/desk/desk/count/private")
    assert desk.dry().changes == []


def test_a_rotated_password_is_seen_and_brought_and_shows_nowhere(desk: Desk) -> None:
    before = password(desk, "ada")
    rotated = desk.lab.command("bin/secrets", "--estate", desk.lab.estate.folder.name, "rotate", "basex-user-ada")
    assert rotated.returncode == 0, rotated.stderr
    planned = desk.dry()
    ran = desk.lab.pyinfra("deploys/xmldb.py", "-y", "-vvv", "--diff")
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert [change[1:] for change in ran.changes] == [("xml-users", "change", "ada")]
    assert rest(desk, "ada", "1") == "1 200"
    assert desk.ask("/rest", f"-u ada:{before}").endswith("401")
    said = ran.output + planned.output + json.dumps([record.to_json() for record in ran.records])
    said += desk.lab.web.run("journalctl --no-pager -o cat; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", check=False).out
    for value in (before, password(desk, "ada")):
        assert value not in said


def test_a_person_who_is_declared_no_more_cannot_log_in(desk: Desk) -> None:
    known = password(desk, "bo")
    bo = desk.users.pop("bo")
    # Nobody else writes to it, but what was written stays: the source is not put in its place.
    ran = desk.brings(("xml-users", "remove", "bo"))
    assert "database corpus" not in ran.output
    assert desk.ask("/rest", f"-u bo:{known}").endswith("401")
    desk.users["bo"] = bo


def test_a_list_of_users_that_a_full_disk_has_cut_is_said_and_made_anew(desk: Desk) -> None:
    machine = desk.lab.web
    more = [f"person-{number}" for number in range(20)]
    with machine.full_disk("/srv/basex/data"):
        machine.run("systemctl restart basex")
        desk.users |= {name: f"XmlUser(name={name!r}, reads=('corpus',))" for name in more}
        full = desk.apply()
        assert full.status != 0
        assert "users.xml, the list of BaseX's users, could not be written whole; /srv/basex has" in full.output
        machine.run("systemctl stop basex")
    for name in more:
        del desk.users[name]
    machine.run("systemctl start basex; truncate -s 900 /srv/basex/data/users.xml")
    dump = machine.run("/usr/local/lib/recettes/xmldb-dump dump", check=False)
    assert dump.code == 1
    assert "no dump was made, and those before stay: the list of users is damaged" in dump.err
    # Now the server knows nobody, not even its administrator.
    machine.run("systemctl restart basex")
    assert desk.ask("/run/desk/desk/count/corpus").split()[-1] != "200"
    planned, ran = desk.dry(), desk.apply()
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    until(lambda: desk.ask("/run/desk/desk/count/corpus") == "1 200", "the new server answers")
    assert rest(desk, "ada", "1") == "1 200"
    assert desk.dry().changes == []
