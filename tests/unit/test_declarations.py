"""All mistakes of all files are said at once, each with its place and what is allowed; no secret is quoted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recettes.declarations.base import DeclarationError
from recettes.gather import Wishes, gather
from recettes.recipes import ROOT

LAB = """
from recettes.declarations.lab import Lab
lab = Lab(name="A lab", domain="lab.test", contact="a@lab.test")
"""
PROJECT = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import RedirectSite, ProxySite
{name} = Project(name="{name}", title="T", answers="Ada", sites=({sites}))
"""


def read(tmp_path: Path, lab: str = LAB, **projects: str) -> Wishes:
    (tmp_path / "projects").mkdir(exist_ok=True)
    (tmp_path / "lab.py").write_text(lab)
    for name, sites in projects.items():
        (tmp_path / "projects" / f"{name}.py").write_text(PROJECT.format(name=name, sites=sites))
    return gather(tmp_path)


def mistakes(tmp_path: Path, lab: str = LAB, **projects: str) -> str:
    with pytest.raises(DeclarationError) as raised:
        read(tmp_path, lab, **projects)
    return str(raised.value)


def test_good_declarations_are_gathered_from_all_files(tmp_path: Path) -> None:
    wishes = read(tmp_path, one='RedirectSite(name="a", host="a.lab.test", to="https://b.test/"),', two="")
    assert [project.name for project in wishes.projects] == ["one", "two"]
    assert [site.host for site in wishes.sites] == ["a.lab.test"]


def test_every_mistake_of_every_file_is_in_one_error(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path,
        LAB.replace('name="A lab"', 'nam="A lab"'),
        one='RedirectSite(name="a", host="not a host", to="https://b.test/"),',
        two='RedirectSite(name="b", host="b.lab.test", to="https://b.test/", code="often"),',
    )
    assert "no machine was touched" in said
    assert f"{tmp_path}/lab.py:3: Lab.nam: is not known here; known are" in said
    assert "Lab.name: is missing" in said
    assert "one.py:4: RedirectSite.host: is not a full host name such as www.example.org" in said
    assert "two.py:4: RedirectSite.code" in said


def test_a_host_name_belongs_to_one_site_across_files(tmp_path: Path) -> None:
    site = 'RedirectSite(name="{}", host="same.lab.test", to="https://b.test/"),'
    said = mistakes(tmp_path, one=site.format("a"), two=site.format("b"))
    assert "same.lab.test is already a name of the site 'a'" in said
    assert "two.py" in said


def test_a_proxy_needs_a_machine_that_exists_and_a_flow(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path,
        one='ProxySite(name="a", host="a.lab.test", to="nowhere", port=8080),',
        two='ProxySite(name="b", host="b.lab.test", to="xmldb", port=8080),',
    )
    assert "there is no machine 'nowhere'" in said
    assert "no flow lets web reach xmldb at port 8080" in said


def test_two_projects_or_none_or_two_labs_are_named(tmp_path: Path) -> None:
    assert "there are 2 Lab" in mistakes(tmp_path, LAB + LAB.replace("lab = ", "other = ").replace("A lab", "B lab"))
    assert "there are 0 Lab" in mistakes(tmp_path, "")


def test_a_file_that_is_not_python_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    assert "lab.py:2: SyntaxError" in mistakes(tmp_path, "x = 1\nlab = Lab(\n")
    assert "lab.py:2: NameError: name 'Lob' is not defined" in mistakes(tmp_path, "x = 1\nlab = Lob()\n")


def test_a_flow_that_opens_more_than_80_and_443_to_the_world_is_refused_by_name(tmp_path: Path) -> None:
    lab = LAB.replace("import Lab", "import Lab\nfrom recettes.declarations.flows import Flow")
    said = mistakes(tmp_path, lab.replace("contact=", 'flows=(Flow(source="world", to="xmldb", port=1984, why="w"),), contact='))
    assert "1984" in said
    assert "Flow" in said


def test_what_a_name_may_be_is_said_in_words(tmp_path: Path) -> None:
    said = mistakes(tmp_path, one='RedirectSite(name="My Site", host="a.lab.test", to="https://b.test/"),')
    assert "RedirectSite.name: is not a name: a lower-case letter, then up to 30 lower-case letters" in said
    assert "(it is 'My Site')" in said
    assert "pattern" not in said


@pytest.mark.parametrize("zone", ["America/Mont-Real", "US/Eastern", "../../../etc/passwd", "America"])
def test_a_time_zone_that_a_machine_would_not_know_is_refused(tmp_path: Path, zone: str) -> None:
    said = mistakes(tmp_path, LAB.replace("contact=", f'time_zone="{zone}", contact='))
    assert "Lab.time_zone: is not a time zone by its place, such as America/Toronto" in said


@pytest.mark.parametrize("page", ["README.md", "LISEZMOI.md"])
def test_the_example_of_the_first_page_is_a_good_declaration(tmp_path: Path, page: str) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "projects").mkdir()
    (tmp_path / "lab.py").write_text(LAB)
    (tmp_path / "projects" / "example.py").write_text(example)
    assert [site.name for site in gather(tmp_path).sites] == ["journal" if page == "README.md" else "lettres"]


def test_a_wrong_part_is_said_once_and_does_not_hide_behind_an_error_of_the_whole(tmp_path: Path) -> None:
    lab = LAB.replace("import Lab", "import Lab\nfrom recettes.declarations.relay import MailRelay")
    said = mistakes(tmp_path, lab.replace("contact=", 'relay=MailRelay(host="mail.lab.test", sender="a@lab.test"), contact='))
    assert "1 mistake in the declarations" in said
    assert "MailRelay.to: is missing" in said
