"""Machines that tests share. A converged web machine is made once, kept as an image, and each test starts from it in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import TestLab, test_lab

LAB = """
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab
lab = Lab(
    name="The tests' lab", domain="lab.test", contact="administrator@lab.test", time_zone="America/Montreal",
    flows=(Flow(source="world", to="web", port=443, why="the sites"), Flow(source="world", to="web", port=80, why="to HTTPS")),
)
"""

SITES = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import PhpSite, ProxySite, RedirectSite, StaticSite
from recettes.declarations.sources import Folder
project = Project(name="first", title="The first project", answers="Ada", sites=(
    StaticSite(name="home", host="lab.test", www=True, source=Folder(path={home!r})),
    PhpSite(name="book", host="book.lab.test", source=Folder(path={book!r}), uploads=("entries",)),
    ProxySite(name="status", host="status.lab.test", to="web", port=8090, basic_auth=("ada",)),
    RedirectSite(name="old", host="old.lab.test", to="https://lab.test/"),
))
"""


def declare_first_sites(lab: TestLab, extra: str = "") -> None:
    """One site of each kind."""
    home, book = lab.scratch / "home", lab.scratch / "book"
    for folder in (home, book):
        folder.mkdir(exist_ok=True)
    (home / "index.html").write_text("<!doctype html><title>Lab</title><h1>Bienvenue</h1>\n")
    (book / "index.php").write_text("<?php echo 'sum ', 40 + 2;\n")
    lab.declare(LAB, first=SITES.format(home=str(home), book=str(book)) + extra)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """A lab whose web machine was bare, then planned, then made; `records` of both are in `planned` and `ran`."""
    with test_lab(["web"], tmp_path_factory.mktemp("lab")) as lab:
        declare_first_sites(lab)
        lab.notes["planned"] = lab.dry()
        lab.notes["ran"] = lab.apply()
        lab.notes["image"] = lab.web.snapshot("converged")
        yield lab


@pytest.fixture
def lab(first_run: TestLab) -> TestLab:
    """The same lab, its web machine as it was after the first run, its declarations as at first."""
    ran = first_run.notes["ran"]
    assert ran.status == 0, ran.output
    declare_first_sites(first_run)
    first_run.web.remake(first_run.notes["image"])
    return first_run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)
