"""Configuration files from the templates of this checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def render(template: str, **values: Any) -> str:
    """The text of `SERVICE/NAME` below templates/. A value that the template names and is not given raises UndefinedError."""
    return _environment().get_template(template).render(values)


def environment(**differing: Any) -> Environment:
    """Jinja as configuration files need it; `differing` are options of its own for a kind of file."""
    usual = {
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
        "autoescape": False,  # configuration files, no HTML
    }
    return Environment(loader=FileSystemLoader(TEMPLATES), **{**usual, **differing})  # noqa: S701  see above


@cache
def _environment() -> Environment:
    return environment()
