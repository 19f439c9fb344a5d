"""The XML database server as its administrator sees it: planned exactly, made, closed to all others, healed."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest

from recettes.containers.waiting import until
from tests.containers.scanner import scanner_of
from tests.harness import TestLab

PORT = 8984
INSIDE = f"http://$(hostname -i):{PORT}"


def listed(lab: TestLab) -> str:
    """The edition's first page, as visitors get it; empty when it is an error."""
    return lab.curl("https://letters.lab.test/", "--fail").stdout


def serves(lab: TestLab) -> None:
    """A server that has just started may need longer for its first answer than it gives to a query."""
    until(lambda: "</html>" in listed(lab), "the edition is served")


def asked(lab: TestLab, path: str, *words: str) -> str:
    """The status that the server itself gives to the machine."""
    quoted = " ".join(words)
    return lab.web.run(f"curl -s -m 20 -o /dev/null -w '%{{http_code}}' {quoted} {INSIDE}{path}", check=False).out


def secret(lab: TestLab, name: str) -> str:
    got = lab.command("bin/secrets", "--estate", lab.estate.folder.name, "get", name)
    assert got.returncode == 0, got.stderr
    return got.stdout.strip()


def test_the_plan_on_a_bare_machine_is_exactly_what_the_first_run_does(edition_made: TestLab) -> None:
    planned, ran = edition_made.notes["planned"], edition_made.notes["ran"]
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert {"basex.service", "/srv/basex/data/users.xml", "letters-en", "run-letters"} <= planned.items


def test_it_serves_what_is_declared_and_nothing_else_and_a_second_run_changes_nothing(edition: TestLab) -> None:
    again = edition.apply("lab")
    assert (again.status, again.changes) == (0, []), again.output
    serves(edition)
    assert asked(edition, "/health/") == "200"
    machine = edition.web
    listening = {line.split()[3] for line in machine.run("ss -Hltn").out.splitlines()}
    assert f"{machine.address}:{PORT}" in listening
    assert not [place for place in listening if place.endswith((":1984", ":8081", ":8080")) or place == f"*:{PORT}"]
    for path in ("/", "/WEB-INF/web.xml", "/webapp/", "/dba", "/ws", "/webdav", "/nothing"):
        assert asked(edition, path) == "404", path
    assert asked(edition, "/rest") == "401"
    assert asked(edition, "/rest", "-u admin:") == "401"
    assert asked(edition, "/rest", "-u admin:admin") == "401"
    # What answers OPTIONS would run as BaseX's administrator.
    assert asked(edition, "/run/letters/letters", "-X OPTIONS") == "403"
    assert asked(edition, "/run/letters/letters", "-d @/usr/bin/perl") == "413"
    score = machine.run("systemd-analyze security --no-pager basex.service | tail -n 1").out
    assert float(score.split()[-3]) <= 1.5, score
    assert machine.run("stat -c '%U %a' /srv/basex/data /srv/basex/data/users.xml").out.split() == [
        "basex",
        "700",
        "basex",
        "600",
    ]
    assert machine.run("runuser -u basex -- curl -s -m 5 http://127.0.0.1:80/", check=False).code == 7


def test_anybody_on_the_machine_transforms_with_the_same_saxon(edition: TestLab) -> None:
    sheet = """<x:stylesheet version="3.0" expand-text="yes" xmlns:x="http://www.w3.org/1999/XSL/Transform">
<x:output method="text"/><x:template match="/">{string-join(sort(//w), ' ')} {system-property('x:product-version')}</x:template>
</x:stylesheet>"""
    given = f"cd /tmp; echo '<t><w>b</w><w>a</w></t>' >t.xml; cat >t.xsl <<'END'\n{sheet}\nEND\n"
    made = edition.web.run(f"{given}chmod a+r t.x*; runuser -u nobody -- saxon -s:t.xml -xsl:t.xsl; rm t.x*").out
    assert made.startswith("a b HE 12.10"), made


@pytest.mark.slow
def test_others_reach_its_front_only_and_the_administrator_s_computer_ssh_too(edition: TestLab) -> None:
    with scanner_of(edition.web) as scanner:
        assert scanner.open_ports() == {80, 443}
        assert scanner.open_ports(here=True) == {22, 80, 443}


def test_damage_is_named_by_the_plan_and_healed_by_a_run(edition: TestLab) -> None:
    damage = {
        "/etc/recettes/jetty/webapp/WEB-INF/web.xml": "echo '<!-- by hand -->' >>/etc/recettes/jetty/webapp/WEB-INF/web.xml",
        "/etc/recettes/jetty/start.d/99-hand.ini": "echo jetty.http.host=0.0.0.0 >/etc/recettes/jetty/start.d/99-hand.ini",
        "/srv/basex/restxq/letters": "rm /srv/basex/restxq/letters",
        "/srv/basex/data": "chmod 755 /srv/basex/data",
        "/var/lib/recettes/basex/admin": "chmod 644 /var/lib/recettes/basex/admin",
        "/srv/basex/data/users.xml": "echo \"user:password('admin', 'guess')\" | /usr/local/lib/recettes/xmldb query",
        "basex.service": "systemctl stop basex",
        "table inet recettes": "nft flush chain inet recettes output",
    }
    for how in damage.values():
        edition.web.run(how)
    planned = edition.dry("lab")
    missed = [item for item in damage if item not in planned.items]
    assert not missed, f"not seen: {missed} in {planned.output}"
    ran = edition.apply("lab")
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert asked(edition, "/rest", "-u admin:guess") == "401"
    serves(edition)
    assert edition.dry("lab").changes == []


