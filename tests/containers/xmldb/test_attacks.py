"""What an application's users must not be able to do: each attack is refused, and the others' queries answer meanwhile."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recettes.containers.waiting import until
from tests.containers.xmldb.conftest import as_at_first, declare_edition
from tests.harness import TestLab

INSIDE = "http://$(hostname -i):8984"
ATTACKS = Path(__file__).with_name("attacks.xqm")
PROJECT = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp
project = Project(name="attacks", title="Attacks", answers="Eve",
    sites=(XmlSite(name="attacks", host="attacks.lab.test", app="attacks"),),
    xml_apps=(
        XmlApp(name="attacks", source=Folder(path={folder!r}), reads=("letters-en",), transforms=("/transforming", "/update")),
    ),
)
"""
SHEET = '<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{}</xsl:stylesheet>'
IMPORTING = '<xsl:import href="imported.xsl"/><xsl:output method="text"/>'
IMPORTED = '<xsl:template match="/">imported</xsl:template>'

# Who may only read is refused by BaseX alone; the other by what is around BaseX. Each must get a status that says no.
EVERYBODY = (
    "other-database", "read", "read-password", "read-text", "write", "command", "java", "environment", "fetch", "fetch-file",
    "request", "document", "document-file", "entity", "bomb", "sheet-reads", "sheet-reads-users", "sheet-fetches", "sheet-writes",
    "sheet-java", "evaluated", "jobs", "log", "update/password", "update/user", "update/drop", "update/replace", "update/add",
    "update/install", "pretends",
)  # fmt: skip
ONLY_TRANSFORMS = {"transform": "transformed", "parse": "parsed", "own-stylesheet": "imported"}
REFUSED_SECONDS = 5


@pytest.fixture(scope="module")
def attacked(edition_made: TestLab, tmp_path_factory: pytest.TempPathFactory) -> TestLab:
    """The machine with the sample edition and an application of somebody who means ill."""
    folder = tmp_path_factory.mktemp("attacks")
    shutil.copy(ATTACKS, folder)
    (folder / "importing.xsl").write_text(SHEET.format(IMPORTING))
    (folder / "imported.xsl").write_text(SHEET.format(IMPORTED))
    as_at_first(edition_made)
    declare_edition(edition_made, attacks=PROJECT.format(folder=str(folder)))
    made = edition_made.apply("lab")
    assert made.status == 0, made.output
    # What is asked first, of the server and of XSLT, may take it longer than it gives to a query.
    until(lambda: ask(edition_made, "render", "transform")[1] == "transformed", "a transformation is answered")
    until(lambda: "</html>" in listed(edition_made), "the edition is served")
    return edition_made


def ask(lab: TestLab, servlet: str, what: str, seconds: int = 60) -> tuple[int, str, float]:
    """Status, body and seconds of an answer that only the front gets."""
    below = "transforming/" if servlet == "render" and not what.startswith("update/") else ""
    url = f"{INSIDE}/{servlet}/attacks/attacks/{below}{what}"
    answer = lab.web.run(f"curl -s -m {seconds} -w '\\n%{{http_code}} %{{time_total}}' {url}", check=False).out
    body, _, figures = answer.rpartition("\n")
    status, took = figures.split()
    return int(status), body, float(took)


def listed(lab: TestLab) -> str:
    """The edition's first page as visitors get it; empty when it does not come in time."""
    return lab.curl("https://letters.lab.test/", "--max-time", "5", "--fail").stdout


def test_every_attack_is_refused_at_once_to_both_users_of_an_application_and_others_are_answered(attacked: TestLab) -> None:
    assert ask(attacked, "run", "nothing")[1] == "nothing"
    assert ask(attacked, "run", "granted")[0] == 200
    for what, answer in ONLY_TRANSFORMS.items():
        assert ask(attacked, "run", what)[0] == 500, what
        assert ask(attacked, "render", what)[1] == answer, what

    def attack() -> dict[tuple[str, str], tuple[int, str, float]]:
        return {(servlet, what): ask(attacked, servlet, what) for servlet in ("run", "render") for what in EVERYBODY}

    with ThreadPoolExecutor() as pool:
        attacking = pool.submit(attack)
        while not attacking.done():
            assert "</html>" in listed(attacked)
        got = attacking.result()
    let = {attack: answer for attack, answer in got.items() if answer[0] != 500 or answer[2] > REFUSED_SECONDS}
    assert not let
    assert not any("root:" in body or "hash" in body for _, body, _ in got.values())
    found = attacked.web.run("find /srv/basex/data /srv/basex/repo -name written -o -name '*attacks*' -o -name evil").out
    assert found == ""


