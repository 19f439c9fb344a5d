"""The databases on a machine of their own, behind the web machine: what most labs have."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.xmldb.conftest import EDITION, LAB, SAMPLES
from tests.harness import TestLab, test_lab

# Java's memory is not declared here: it follows from the machine's.
TWO = LAB.format(server="")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the English letters."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "en").mkdir()
    for letter in (SAMPLES / "letters/en").iterdir():
        (folder / "en" / letter.name).write_bytes(letter.read_bytes())
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@lab.test")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "letters")


@pytest.fixture(scope="module")
def lab(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    with test_lab(["web", "xmldb"], tmp_path_factory.mktemp("two")) as lab:
        edition = EDITION.format(en="EN", fr=str(SAMPLES / "letters/fr"), app=str(SAMPLES / "letters-app"))
        from_git = f"Git(url='file://{texts}', ref='main', subfolder='en')"
        edition = edition.replace("Folder(path='EN')", from_git).replace("import Folder", "import Folder, Git")
        lab.declare(TWO, letters=edition)
        yield lab


def test_visitors_reach_the_databases_through_the_web_machine_only(lab: TestLab) -> None:
    planned, ran = lab.dry("lab"), lab.apply("lab")
    assert ran.status == 0, ran.output
    assert sorted(str(record.change) for record in planned.records) == sorted(str(record.change) for record in ran.records)
    assert "</html>" in lab.curl("https://letters.lab.test/", "--fail").stdout
    assert lab.curl("https://letters.lab.test/letter/1861-10-03", "--fail").returncode == 0
    xmldb = lab.estate.machine("xmldb")
    assert xmldb.run("command -v nginx", check=False).code
    listening = {line.split()[3] for line in xmldb.run("ss -Hltn").out.splitlines()}
    assert f"{xmldb.address}:8984" in listening
    health = f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' http://{xmldb.address}:8984"
    assert lab.web.run(f"{health}/health/").out == "200"
    # Not from the administrator's computer, and not by the web machine what visitors may not have.
    direct = subprocess.run(["curl", "-s", "-m", "3", f"http://{xmldb.address}:8984/health/"], capture_output=True, check=False)
    assert direct.returncode == 28
    assert lab.web.run(f"{health}/rest").out == "403"
    log = xmldb.run("journalctl -u basex -o cat").out
    here = lab.web.run("ip -4 route show default").out.split()[2]
    assert f"{here.rpartition('.')[0]}.0:" in log
    assert lab.apply("lab").changes == []


def test_a_commit_to_the_declared_branch_is_one_changed_database(lab: TestLab, texts: Path) -> None:
    letter = texts / "en/1861-10-03.xml"
    letter.write_text(letter.read_text().replace("</body>", "<p>Quodlibetically yours.</p></body>", 1))
    commit(texts)
    planned, ran = lab.dry("xmldb"), lab.apply("xmldb")
    assert ran.status == 0, ran.output
    assert planned.changes == ran.changes
    assert [change[1:] for change in ran.changes] == [
        ("xml-sources", "publish", "letters-en"),
        ("databases", "rebuild", "letters-en"),
    ]
    assert "Quodlibetically" in lab.curl("https://letters.lab.test/letter/1861-10-03", "--fail").stdout
