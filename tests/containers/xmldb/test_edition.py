"""The sample edition as its readers see it, through nginx with TLS: searched, read, looked at; and what readers may not."""

from __future__ import annotations

import json
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from recettes.containers.waiting import until
from tests.containers.browser import Browser
from tests.containers.xmldb.conftest import as_at_first, declare_edition
from tests.harness import TestLab

EDITION = "https://letters.lab.test"
ROOM = "https://room.lab.test"
# Another way in to the same application: a part of it, small requests, and the databases themselves for who knows a password.
READING_ROOM = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import XmlSite
from recettes.declarations.xmldb import XmlUser
project = Project(name="room", title="Reading room", answers="Ada",
    sites=(XmlSite(name="room", host="room.lab.test", app="letters", paths=("/api",), body="1k", rest=True),),
    xml_users=(XmlUser(name="ada", reads=("letters-en",)),),
)
"""
# And an application that sends its readers elsewhere.
BOOK = "https://book.lab.test"
GUESTBOOK = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp
project = Project(name="book", title="Guestbook", answers="Ada",
    sites=(XmlSite(name="book", host="book.lab.test", app="book", methods=("GET", "POST")),),
    xml_apps=(XmlApp(name="book", source=Folder(path={folder!r}), transforms=("/shown",)),),
)
"""
GUESTBOOK_MODULE = """
module namespace book = 'book';
declare %rest:POST %rest:path('/book/sign') %rest:form-param('name', '{$name}')
function book:sign($name) { web:redirect('/signed', map { 'name': $name }) };
declare %rest:POST %rest:path('/book/shown/sign') %rest:form-param('name', '{$name}')
function book:shown($name) { web:redirect('/book/signed', map { 'name': $name }) };
declare %rest:GET %rest:path('/book/signed') %rest:query-param('name', '{$name}') %output:method('text')
function book:signed($name) { 'signed: ' || $name };
declare %rest:GET %rest:path('/book/away') function book:away() { web:redirect('https://elsewhere.test/run/book/') };
"""


@pytest.fixture(scope="module")
def lab(edition_made: TestLab, tmp_path_factory: pytest.TempPathFactory) -> TestLab:
    """The edition, a second site of it that opens REST, and a guestbook."""
    as_at_first(edition_made)
    folder = tmp_path_factory.mktemp("book")
    (folder / "book.xqm").write_text(GUESTBOOK_MODULE)
    server = 'heap="256m", timeout=3, rest=True'
    declare_edition(edition_made, server, room=READING_ROOM, book=GUESTBOOK.format(folder=str(folder)))
    ran = edition_made.apply("lab")
    assert ran.status == 0, ran.output
    # What is asked first, of the server and of XSLT, may take it longer than it gives to a query.
    for path in ("/", "/letter/1861-06-09"):
        until(partial(served, edition_made, path), f"{path} is served")
    return edition_made


def served(lab: TestLab, path: str) -> bool:
    return status(lab, EDITION + path) == 200


