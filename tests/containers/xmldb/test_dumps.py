"""Dumps of the XML databases on real machines: nothing is lost, whatever dies, and everything comes back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from recettes.containers.estate import ContainersEstate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.xmldb.conftest import LAB, SERVER, as_at_first, declare_edition
from tests.harness import TestLab

DUMP = "/usr/local/lib/recettes/xmldb-dump"
DUMPS = "/srv/basex/dumps"
# The timer shall make none meanwhile.
FAR = f"{datetime.now(ZoneInfo('America/Montreal')) + timedelta(hours=12):%H:%M}"
COPIED = SERVER + f', dumps=XmlDumps(at="{FAR}", keep=2, copy_to="apps")'
FLOW = '        Flow(source="xmldb", to="apps", port=22, why="copies of the dumps"),\n    ),\n    xmldb='
# Every resource of every database; what is read from an index is not in it.
DIGESTS = """
string-join(for $database in db:list() for $path in sort(db:list($database))
let $content := if (db:type($database, $path) = 'xml') then serialize(db:get($database, $path))
                else string(db:get-binary($database, $path))
return $database || ' ' || $path || ' ' || xs:hexBinary(hash($content, 'SHA-256')), '&#10;')
"""
# Long enough that it is still being written when the server is killed.
LONG = """
for $n in 1 to 200 return db:add('notes', <many>{ (1 to 3000) ! <one>{ $n }</one> }</many>, 'n' || $n || '.xml'),
for $p in db:get('notes')//p return replace value of node $p with 'half'
"""
# Writes until it is told that it is enough, and notes the number of the last.
BUSY = """
n=0
while [ ! -e /run/enough ]; do
    n=$((n + 1))
    echo "db:put('notes', <n/>, 'more-$n.xml')" | /usr/local/lib/recettes/xmldb query && echo $n >/run/written
done
"""
# A package, and what a run leaves of one whose first release does not compile.
PACKAGES = """
cd /srv/basex/repo
mkdir -p tools/tools
cat >tools/expath-pkg.xml <<'END'
<package xmlns="http://expath.org/ns/pkg" name="http://lab.test/tools" abbrev="tools" version="1" spec="1.0">
  <xquery><namespace>http://lab.test/tools</namespace><file>tools.xqm</file></xquery>
