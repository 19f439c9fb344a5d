"""Other versions of BaseX: put in force with all databases answering as before, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from recettes.containers.machine import Answer
from recettes.containers.waiting import until
from tests.containers.xmldb.conftest import SERVER, as_at_first, declare_edition
from tests.harness import TestLab

UPGRADE = "/usr/local/lib/recettes/xmldb-upgrade"
JOURNAL = "/var/lib/recettes/basex/upgrade.json"
# Before a version called 99.1 starts, a database is damaged: as if that version had done it.
DAMAGES = """
mkdir -p /opt/basex/99.1; cp -r /opt/basex/11.8/lib /opt/basex/99.1/
cat >/etc/systemd/system/basex.service.d/test.conf <<'END'
[Service]
ExecStartPre=+/bin/sh -c 'case $$(readlink /opt/basex/current) in 99.1) echo x >/srv/basex/data/letters-en/tbl.basex ;; esac'
END
systemctl daemon-reload
"""
# A function that BaseX has since 11.8, and not in 11.0.
NEWER = """\
module namespace newer = 'http://lab.test/newer';
declare %rest:GET %rest:path('/letters/newer') function newer:answer() { type-of(1) };
"""


class Server:
    def __init__(self, lab: TestLab) -> None:
        self.lab, self.run = lab, lab.web.run

    def query(self, text: str) -> str:
        return self.run(f"/usr/local/lib/recettes/xmldb query <<'END'\n{text}\nEND").out.strip()

    def holds(self) -> str:
        """A digest over all documents, and over what a search finds."""
        documents = self.query(
            "for $name in db:list(), $text in db:get($name) order by $name, db:path($text) return serialize($text), "
            "ft:search('letters-en', 'letter') ! db:path(.)"
        )
        assert len(documents) > 10_000
        return hashlib.sha256(documents.encode()).hexdigest()

    def version(self) -> str:
        return self.query("string(db:system()//version)")

    def links(self) -> list[str]:
        return self.run("cd /opt/basex; readlink current previous", check=False).out.split()

    def upgrade(self, version: str) -> Answer:
        return self.run(f"{UPGRADE} basex={version} jetty=12.1.12 saxon=12.10", check=False)


@pytest.fixture(scope="module")
def server(edition_made: TestLab) -> Iterator[Server]:
    as_at_first(edition_made)
    yield Server(edition_made)
    edition_made.web.run("rm -f /etc/systemd/system/basex.service.d/test.conf")


def test_another_version_is_put_in_force_as_planned_and_the_databases_answer_as_before(server: Server) -> None:
    before = server.holds()
    declare_edition(server.lab, SERVER + ', basex="11.0"')
    back = server.lab.apply("xmldb")
    assert back.status == 0, back.output
    assert (server.links(), server.version()) == (["11.0", "11.8"], "11.0")
    declare_edition(server.lab)
    planned, run = server.lab.dry("xmldb"), server.lab.apply("xmldb")
    assert run.status == 0, run.output
    assert planned.changes == run.changes
    (change,) = [record.change for record in run.records if record.change and record.change.action == "upgrade"]
    assert change.wanted.startswith("basex 11.0 -> 11.8; all databases are dumped before")
    assert (server.links(), server.version()) == (["11.8", "11.0"], "11.8")
    assert server.holds() == before
    assert server.lab.dry("xmldb").changes == []
    assert "before-upgrade" in server.run("ls /srv/basex/dumps").out


def test_a_version_that_does_not_understand_an_application_is_taken_back(server: Server) -> None:
    before, links = server.holds(), server.links()
    # What was damaged before, and is in no dump, is not what keeps it.
    server.query("db:create('torn', (1 to 99) ! <a>a text too long for the table: { . }</a>, (1 to 99) ! (. || '.xml'))")
    server.run("truncate -s 100 /srv/basex/data/torn/txt.basex")
    server.run(f"cat >/srv/basex/apps/letters/current/newer.xqm <<'END'\n{NEWER}END")
    answer = server.upgrade("11.0")
    server.run("rm /srv/basex/apps/letters/current/newer.xqm")
    assert answer.code != 0
    assert answer.err.startswith("The upgrade to basex 11.0 failed: the application letters is refused: newer.xqm:2:")
    assert "type-of" in answer.err
    assert answer.err.endswith(f"The old programs run again (basex {links[0]}); all databases answer as before.\n")
    server.query("db:drop('torn')")
    assert (server.links(), server.holds()) == (links, before)


def test_a_version_that_does_not_start_is_taken_back(server: Server) -> None:
    before, links = server.holds(), server.links()
    server.run("mkdir -p /opt/basex/99.0/lib")
    answer = server.upgrade("99.0")
    assert answer.code != 0
    assert answer.err.startswith("The upgrade to basex 99.0 failed: the server does not start: ")
    assert answer.err.endswith(f"The old programs run again (basex {links[0]}); all databases answer as before.\n")
    assert (server.links(), server.holds()) == (links, before)


def test_a_version_that_is_not_there_changes_nothing(server: Server) -> None:
    started = server.run("systemctl show -P MainPID basex").out
    answer = server.upgrade("99.9")
    assert (answer.code, answer.err) == (1, "There is no /opt/basex/99.9. Nothing was changed.\n")
    assert server.run("systemctl show -P MainPID basex").out == started


def test_a_database_that_the_new_version_damages_comes_back_from_the_dump(server: Server) -> None:
    before, links = server.holds(), server.links()
    server.run(DAMAGES)
    answer = server.upgrade("99.1")
    assert answer.code != 0
    assert "The upgrade to basex 99.1 failed: letters-en " in answer.err
    assert "letters-en came back from the dump " in answer.err
    assert (server.links(), server.holds()) == (links, before)
    assert server.run(f"ls {JOURNAL}", check=False).code != 0


def test_an_upgrade_that_was_cut_off_is_undone_by_the_next_run(server: Server) -> None:
    before, links = server.holds(), server.links()
    server.run("rm -f /etc/systemd/system/basex.service.d/test.conf; systemctl daemon-reload")
    server.run("mkdir -p /opt/basex/99.2; cp -r /opt/basex/11.8/lib /opt/basex/99.2/")
    server.run(f"{UPGRADE} basex=99.2 jetty=12.1.12 saxon=12.10 >/dev/null 2>&1 & echo $! >/run/upgrade.pid")
    until(lambda: server.links()[0] == "99.2", "the link names the new version")
    server.run("kill -9 $(cat /run/upgrade.pid)")
    planned, run = server.lab.dry("xmldb"), server.lab.apply("xmldb")
    assert run.status == 0, run.output
    assert planned.changes == run.changes
    assert ("books", "xmldb", "upgrade", "basex.service") in run.changes
    assert server.links()[0] == links[0]
    assert server.holds() == before
    assert server.lab.dry("xmldb").changes == []
