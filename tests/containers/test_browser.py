"""The sample lab that the repository ships, as a visitor's browser shows it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from recettes.containers.waiting import until
from recettes.recipes import ROOT
from tests.containers.browser import Browser
from tests.harness import TestLab

SHIPPED = ROOT / "group_data"
CONTROL = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import StaticSite
from recettes.declarations.sources import Folder
control = Project(name="control", title="Pages that are wrong", answers="Ada", sites=(
    StaticSite(name="control", host="control.lab.test", source=Folder(path={path!r})),
))
"""
WRONG = {
    "script.html": '<!doctype html><link rel="icon" href="data:,"><script>document.title = "run"</script>',
    "missing.html": '<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="/missing.css">',
    "right.html": '<!doctype html><link rel="icon" href="data:,"><h1>Right</h1>',
}


@pytest.fixture
def shipped(lab: TestLab) -> TestLab:
    """The lab with what group_data/ of the repository declares, and a site of wrong pages, applied."""
    wrong = lab.scratch / "wrong"
    wrong.mkdir(exist_ok=True)
    for name, page in WRONG.items():
        (wrong / name).write_text(page)
    projects = {path.stem: path.read_text() for path in (SHIPPED / "projects").glob("*.py")}
    lab.declare((SHIPPED / "lab.py").read_text(), **projects, control=CONTROL.format(path=str(wrong)))
    ran = lab.apply()
    assert ran.status == 0, ran.output
    until(lambda: "Right" in lab.curl("https://control.lab.test/right.html").stdout, "nginx serves the sites")
    return lab


@pytest.fixture
def browser(shipped: TestLab, tmp_path: Path) -> Browser:
    return Browser(tmp_path, authority=shipped.estate.folder / "authority.pem", domain="lab.test", address=shipped.web.address)


def test_the_home_page_shows_in_french_and_english_and_nothing_is_said_to_the_console(browser: Browser) -> None:
    for address, language, words in (
        ("https://lab.test/", "fr", "Lire de près"),
        ("https://www.lab.test/en/", "en", "Read closely"),
        ("https://lab.test/no-such-page", "fr", "This page is missing"),
    ):
        seen = browser.look(address)
        assert f'<html lang="{language}">' in seen.document
        assert words in seen.document
        # A page that is not found is itself a message; nothing else may be one.
        assert [said for said in seen.console if "status of 404" not in said or "no-such-page" not in address] == [], address
    for wrong in ("script.html", "missing.html"):
        assert browser.look(f"https://control.lab.test/{wrong}").console, f"{wrong}: the browser says nothing of a wrong page"
    assert browser.look("https://control.lab.test/right.html").console == []


def test_what_is_written_in_the_guest_book_is_seen_and_outlives_a_release(shipped: TestLab, browser: Browser) -> None:
    jar = shipped.scratch / "cookies"
    form = shipped.curl("https://livre.lab.test/", "--cookie-jar", str(jar)).stdout
    token = re.search(r'name="token" value="([0-9a-f]+)"', form)
    assert token, form
    fields = (f"token={token[1]}", "name=Élise", "text=Bonjour <b>tout</b> le monde")
    words = [word for field in fields for word in ("--data-urlencode", field)]
    sent = shipped.curl("https://livre.lab.test/", "--cookie", str(jar), "-o", "/dev/null", "-w", "%{http_code}", *words)
    assert sent.stdout == "303", sent
    seen = browser.look("https://livre.lab.test/")
    assert "Bonjour &lt;b&gt;tout&lt;/b&gt; le monde" in seen.document
    assert seen.console == []

    newer = shipped.scratch / "newer"
    shutil.copytree(ROOT / "samples" / "guestbook", newer)
    page = newer / "index.php"
    page.write_text(page.read_text().replace("<h1>Livre d’or", "<h1>Livre neuf"))
    project = shipped.group_data / "projects" / "guestbook.py"
    project.write_text(project.read_text().replace('"samples/guestbook"', repr(str(newer))))
    ran = shipped.apply()
    assert ran.status == 0, ran.output
    seen = browser.look("https://livre.lab.test/")
    assert "Livre neuf" in seen.document
    assert "Élise" in seen.document
