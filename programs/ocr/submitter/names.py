"""Names: what the gate lets through, and how a page's own name finds its way through it and back."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from .images import looks_like_image

# As in docs/ocr-protocol.md.
PAGE = re.compile(r"(?=.{1,90}\Z)(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*\.(?:png|jpe?g|tiff?|jp2)")
MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
BATCH = re.compile(r"[a-z0-9][a-z0-9-]{2,47}")
FORMATS = ("alto", "page")


def sayable(name: str) -> bool:
    """Whether a file's name can be written in XML, in a ZIP and for a person: UTF-8 without control characters."""
    return not any(unicodedata.category(sign) in ("Cc", "Cs", "Cn") for sign in name)


def page_name(own: str, kind: str) -> str:
    """The name under which a page travels: `own` (its path within what is sent) where it fits, else one derived from it alone."""
    if PAGE.fullmatch(own) and _same_kind(own, kind):
        return own
    stem = own.rpartition(".")[0] if looks_like_image(own) else own
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[-60:].lstrip("-") or "page"
    return f"{readable}-{hashlib.sha256(own.encode()).hexdigest()[:16]}{kind}"


def _same_kind(own: str, kind: str) -> bool:
    return {".jpeg": ".jpg", ".tiff": ".tif"}.get(ending := own[own.rindex(".") :], ending) == kind


def batch_name(pages: Iterable[tuple[str, str]], *, model: str, submitter: str, generation: int = 0) -> str:
    """Of (page name, SHA-256) pairs: the same pages for the same model are the same batch, however often and whenever asked.

    `generation` counts how often a person wanted them recognised anew after they had been.
    """
    text = json.dumps([1, submitter, model, generation, sorted(pages)])
    return f"ocr-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def page_of(result: str) -> tuple[str, str] | None:
    """Page and format of a RESULT; None for what is none."""
    match = re.fullmatch(r"(.*)\.(alto|page)\.xml", result)
    return (match[1], match[2]) if match and PAGE.fullmatch(match[1]) else None


def result_names(owns: Sequence[str], formats: Sequence[str] = FORMATS) -> dict[tuple[str, str], str]:
    """By (own file name, format), what the result is called beside it: page.xml, but page.jpg.xml where page.tif is there too."""
    # A whole name is taken as well where it is another's stem: p.png.jpg beside p.png and p.jpg.
    stems = Counter(own.rpartition(".")[0].casefold() for own in owns) + Counter({own.casefold() for own in owns})
    named = {}
    for own in owns:
        stem = own.rpartition(".")[0]
        base = own if stems[stem.casefold()] > 1 else stem
        for kind in formats:
            named[own, kind] = f"{base}.xml" if kind == "alto" else f"{base}.page.xml"
    return named
