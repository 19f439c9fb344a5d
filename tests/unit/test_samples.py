"""The sample sites: what their pages ask for is there, is theirs, and passes a strict Content-Security-Policy."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recettes.recipes import ROOT

HOME = ROOT / "samples" / "home"
PAGES = sorted(HOME.rglob("*.html"))


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def addresses(self) -> list[str]:
        found = [attrs.get("href") or attrs.get("src") for _, attrs in self.tags]
        return [address for address in found if address]

    def ids(self) -> set[str | None]:
        return {attrs["id"] for _, attrs in self.tags if "id" in attrs}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOME)))
def test_a_page_asks_only_for_what_is_there(path: Path) -> None:
    page = Page(path)
    for address in page.addresses():
        if address.startswith("mailto:"):
            continue
        if address.startswith("#"):
            assert address[1:] in page.ids(), address
            continue
        assert re.match(r"/(?!/)", address), address
        target = HOME / address.lstrip("/")
        assert (target / "index.html" if address.endswith("/") else target).is_file(), address


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOME)))
def test_a_page_has_no_script_no_inline_style_and_says_its_language(path: Path) -> None:
    page = Page(path)
    assert not {"script", "style", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name == "style" or name.startswith("on")]
    assert dict(page.tags)["html"]["lang"] in ("fr", "en")


def test_a_style_sheet_asks_for_nothing() -> None:
    for sheet in (ROOT / "samples").rglob("*.css"):
        assert not re.search(r"url\(|@import", sheet.read_text()), sheet


def test_an_asset_s_name_holds_the_hash_of_its_content() -> None:
    assets = sorted((HOME / "assets").iterdir())
    assert assets
    for asset in assets:
        assert asset.name.split(".")[1] == hashlib.sha256(asset.read_bytes()).hexdigest()[:10], asset