</package>
END
echo "module namespace t = 'http://lab.test/tools'; declare function t:version() { 'packed' };" >tools/tools/tools.xqm
ln -s ../packages/refused/current refused
/usr/local/lib/recettes/xmldb reload
"""
PACKED = "import module namespace t = 'http://lab.test/tools'; t:version()"


@pytest.fixture(scope="module")
def kept(edition_made: TestLab) -> Iterator[TestLab]:
    """The edition, one database more that people have written, and a second machine that keeps copies of the dumps."""
    as_at_first(edition_made)
    folder = edition_made.estate.folder
    before = {name: (folder / name).read_bytes() for name in ("machines.toml", "known_hosts", "ssh_config")}
    store = ContainersEstate(folder, ["books", "apps"], groups={"books": ("xmldb",)}).make()["apps"]
    try:
        declare(edition_made)
        ran = edition_made.apply("lab")
        assert ran.status == 0, ran.output
        query(edition_made.web, "db:create('notes', (1 to 40) ! <note><p>{ . }</p></note>, (1 to 40) ! ('d/' || . || '.xml'))")
        query(edition_made.web, "db:put-binary('notes', xs:base64Binary('AAECAw=='), 'scan.png')")
        query(edition_made.web, "user:create('ada', 'a-long-enough-word', 'read', 'notes')")
        edition_made.notes["kept"] = edition_made.web.snapshot("kept")
        yield edition_made
    finally:
        store.remove()
        for name, content in before.items():
            (folder / name).write_bytes(content)


@pytest.fixture
def lab(kept: TestLab) -> TestLab:
    """The same, as it was."""
    kept.web.remake(kept.notes["kept"])
    until(lambda: query(kept.web, "count(db:list())", check=False) == "3", "the server answers")
    return kept


def declare(lab: TestLab) -> None:
    declare_edition(lab, COPIED)
    file = lab.group_data / "lab.py"
    file.write_text(file.read_text().replace("    ),\n    xmldb=", FLOW, 1))
    assert 'to="apps"' in file.read_text() and LAB


def query(machine: Machine, text: str, *, check: bool = True) -> str:
    return machine.run(f"/usr/local/lib/recettes/xmldb query <<'END'\n{text}\nEND", check=check).out.strip()


def dumped(machine: Machine, *words: str) -> str:
    """One more dump; its name."""
    return machine.run(f"{DUMP} dump {' '.join(words)}").out.partition(":")[0]


def dumps(machine: Machine) -> list[str]:
    return [json.loads(line)["name"] for line in machine.run(f"{DUMP} list").out.splitlines()]


def nightly(lab: TestLab) -> str:
    """What the timer starts. The newest dump after it, which has to be on the other machine, too."""
    machine, before = lab.web, dumps(lab.web)
    machine.run("systemctl start recettes-xmldb-dump.service", check=False)
    made = dumps(machine)[-1]
    assert made not in before
    assert f"{made}  here and on apps " in lab.command("bin/xmldb", "list").stdout
    return made


def failed(machine: Machine) -> bool:
    return "recettes-xmldb-dump.service" in machine.run("systemctl --failed --plain --no-legend").out


def store(lab: TestLab) -> Machine:
    return ContainersEstate(lab.estate.folder, ["apps"]).machine("apps")


def test_everything_comes_back_on_a_fresh_machine_from_the_copy_on_another(lab: TestLab) -> None:
    machine = lab.web
    digests = query(machine, DIGESTS)
    assert digests.count("\n") > 41
    machine.run(PACKAGES)
    assert query(machine, PACKED) == "packed"
    nightly(lab)
    assert not failed(machine)
    said = lab.command("bin/xmldb", "dump")
    assert "3 databases" in said.stdout and "copied to apps" in said.stdout, said.stderr
    assert "package refused: not in the dump" in said.stdout

    machine.remake(lab.notes["image"])  # as it is after its first run: without dumps, and without what people wrote
    assert (ran := lab.apply("lab")).status == 0, ran.output
    query(machine, "db:drop('letters-fr')")
    assert "apps" in lab.command("bin/xmldb", "list").stdout
    refused = lab.command("bin/xmldb", "restore", "--all", "--from-copy")
    assert refused.returncode == 1 and "nobody to ask" in refused.stderr
    assert "notes" not in query(machine, "db:list()")
    restored = lab.command("bin/xmldb", "restore", "--all", "--from-copy", "--yes")
    assert restored.returncode == 0, restored.stderr

    assert query(machine, DIGESTS) == digests
    assert query(machine, PACKED) == "packed"
    ada = machine.run("curl -s -u ada:a-long-enough-word http://$(hostname -i):8984/rest/notes")
    assert 'name="notes"' in ada.out and "scan.png" in ada.out
    assert "</html>" in lab.curl("https://letters.lab.test/", "--fail").stdout
    # The next run knows what they were made of.
    assert [
        str(record.change) for record in lab.dry("lab").records if record.change and record.change.subsystem == "databases"
    ] == []


def test_the_key_of_the_copies_can_do_nothing_else(lab: TestLab) -> None:
    machine, name = lab.web, dumped(lab.web)
    assert machine.run("/usr/local/lib/recettes/xmldb-copies push").code == 0
    options = (
        "-i /var/lib/recettes/basex/dumps-key -o BatchMode=yes -o HostKeyAlias=apps -o IdentitiesOnly=yes "
        "-o UserKnownHostsFile=/etc/recettes/xmldb-dumps.known_hosts"
    )
    there = f"dumps-xmldb@{store(lab).address}"
    zeros = "0" * 64
    for command, why in {
        "": "does nothing but",
        "sh -i": "does nothing but",
        "cat /etc/passwd": "does nothing but",
        "list; id": "does nothing but",
        f"put ../../root/x.tar {zeros}": "no name of a dump",
        f"put {name}.tar {zeros}": "is here already, and stays as it is",
        f"put 20200101T000000Z.tar {zeros}": "arrived damaged, and was not kept",
        "get ../../etc/passwd.tar": "no name of a dump",
    }.items():
        answer = machine.run(f"ssh -T {options} {there} {command!r} </dev/null", check=False)
        assert (answer.code, answer.out) == (1, "") and why in answer.err, command
    assert machine.run(f"echo ls | sftp {options} {there}", check=False).code != 0
    forwarded = machine.run(
        f"timeout 20 ssh -T {options} -o ExitOnForwardFailure=yes -W 127.0.0.1:22 {there} </dev/null", check=False
    )
    assert "prohibited" in forwarded.err and not forwarded.out
    # The same key from elsewhere.
    key = lab.scratch / "stolen"
    key.touch(0o600)
    key.write_text(machine.run("cat /var/lib/recettes/basex/dumps-key").out)
    known, alone = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no", "-o BatchMode=yes -o IdentitiesOnly=yes"
    words = ["ssh", "-F", "/dev/null", "-i", str(key), *known.split(), *alone.split(), there, "list"]
    stolen = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "Permission denied" in stolen.stderr


def test_old_dumps_go_a_damaged_one_is_refused_and_a_full_disk_costs_none(lab: TestLab) -> None:
    machine = lab.web
    first, second = dumped(machine), dumped(machine, "--label", "by-hand")
    third, fourth = dumped(machine), dumped(machine)
    assert dumps(machine) == [second, third, fourth] and first not in dumps(machine)

    machine.run(f"echo x >>{DUMPS}/{fourth}/databases/notes.zip")
    refused = machine.run(f"{DUMP} restore notes --from {fourth}", check=False)
    assert refused.code == 1 and "is damaged: databases/notes.zip" in refused.err
    assert machine.run(f"{DUMP} restore notes --from {third}").code == 0

    before = dumps(machine)
    with machine.full_disk(DUMPS):
        full = machine.run(f"systemctl start recettes-xmldb-dump.service || {DUMP} dump", check=False)
        assert full.code == 1 and "no dump was made, and those before stay" in full.err
        assert dumps(machine) == before
    assert failed(machine)
    assert machine.run("find /srv/basex/data -name '*.zip'").out == ""
    dumped(machine)


def test_a_server_killed_while_it_writes_comes_up_by_itself_with_the_last_dump_and_says_so(lab: TestLab) -> None:
    machine = lab.web
    digests = query(machine, DIGESTS)
    dump = dumped(machine)
    machine.run(f"""cat >/run/long.xq <<'END'
{LONG}
END
    nohup /usr/local/lib/recettes/xmldb query </run/long.xq >/dev/null 2>&1 &
    for try in $(seq 600); do [ ! -e /srv/basex/data/notes/upd.basex ] || break; sleep 0.02; done
    systemctl kill --signal KILL basex.service""")
    until(lambda: query(machine, "count(db:list())", check=False) == "3", "the server answers again")
    assert query(machine, DIGESTS) == digests
    said = machine.run("journalctl --no-pager -o cat -u basex.service").out
    assert "notes: it was being changed when the server ended. The damaged files are kept in /srv/basex/damaged/notes-" in said
    assert f"notes: restored from the dump {dump}, 41 documents" in said
    assert "/srv/basex/damaged/notes-" in lab.command("bin/xmldb", "list").stdout
    machine.run("systemctl start recettes-watch.service")
    assert "! /srv/basex/damaged/notes-" in machine.run("cat /var/lib/recettes/watch.txt").out
    # One that no dump has is made anew by the next run, of what it was made of.
    machine.run(f"rm -rf {DUMPS}/2*; touch /srv/basex/data/letters-fr/upd.basex; systemctl kill --signal KILL basex.service")
    until(lambda: query(machine, "count(db:list())", check=False) == "2", "the server answers again")
    assert (ran := lab.apply("lab")).status == 0, ran.output
    assert query(machine, DIGESTS) == digests


def test_what_is_written_while_a_database_is_restored_is_not_lost(lab: TestLab) -> None:
    machine = lab.web
    last = dumped(machine)
    machine.run(f"""cat >/run/busy <<'END'
{BUSY}
END
    nohup sh /run/busy >/dev/null 2>&1 &""")
    until(lambda: machine.run("[ -s /run/written ]", check=False).code == 0, "it writes")
    refused = machine.run(f"{DUMP} restore notes --from {last}", check=False)
    machine.run("touch /run/enough")
    assert refused.code == 1
    assert "notes was not restored and is as it was: " in refused.err
    assert "it was written to meanwhile; try again when nobody does" in refused.err
    count = "count(db:list('notes')[starts-with(., 'more-')])"
    until(lambda: not machine.run("pgrep -f '[s]h /run/busy'", check=False).out, "the last of them is written")
    assert query(machine, count) == machine.run("cat /run/written").out.strip()
    assert machine.run(f"{DUMP} restore notes --from {last}").code == 0
    assert query(machine, count) == "0"
    # What was restored is what comes back, and not what it took the place of.
    spoiled = next(dump for dump in reversed(dumps(machine)) if dump.endswith("-before-restore"))
    assert spoiled > last
    machine.run("touch /srv/basex/data/notes/upd.basex; systemctl kill --signal KILL basex.service")
    until(lambda: query(machine, count, check=False) == "0", "the server answers again")
    assert f"notes: restored from the dump {last}" in machine.run("journalctl --no-pager -o cat -u basex.service").out


def test_a_damaged_database_keeps_no_other_from_being_dumped_and_its_last_dump_from_going(lab: TestLab) -> None:
    machine = lab.web
    last = dumped(machine)
    notes = [line for line in query(machine, DIGESTS).splitlines() if line.startswith("notes ")]
    machine.run("echo x >/srv/basex/data/notes/tbl.basex")
    # BaseX opens it as if nothing was wrong.
    assert query(machine, "db:info('notes')//documents/string()") == "40"
    said = machine.run(f"{DUMP} dump", check=False)
    assert said.code == 3 and "2 databases; letters-en" in said.out
    assert said.err.startswith("the database notes cannot be read: ")
    assert f"`bin/xmldb restore notes --from {last}` puts that in its place" in said.err
    made = nightly(lab)
    assert failed(machine)
    assert last in dumps(machine) and len(dumps(machine)) == 3
    restored = lab.command("bin/xmldb", "restore", "--all", "--from", made, "--yes")
    assert "notes: stays as it is: it could not be read when that dump was made" in restored.stdout, restored.stderr

    assert "it is damaged; its files are kept" in lab.command("bin/xmldb", "purge", "notes", "--dry").stdout
    purged = lab.command("bin/xmldb", "purge", "notes", "--yes")
    assert "notes: purged; it was damaged; its files are kept in /srv/basex/damaged/notes-" in purged.stdout, purged.stderr
    assert machine.run("cat /srv/basex/damaged/notes-*/tbl.basex").out == "x\n"
    assert "notes" not in query(machine, "db:list()")
    nightly(lab)
    assert not failed(machine)
    assert last not in dumps(machine)
    back = lab.command("bin/xmldb", "restore", "notes", "--from-copy", "--from", last, "--yes")
    assert back.returncode == 0, back.stderr
    assert [line for line in query(machine, DIGESTS).splitlines() if line.startswith("notes ")] == notes


def test_only_a_database_that_is_declared_no_more_is_purged_and_its_last_state_stays(lab: TestLab) -> None:
    machine = lab.web
    declared = lab.command("bin/xmldb", "purge", "letters-en", "--yes")
    assert declared.returncode == 1 and "letters-en is declared, in project letters" in declared.stderr
    unknown = lab.command("bin/xmldb", "purge", "nothing", "--yes")
    assert unknown.returncode == 1 and "there is no database nothing here" in unknown.stderr
    notes = [line for line in query(machine, DIGESTS).splitlines() if line.startswith("notes ")]
    assert "notes" in lab.command("bin/xmldb", "purge", "notes", "--dry").stdout
    assert "notes" in query(machine, "db:list()")

    purged = lab.command("bin/xmldb", "purge", "notes", "--yes")
    assert "notes: purged; its last state is in the dump" in purged.stdout, purged.stderr
    assert "notes" not in query(machine, "db:list()")
    back = lab.command("bin/xmldb", "restore", "notes", "--from", dumps(machine)[-1], "--yes")
    assert back.returncode == 0, back.stderr
    assert [line for line in query(machine, DIGESTS).splitlines() if line.startswith("notes ")] == notes
