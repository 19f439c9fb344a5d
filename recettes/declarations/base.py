"""How a declaration is written, and how its mistakes are gathered instead of stopping at the first one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

_HERE = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in the declarations: where it is written, which key, and what is allowed."""

    file: str
    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.problem}"


class DeclarationError(Exception):
    """The declarations as a whole are not good; nothing was touched. `mistakes` has them all."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(f"{count} in the declarations; no machine was touched:\n" + "\n".join(f"  {m}" for m in mistakes))


_noted: list[Mistake] = []


def note(mistake: Mistake) -> None:
    _noted.append(mistake)


def noted() -> list[Mistake]:
    """The mistakes noted since the last call, in the order of the files."""
    mistakes = sorted(set(_noted), key=lambda m: (m.file, m.line, m.key))
    _noted.clear()
    return mistakes


class Declaration(BaseModel):
    """A typed, frozen wish. A wrong one is noted with the file and line where it is written; the others are still read.

    `where` tells that place to checks that look across declarations.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, hide_input_in_errors=True, arbitrary_types_allowed=False
    )

    def __init__(self, /, **data: Any) -> None:
        file, line = _caller()
        try:
            super().__init__(**data)
        except ValidationError as error:
            name = type(self).__name__
            for problem in error.errors(include_url=False, include_context=False):
                place = ".".join(str(step) for step in problem["loc"])
                note(Mistake(file, line, f"{name}.{place}" if place else name, _sentence(problem, type(self), data)))
            self._stand_in(data)
        except (AttributeError, TypeError):
            if not _noted:
                raise
            self._stand_in(data)  # a check met a wrong part, which is noted already
        _places[id(self)] = (file, line)
        _kept.append(self)

    def _stand_in(self, data: dict[str, Any]) -> None:
        """So that the declarations around a wrong one can still be read."""
        for name, value in (
            ("__dict__", dict(data)),
            ("__pydantic_fields_set__", set(data)),
            ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):
            object.__setattr__(self, name, value)


_places: dict[int, tuple[str, int]] = {}
_kept: list[Declaration] = []  # so that no id in _places is used twice


def where(declaration: Declaration) -> tuple[str, int]:
    """File and line at which a declaration was written."""
    return _places.get(id(declaration), ("?", 0))


def wrong(declaration: Declaration, key: str, problem: str) -> None:
    """Note a mistake that only shows when declarations are looked at together."""
    file, line = where(declaration)
    note(Mistake(file, line, f"{type(declaration).__name__}.{key}", problem))


def unique(kind: str, declared: Iterable[Declaration]) -> None:
    """Note each that has the name of one before it. `declared` are all of a kind that has names."""
    seen: set[str] = set()
    for one in declared:
        name = one.name  # type: ignore[attr-defined]
        if name in seen:
            wrong(one, "name", f"there is already a {kind} {name!r}; each name is used once")
        seen.add(name)


def _caller() -> tuple[str, int]:
    frame = sys._getframe(2)
    while frame.f_back and (frame.f_code.co_filename.startswith(_HERE) or "pydantic" in frame.f_code.co_filename):
        frame = frame.f_back
    return _shown(frame.f_code.co_filename), frame.f_lineno


def _shown(file: str) -> str:
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        return file


def _sentence(problem: Any, model: type[Declaration], data: dict[str, Any]) -> str:
    kind, message = problem["type"], str(problem["msg"])
    if kind == "extra_forbidden":
        return f"is not known here; known are {', '.join(sorted(model.model_fields))}"
    if kind == "missing":
        return "is missing"
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    first = problem["loc"][0] if problem["loc"] else None
    value = data.get(first) if isinstance(first, str) else None
    shown = f" (it is {value!r})" if isinstance(value, (str, int, float, bool)) and len(repr(value)) < 80 else ""
    return f"{message[:1].lower()}{message[1:]}{shown}"


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


# "02:30", in digits that systemd reads as well.
TIME_OF_DAY = "([01][0-9]|2[0-3]):[0-5][0-9]"


def written_as(pattern: str, problem: str) -> AfterValidator:
    """Text of which the whole is like the regular expression; `problem` says in words what is allowed."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(problem)
        return value

    return AfterValidator(check)


# A name of ours for a project, site, machine: also a Unix account, a folder and a unit.
Name = Annotated[
    str,
    written_as(
        r"[a-z][a-z0-9-]{0,30}", "is not a name: a lower-case letter, then up to 30 lower-case letters (a-z), digits and hyphens"
    ),
]


def _hostname(value: str) -> str:
    if len(value) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})+", value):
        raise ValueError("is not a full host name such as www.example.org (lower case, no spaces, accents as xn--…)")
    return value


Hostname = Annotated[str, AfterValidator(_hostname)]