def test_a_password_that_was_rotated_is_the_server_s_and_shows_nowhere(edition: TestLab) -> None:
    before = secret(edition, "basex-admin")
    rotated = edition.command("bin/secrets", "--estate", edition.estate.folder.name, "rotate", "basex-admin")
    assert rotated.returncode == 0, rotated.stderr
    after = secret(edition, "basex-admin")
    assert after != before
    planned = edition.dry("lab")
    machine = edition.web
    with ThreadPoolExecutor() as pool:
        # Also what is in the list of processes for a moment only.
        watch = "until [ -e /run/enough ]; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\\0' ' '"
        watching = pool.submit(machine.run, watch)
        ran = edition.pyinfra("deploys/lab.py", "-y", "-vvv", "--diff")
        machine.run("touch /run/enough")
        seen = watching.result().out
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert "/srv/basex/data/users.xml" in planned.items
    assert "org.basex.BaseX" in seen

    def status(password: str) -> str:
        # By standard input: this test looks into the list of processes.
        config = f'user = "admin:{password}"'
        return edition.web.run(f"curl -s -o /dev/null -w '%{{http_code}}' -K - {INSIDE}/rest <<'END'\n{config}\nEND").out

    assert (status(before), status(after)) == ("401", "200")
    encoded = b64encode(f"admin:{after}".encode()).decode()
    processes = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '"
    files = "find /etc /opt /tmp /usr/local /run /srv/basex -type f -size -2000k -exec cat {} + | tr -d '\\0'"
    said = seen + ran.output + json.dumps([record.to_json() for record in ran.records + planned.records])
    said += machine.run(f"journalctl --no-pager -o cat; {processes}; {files}", check=False).out
    for form in (before, after, encoded):
        assert form not in said


def test_it_comes_back_by_itself_after_kill_9_and_after_a_reboot(edition: TestLab) -> None:
    machine = edition.web
    machine.run("systemctl kill -s KILL --kill-whom=main basex")
    until(lambda: asked(edition, "/health/") == "000", "the server is gone")
    until(lambda: asked(edition, "/health/") == "200", "the server is back")
    serves(edition)
    machine.reboot()
    serves(edition)
    ran = edition.apply("lab")
    assert (ran.status, ran.changes) == (0, []), ran.output


def test_a_port_that_is_taken_is_said_in_a_sentence(edition: TestLab) -> None:
    machine = edition.web
    machine.run(f"systemctl stop basex; systemd-run -q --unit squatter python3 -m http.server --bind {machine.address} {PORT}")
    until(lambda: machine.run(f"ss -Hltn 'sport = :{PORT}'").out != "", "another program listens")
    ran = edition.apply("lab")
    assert ran.status != 0
    assert f"Port {PORT} of {machine.address} is taken by users:((" in ran.output
    assert "python3" in ran.output
    machine.run("systemctl stop squatter")
    healed = edition.apply("lab")
    assert healed.status == 0, healed.output
    serves(edition)


def test_a_front_reaches_what_visitors_may_and_tells_their_address_and_no_machine_else_does(edition: TestLab) -> None:
    """This computer, at the address by which the machine sees it, is declared to be the front, and then no more."""
    machine = edition.web
    here = machine.run("ip -4 route show default").out.split()[2]

    def answer(path: str) -> int:
        connection = http.client.HTTPConnection(machine.address, PORT, timeout=2)
        try:
            # As if the machine itself had asked, by way of a proxy.
            itself = {"X-Forwarded-For": "198.51.100.7", "Forwarded": f"for={machine.address}", "X-Forwarded-Proto": "https"}
            connection.request("GET", path, headers=itself)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    toml = edition.estate.machines_toml
    alone = toml.read_text()
    assert answer("/health/") == 0
    toml.write_text(alone + f'\n[front]\naddress = "{here}"\ngroups = ["web"]\n')
    try:
        ran = edition.apply("xmldb")  # nobody answers as `front`, which fails that one only
        assert ("books", "units", "restart", "basex.service") in ran.changes, ran.output
    finally:
        toml.write_text(alone)
    until(lambda: answer("/run/letters/letters") == 200, "the edition is served")
    assert {path: answer(path) for path in ("/run/letters/letters", "/health/", "/rest", "/rest/letters-en", "/")} == {
        "/run/letters/letters": 200, "/health/": 200, "/rest": 403, "/rest/letters-en": 403, "/": 403,
    }  # fmt: skip
    assert "198.51.100.7" in machine.run("journalctl -u basex -o cat -n 5").out
    assert edition.apply("xmldb").status == 0
    assert answer("/health/") == 0
