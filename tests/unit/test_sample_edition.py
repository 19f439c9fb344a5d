"""The sample edition: sound TEI whose references lead somewhere, and modules that keep to what an application may."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recettes.gather import gather
from recettes.recipes import ROOT

LETTERS = sorted((ROOT / "samples" / "letters").glob("*/*.xml"))
MODULES = sorted((ROOT / "samples" / "letters-app").glob("*.xqm"))
TEI = "{http://www.tei-c.org/ns/1.0}"
XML = "{http://www.w3.org/XML/1998/namespace}"


def test_there_are_letters_in_both_languages() -> None:
    languages = [path.parent.name for path in LETTERS]
    assert len(LETTERS) >= 30 and set(languages) == {"en", "fr"}


@pytest.mark.parametrize("path", LETTERS, ids=lambda path: path.stem)
def test_a_letter_is_named_by_its_day_and_refers_to_what_it_describes(path: Path) -> None:
    letter = ElementTree.parse(path).getroot()
    assert letter.tag == f"{TEI}TEI"
    assert (letter.get(f"{XML}id"), letter.get(f"{XML}lang")) == (f"letter-{path.stem}", path.parent.name)
    sent = letter.find(f".//{TEI}correspAction[@type='sent']/{TEI}date")
    assert sent is not None and sent.get("when") == path.stem
    described = {f"#{one.get(f'{XML}id')}" for kind in ("person", "place") for one in letter.iter(f"{TEI}{kind}")}
    assert {ref for one in letter.iter() if (ref := one.get("ref"))} == described
    assert letter.findtext(f".//{TEI}licence") and letter.findtext(f".//{TEI}sourceDesc/{TEI}p")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_answers_below_the_application_s_name_and_asks_for_nothing_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for asked in re.findall(r"%rest:path\('([^']*)'\)", text):
        assert re.match(r"/letters(/|$)", asked), asked
    # A handler of errors would catch those of every application.
    assert "%rest:error" not in text
    assert not re.search(r"\b(?:href|src|action)=\"(?!/|#|\{)", text)
    assert not re.search(r"url\(|@import|<script|style=\"|\son\w+=\"", text)


def test_only_the_path_that_is_declared_to_transform_does() -> None:
    declared = next(app for app in gather(ROOT / "group_data").xml_apps if app.name == "letters")
    transforming = [
        asked
        for path in MODULES
        for function in re.sub(r"\(:.*?:\)", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).split("\ndeclare\n")
        if "xslt:" in function
        for asked in re.findall(r"%rest:path\('/letters([^']*)'\)", function)
    ]
    assert transforming and all(asked.startswith(tuple(declared.transforms)) for asked in transforming)
