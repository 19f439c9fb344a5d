"""XML that is looked at before a database is made of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.programs import program

ENTITIES = "".join(f"<!ENTITY e{number} '{f'&e{number - 1};' * 10}'>" for number in range(1, 10))
BOMB = f"<!DOCTYPE p [<!ENTITY e0 '{'x' * 1000}'>{ENTITIES}]>\n"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return program("xmldb-build")


def test_all_that_the_server_takes_for_a_module_is_looked_at(build: ModuleType, tmp_path: Path) -> None:
    for name in ("a.xqm", "B.XQM", "c.xQuery", "below/d.Xq", ".xql", "e.xsl", "xqm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert build.modules(tmp_path) == [".xql", "B.XQM", "a.xqm", "below/d.Xq", "c.xQuery"]


def mistake(build: ModuleType, folder: Path, content: str, encoding: str = "utf-8") -> str | None:
    (folder / "a.xml").write_bytes(content.encode(encoding))
    said: str | None = build.xml_mistake(folder, "a.xml")
    return said


@pytest.mark.parametrize(
    "content",
    [
        "<p>plain</p>",
        "<!DOCTYPE p SYSTEM 'names.dtd'>\n<p a='&lt;&#233;'>&amp;</p>",
        "<!DOCTYPE p SYSTEM 'names.dtd' [<!ENTITY e 'é'>]>\n<p a='&e;'>&e;<!-- &not; --><![CDATA[&not;]]></p>",
    ],
)
def test_what_is_well_formed_and_whole_is_taken(build: ModuleType, tmp_path: Path, content: str) -> None:
    assert mistake(build, tmp_path, content) is None
    assert mistake(build, tmp_path, f"<?xml version='1.0' encoding='ISO-8859-1'?>{content}", "iso-8859-1") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<text>\n<p>torn\n</text>", "a.xml:3:3: mismatched tag"),
        ("", "a.xml:1:1: no element found"),
        ("<p>\n&eacute;</p>", "a.xml:2:1: undefined entity"),
        ("<?xml version='1.0' encoding='nonsense'?><p/>", "a.xml:1:31: unknown encoding"),
        (BOMB + "<p>&e9;</p>", "amplification"),
        (BOMB + "<p a='&e9;'/>", "amplification"),
    ],
)
def test_what_is_not_well_formed_is_named_with_line_and_column(
    build: ModuleType, tmp_path: Path, content: str, said: str
) -> None:
    assert said in (mistake(build, tmp_path, content) or "")


@pytest.mark.parametrize(
    "content",
    [
        "<!DOCTYPE p [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>\n<p>&e;</p>",
        "<!DOCTYPE p SYSTEM 'names.dtd'>\n<p>&e;</p>",
        "<!DOCTYPE p SYSTEM 'names.dtd'>\n<p a='&e;'/>",
        "<!DOCTYPE p [<!ENTITY % x SYSTEM 'x.dtd'> %x;]>\n<p>&e;</p>",
        "<!DOCTYPE p [<!ENTITY % x SYSTEM 'x.dtd'> %x;]>\n<p a='&e;'/>",
    ],
)
def test_text_that_another_file_would_have_to_give_is_not_silently_left_out(
    build: ModuleType, tmp_path: Path, content: str
) -> None:
    said = mistake(build, tmp_path, content) or ""
    assert said.startswith("a.xml:2:")
    assert "&e; is defined outside the file" in said