def test_no_application_runs_as_another_s_user_nor_transforms_where_that_is_not_declared(attacked: TestLab) -> None:
    assert ask(attacked, "run", "me")[:2] == (200, "run-attacks")
    assert ask(attacked, "render", "me")[:2] == (200, "render-attacks")
    assert ask(attacked, "run", "forward")[:2] == (200, "run-attacks")
    refused = (403, "This path is not for this user.")
    for forward in ("forward-to-another", "forward-to-another-that-transforms", "forward-to-transform"):
        assert ask(attacked, "run", forward)[:2] == refused, forward
        assert ask(attacked, "render", forward)[:2] == refused, forward
    for path in (
        "run/letters/attacks/me",
        "render/letters/attacks/me",
        "render/attacks/attacks/me",
        "health/../run/letters/attacks/me",
    ):
        got = attacked.web.run(f"curl -s --path-as-is -w ' %{{http_code}}' {INSIDE}/{path}").out
        assert got == f"{refused[1]} {refused[0]}", path
    assert "</html>" in listed(attacked)
    assert attacked.curl("https://letters.lab.test/letter/1861-06-09", "--fail").returncode == 0


def test_no_application_calls_another_s_functions_nor_its_own_that_transform(attacked: TestLab) -> None:
    for forward in ("forward-to-another-s-own", "forward-to-another-s-transformation", "forward-to-own-transformation"):
        assert ask(attacked, "run", forward)[:2] == (403, "This path is not for this user."), forward


def test_what_one_application_notes_in_a_session_no_request_brings_to_another(attacked: TestLab) -> None:
    asked = f"curl -s -i -b /run/jar -c /run/jar {INSIDE}/run/attacks/attacks/session"
    for _ in range(2):
        answer = attacked.web.run(asked).out
        assert answer.endswith("nothing kept")
        assert "set-cookie" not in answer.lower()


def test_a_stylesheet_that_never_ends_costs_one_restart_and_the_edition_answers_again(attacked: TestLab) -> None:
    machine = attacked.web
    was = machine.run("systemctl show -P MainPID basex").out
    held = f"for n in $(seq 8); do curl -s -m 10 {INSIDE}/render/attacks/attacks/transforming/sheet-endless & done; wait"
    machine.run(held, check=False)
    until(lambda: machine.run("systemctl show -P MainPID basex").out not in (was, "0\n", "0"), "it starts anew", seconds=240)
    until(lambda: "</html>" in listed(attacked), "the edition is served")
    said = machine.run("journalctl -o cat -u recettes-xmldb-relief").out.splitlines()
    assert [line.partition(" for ")[0] for line in said] == [
        "basex.service starts anew: queries do not end that were told to, of render-attacks"
    ]
    assert attacked.apply("lab").changes == []


def test_a_query_that_never_ends_is_ended_and_the_others_answer_meanwhile(attacked: TestLab) -> None:
    with ThreadPoolExecutor() as pool:
        endless = [pool.submit(ask, attacked, servlet, "endless") for servlet in ("run", "render")]
        time_of: list[float] = []
        while not all(one.done() for one in endless):
            began = time.monotonic()
            assert "</html>" in listed(attacked)
            time_of.append(time.monotonic() - began)
        for status, _, seconds in (one.result() for one in endless):
            assert status == 460
            assert seconds < 15
    assert time_of, "nobody asked meanwhile"


def test_a_query_that_eats_memory_costs_one_restart_and_no_more_memory_than_declared(attacked: TestLab) -> None:
    restarts = int(attacked.web.run("systemctl show -P NRestarts basex").out)
    status, _, _ = ask(attacked, "run", "memory")
    assert status == 0
    until(lambda: ask(attacked, "run", "nothing")[1] == "nothing", "the server answers again")
    assert int(attacked.web.run("systemctl show -P NRestarts basex").out) == restarts + 1
    limit = int(attacked.web.run("systemctl show -P MemoryMax basex").out)
    assert limit == (256 + 512) << 20
    until(lambda: "</html>" in listed(attacked), "the edition is served")
    assert attacked.apply("lab").changes == []


def test_a_visitor_reads_nothing_of_an_error_and_the_log_has_it(attacked: TestLab) -> None:
    assert attacked.curl("https://attacks.lab.test/nothing").stdout == "nothing"
    answered = attacked.curl("https://attacks.lab.test/read", "-w", "%{http_code}").stdout
    assert answered.endswith("500")
    assert "permission" not in answered
    assert "passwd" not in answered
    log = "journalctl -u basex -o cat -n 20"
    why = 'No create permission: file:read-text("/etc/passwd")'
    until(lambda: why in attacked.web.run(log).out, "the log has it", seconds=20)
    assert attacked.curl("https://attacks.lab.test/nosuch", "-w", "%{http_code}").stdout == "no such attack404"
