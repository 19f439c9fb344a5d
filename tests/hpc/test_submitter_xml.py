"""Results are somebody else's XML: what is taken, what is not, and whose name stands in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.hpc.submitter import ALTO, PROGRAM
from tests.programs import program

GOOD = ALTO.format(page="p1.png", text="")
PAGE = '<?xml version="1.0"?>\n<pc:PcGts xmlns:pc="x"><pc:Page a="&gt;" imageFilename="p1.png" b="2">é</pc:Page></pc:PcGts>'
OWN = 'Lettre n°2 "recto" & <verso>.PNG'


@pytest.fixture(scope="module")
def xml() -> Iterator[Any]:
    sys.path.insert(0, str(PROGRAM))
    import submitter.xml_results as module

    yield module
    sys.path.remove(str(PROGRAM))


def test_the_page_s_own_name_replaces_the_one_it_travelled_under(xml: Any) -> None:
    alto = xml.with_own_name(GOOD.encode(), "alto", OWN)
    assert ElementTree.fromstring(alto).findtext(".//{*}fileName") == OWN
    page = xml.with_own_name(PAGE.encode(), "page", OWN)
    root = ElementTree.fromstring(page)
    assert b"<b>" not in xml.with_own_name(GOOD.replace("p1.png", "<b>p1</b>").encode(), "alto", OWN)
    assert root[0].attrib == {"a": ">", "imageFilename": OWN, "b": "2"} and root[0].text == "é"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no XML"),
        (GOOD.encode()[:-3], "no XML"),
        (b"\xff\xfe" + GOOD.encode("utf-16-le"), "no XML"),
        (GOOD.replace("p1.png", "\xff").encode("latin-1"), "no XML"),
        (b"<!DOCTYPE alto>" + GOOD.encode(), "document type"),
        (b'<!DOCTYPE alto SYSTEM "file:///etc/passwd">' + GOOD.encode(), "document type"),
        (b"<html/>", "html, not alto"),
        (PAGE.encode(), "PcGts, not alto"),
        (b"<alto>" * 100, "nested"),
        (b"<alto/>", "name one image"),
        (GOOD.replace("<Layout>", "<Layout><fileName>other</fileName>").encode(), "name one image"),
    ],
)
def test_what_is_no_plain_alto_is_refused(xml: Any, content: bytes, why: str) -> None:
    with pytest.raises(xml.ResultError, match=why):
        xml.with_own_name(content, "alto", "a.png")


def test_a_result_of_any_size_that_a_job_makes_is_taken_and_no_larger_one(xml: Any) -> None:
    job = program("ocr-pages")
    most = job.MOST_RESULT
    assert most == xml.MOST_BYTES and xml.with_own_name(GOOD.encode().ljust(most), "alto", OWN)
    with pytest.raises(xml.ResultError, match="too large"):
        xml.with_own_name(GOOD.encode().ljust(most + 1), "alto", OWN)
    with pytest.raises(ValueError, match="too large"):  # once the page's name stands in it
        job.checked(GOOD.replace("<Layout>", "<Layout><Page/>").encode().ljust(most), "alto", "page-0001.png")