class Page(HTMLParser):
    """Its addresses, the words in its marks, and all its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.marked: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src") and value]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self._open:
            self.marked.append(data)


def status(lab: TestLab, url: str, *words: str) -> int:
    return int(lab.curl(url, "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", *words).stdout)


def page(lab: TestLab, path: str) -> Page:
    got = lab.curl(EDITION + path, "--fail")
    assert got.returncode == 0, (path, got.stderr)
    return Page(got.stdout)


def data(lab: TestLab, path: str) -> Any:
    got = lab.curl(EDITION + path, "--fail", "--globoff")
    assert got.returncode == 0, (path, got.stderr)
    return json.loads(got.stdout)


def test_the_list_has_every_letter_and_can_be_narrowed_to_a_person_a_language_and_a_year(lab: TestLab) -> None:
    def listed(path: str) -> set[str]:
        return {address.split("?")[0] for address in page(lab, path).addresses if address.startswith("/letter/")}

    everything = listed("/")
    assert len(everything) == len(list((lab.scratch / "letters-en").iterdir()) + list((lab.scratch / "letters-fr").iterdir()))
    letters = data(lab, "/api/letters")
    assert everything == {f"/letter/{letter['id']}" for letter in letters}
    wish = "person=margaret-ainslie&language=en&year=1860"
    ours = {letter["id"] for letter in letters if letter["language"] == "en" and letter["date"][:4] == "1860"}
    assert listed(f"/?{wish}") == {f"/letter/{one}" for one in ours} != set()
    assert {letter["id"] for letter in data(lab, f"/api/letters?{wish}")} == ours
    assert listed("/?year=1900") == set()


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("riviere", {"rivière"}),
        ("Rivière", {"rivière"}),
        ("press", {"pressed", "press"}),
        ("willow+THREADS", {"willows", "threads"}),
        ("recoltees", {"récoltées"}),
        ("fougere", {"fougères"}),
    ],
)
def test_a_search_finds_the_forms_of_a_word_without_regard_to_accents_and_marks_them(
    lab: TestLab, question: str, words: set[str]
) -> None:
    found = page(lab, f"/search?q={question}")
    assert words <= {word.lower() for word in found.marked}
    for letter in data(lab, f"/api/search?q={question}"):
        read = page(lab, f"/letter/{letter['id']}?q={question}")
        assert read.marked and {word.lower() for word in read.marked} <= {word.lower() for word in found.marked}


def test_all_words_of_a_question_are_in_each_letter_found(lab: TestLab) -> None:
    both = {letter["id"] for letter in data(lab, "/api/search?q=willow+drums")}
    each = [{letter["id"] for letter in data(lab, f"/api/search?q={word}")} for word in ("willow", "drums")]
    assert both == each[0] & each[1] != set()
    assert data(lab, "/api/search?q=willow+zebra") == []
    assert (
        page(lab, "/search?q=%22%27%3Cb%3E%26%5B%7B1%7D%5D").marked == []
    )  # characters that mean something to queries and pages


def test_a_letter_is_made_by_xslt_and_leads_to_what_there_is(lab: TestLab) -> None:
    read = page(lab, "/letter/1861-06-09?lang=en")
    assert "Élodie Marchessault to Théophile Guérard" in read.text
    assert "vingt-trois fils rouges" in read.text
    assert "bryologue, 1805–1871" in read.text  # from the letter's header, by the key of the person named in it
    assert lab.curl(f"{EDITION}/letter/1861-06-09").stdout.startswith("<!DOCTYPE HTML>")
    for address in {address for address in read.addresses if not address.startswith("#")}:
        assert address.startswith("/"), address
        assert status(lab, EDITION + address) == 200, address
    assert "<TEI " in lab.curl(f"{EDITION}/tei/1861-06-09.xml").stdout


def test_the_pages_speak_french_or_english_as_asked_or_as_the_browser_prefers(lab: TestLab) -> None:
    for words, language in (((), "fr"), (("-H", "Accept-Language: en-CA,fr;q=0.5"), "en"), (("-H", "Accept-Language: de"), "fr")):
        assert f'<html lang="{language}">' in lab.curl(f"{EDITION}/", *words).stdout
        assert '<html lang="en">' in lab.curl(f"{EDITION}/letter/1861-06-09?lang=en", *words).stdout


def test_what_is_not_there_is_said_on_a_page_or_in_json(lab: TestLab) -> None:
    for path in ("/nothing", "/letter/1900-01-01", "/letter", "/rest", "/run/letters/letters", "/tei/none.xml"):
        assert status(lab, EDITION + path) == 404, path
    lost = lab.curl(f"{EDITION}/letter/none").stdout
    assert "Cette feuille manque" in lost
    got = lab.curl(f"{EDITION}/api/letters/none", "-w", " %{http_code} %{content_type}").stdout
    assert got == '{"error":"there is no letter none"} 404 application/json;charset=utf-8'
    assert status(lab, f"{EDITION}/api/search?q=") == 400


def test_nobody_gets_by_a_site_to_what_it_does_not_show(lab: TestLab) -> None:
    shown = lab.curl(f"{ROOM}/api/letters").stdout
    assert shown.startswith("[{")
    for path in (
        "/", "/search?q=moss", "/letter/1861-06-09", "/run/letters/letters/search", "/render/letters/letters/letter/1861-06-09",
        "/api/../search", "/api/..%2fsearch", "/api/%2e%2e/search", "/api/..;/search", "/api/%252e%252e/search",
        "/api/..%5csearch", "//search", "/api/..%2f..%2f..%2f..%2frest", "/api;/../../rest",
    ):  # fmt: skip
        assert status(lab, ROOM + path) in (400, 404), path
    for path in ("/..%2f..%2f..%2frest", "/..;/..;/..;/rest", "/%2e%2e/%2e%2e/rest", "/health/../../../health/"):
        assert status(lab, EDITION + path) in (400, 404), path


def test_requests_that_the_site_does_not_take_are_refused(lab: TestLab) -> None:
    assert status(lab, f"{ROOM}/api/letters", "-d", "x") == 405
    assert status(lab, f"{ROOM}/api/letters", "-X", "DELETE") == 405
    assert status(lab, f"{EDITION}/api/letters", "-X", "TRACE") == 405
    large = lab.scratch / "large"
    large.write_bytes(b"x" * (3 << 20))
    assert status(lab, f"{ROOM}/api/letters", "--data-binary", f"@{large}") == 413
    assert status(lab, f"{EDITION}/api/letters", "--data-binary", f"@{large}") == 413


def test_the_log_has_the_visitor_s_network_and_none_that_a_visitor_claims(lab: TestLab) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    names = ("X-Forwarded-For", "X-Real-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP")
    lies = [word for lie in ("Forwarded: for=203.0.113.9", *(f"{name}: 203.0.113.9" for name in names)) for word in ("-H", lie)]
    status(lab, f"{EDITION}/{mark}", *lies)
    # Of some addresses nothing is told, and BaseX looks for another word on them.
    here = lab.web.run("ip -4 route show default").out.split()[2]
    itself = shlex.join(["curl", "-sk", "--resolve", "letters.lab.test:443:[::1]", *lies, f"{EDITION}/{mark}"])
    lab.web.run(itself)

    def log() -> str:
        return lab.web.run(f"journalctl -u basex -o cat --no-pager | grep -F {mark}", check=False).out

    until(lambda: f"{lab.web.address}:" in log(), "the last request is in the log")
    assert f"{here.rpartition('.')[0]}.0:" in log()
    assert "203.0.113.9" not in log()


def test_a_form_leads_on_to_the_page_that_the_application_names(lab: TestLab) -> None:
    for path in ("/sign", "/shown/sign"):
        got = lab.curl(BOOK + path, "-L", "-d", "name=Ada", "-w", " %{http_code} %{url_effective}").stdout
        assert got == f"signed: Ada 200 {BOOK}/signed?name=Ada"
    assert lab.curl(f"{BOOK}/away", "-w", "%{redirect_url}").stdout == "https://elsewhere.test/run/book/"


def ada(lab: TestLab) -> str:
    """Her name and password, as curl has them."""
    got = lab.command("bin/secrets", "--estate", lab.estate.folder.name, "get", "basex-user-ada")
    assert got.returncode == 0, got.stderr
    return f"ada:{got.stdout.strip()}"


def test_rest_is_for_who_knows_a_password(lab: TestLab) -> None:
    assert "1861-10-03.xml" in lab.curl(f"{ROOM}/rest/letters-en", "-u", ada(lab)).stdout
    assert status(lab, f"{ROOM}/rest/letters-fr", "-u", ada(lab)) in (403, 404)
    assert status(lab, f"{ROOM}/rest/letters-en") == 401


def test_who_guesses_passwords_is_turned_away_and_keeps_out_nobody_who_knows_one(lab: TestLab) -> None:
    storm = ("--parallel", "--parallel-immediate", "--parallel-max", "60", "--http1.1", "-o", "/dev/null", "-w", "%{http_code} ")
    # From another address than the guesses, and the machine's own.
    login = f"curl -sk --max-time 5 --resolve room.lab.test:443:127.0.0.1 -u {ada(lab)} {ROOM}/rest/letters-en"
    own = "timeout 5 /usr/local/lib/recettes/xmldb query <<'END'\n'open'\nEND"
    with ThreadPoolExecutor() as pool:
        guesses: list[str] = []
        asked: list[tuple[str, str]] = []
        for secret in ("admin:guess", ":", "ada:"):
            guessing = pool.submit(lab.curl, f"{ROOM}/rest/letters-en?run=[1-80]", "-u", secret, *storm)
            while not guessing.done():
                asked.append((lab.web.run(login, check=False).out, lab.web.run(own, check=False).out))
            guesses += guessing.result().stdout.split()
    assert guesses.count("429") > 60 and "200" not in guesses
    assert guesses.count("401") > 20
    assert asked
    assert all("1861-10-03.xml" in listed and said == "open" for listed, said in asked), asked
    assert status(lab, f"{EDITION}/api/letters") == 200


def test_the_edition_is_a_sight_in_a_browser_and_asks_nothing_of_others(lab: TestLab, tmp_path: Path) -> None:
    browser = Browser(tmp_path, authority=lab.estate.folder / "authority.pem", domain="lab.test", address=lab.web.address)
    for path, words in (
        ("/?lang=en", "A botanist of Kamouraska"),
        ("/search?q=riviere&lang=fr", "<mark>rivière</mark>"),
        ("/letter/1864-07-12?lang=fr", "couleur des vieux canons"),
    ):
        seen = browser.look(EDITION + path)
        assert words in seen.document
        assert seen.console == [], path
        assert seen.picture.stat().st_size > 30_000
