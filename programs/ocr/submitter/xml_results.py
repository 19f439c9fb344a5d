"""Results are somebody else's XML: bounded, without anything that can be expanded, and naming the page as its owner does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape  # XML's five signs; xml.sax.saxutils brings a web client along, and makes every start longer
from xml.parsers import expat

MOST_BYTES = 64 << 20  # what ocr-pages makes at the most; ALTO with glyphs is about 0.7 MB a page
_DEPTH = 64
_ROOTS = {"alto": "alto", "page": "PcGts"}
_IMAGE_FILENAME = re.compile(rb"""\simageFilename\s*=\s*("[^"]*"|'[^']*')""")


class ResultError(ValueError):
    """It is not the XML it should be."""


def with_own_name(content: bytes, kind: str, own: str) -> bytes:
    """The same ALTO or PAGE, naming `own` as its image. Raises ResultError for anything but a plain document of that kind."""
    if len(content) > MOST_BYTES:
        raise ResultError("it is too large")
    span = _name_span(content, kind)
    new = (escape(own) if kind == "alto" else f'"{escape(own)}"').encode()
    changed = content[: span[0]] + new + content[span[1] :]
    if _shown(changed, kind) != own:
        raise ResultError("the image's name in it cannot be set")
    return changed


def _name_span(content: bytes, kind: str) -> tuple[int, int]:
    """Where the name of the image stands: an element's text in ALTO, an attribute's value with its quotes in PAGE."""
    spans: list[tuple[int, int]] = []
    begun: list[int] = []

    def start(name: str, attributes: Mapping[str, str], at: int) -> None:
        if kind == "alto" and name == "fileName":
            begun.append(content.find(b">", at) + 1)
        elif kind == "page" and name == "Page" and "imageFilename" in attributes:
            value = _IMAGE_FILENAME.search(content, at)
            spans.extend([value.span(1)] if value else [])

    def end(name: str, at: int) -> None:
        if kind == "alto" and name == "fileName":
            spans.append((begun[-1], at))

    _parse(content, kind, start, end)
    if len(spans) != 1 or spans[0][0] > spans[0][1]:
        raise ResultError("it does not name one image")
    return spans[0]


def _shown(content: bytes, kind: str) -> str:
    """The name of the image as a reader of XML sees it."""
    found: list[str] = []
    inside: list[str] = []

    def start(name: str, attributes: Mapping[str, str], _: int) -> None:
        inside.append(name)
        if kind == "page" and name == "Page":
            found.append(attributes.get("imageFilename", ""))

    def text(part: str) -> None:
        if kind == "alto" and inside[-1] == "fileName":
            found.append(part)

    _parse(content, kind, start, lambda *_: inside.pop(), text)
    return "".join(found)


def _parse(
    content: bytes,
    kind: str,
    start: Callable[[str, Mapping[str, str], int], object],
    end: Callable[[str, int], object],
    text: Callable[[str], object] | None = None,
) -> None:
    """Names are given without their prefixes, places in bytes. Raises ResultError."""
    # Places are counted in bytes, so there is one encoding, whatever the document says of itself.
    parser = expat.ParserCreate("utf-8")
    depth = 0

    def starting(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        local = name.rpartition(":")[2]
        if depth > _DEPTH:
            raise ResultError("it is nested too deeply")
        if depth == 1 and local != _ROOTS[kind]:
            raise ResultError(f"it is {local[:40]}, not {_ROOTS[kind]}")
        start(local, attributes, parser.CurrentByteIndex)

    def ending(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name.rpartition(":")[2], parser.CurrentByteIndex)

    def refuse(*_: object) -> None:
        raise ResultError("it has a document type, which can be made to expand without end")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = starting, ending, text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ResultError(f"it is no XML: {error}") from None
    finally:  # they know the parser, which knows them: it would stay, with all that it read
        parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = None
