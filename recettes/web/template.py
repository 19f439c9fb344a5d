"""Templates of nginx and PHP-FPM, filled so that no value can be more than a value."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment

from recettes.templates import environment

# What neither nginx nor PHP-FPM gives a meaning to; anything else has to be quoted.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,~*\[\]= -]*")


class Quoted(str):
    """Text that is one word of a configuration, with its quotation marks."""

    __slots__ = ()


def nginx_quote(value: str) -> Quoted:
    """One word of nginx, whatever is in it. ValueError for what nginx has no way to write: `$` and control characters."""
    if "$" in value or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("nginx cannot quote a dollar sign or a control character")
    return Quoted('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')


def render(template: str, /, **values: Any) -> str:
    """The template below templates/. ValueError when a value is not plain and was not quoted."""
    return _environment().get_template(template).render(values)


def page(title: str, sentences: tuple[tuple[str, str], ...]) -> str:
    """A page of HTML in one line, without `$`: (language, sentence) each a paragraph."""
    html = _pages().get_template("nginx/page.html.j2").render(title=title, sentences=sentences)
    return " ".join(html.split()).replace("$", "&#36;")


def _plain(value: Any) -> Any:
    if isinstance(value, Quoted) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    raise ValueError(f"a template would write a {type(value).__name__} that is not plain and not quoted")


@cache
def _environment() -> Environment:
    made = environment(finalize=_plain)
    made.filters["q"] = nginx_quote
    return made


@cache
def _pages() -> Environment:
    return environment(autoescape=True)
