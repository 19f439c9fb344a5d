"""Reading a machine: any number of parts in one exec, each of them whole or `UNREAD`."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host

from recettes.shell import whole

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Unread:
    """The answer was missing, cut off or odd. Never to be taken for "nothing there"."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"UNREAD ({self.reason})"


@dataclass(frozen=True)
class Part(Generic[T_co]):
    """What to read of one subsystem: shell lines that print it, and how to understand what they print.

    `parse` gets the printed lines and raises ValueError when they are not what the script prints. A script that ends with a
    status other than 0 makes the part unread.
    """

    subsystem: str
    script: str = field(repr=False)
    parse: Callable[[list[str]], T_co] = field(repr=False, compare=False)

    @property
    def key(self) -> str:
        return self.subsystem + ":" + hashlib.sha256(self.script.encode()).hexdigest()


class Unshown(tuple[str, ...]):
    """Lines of standard input. pyinfra prints the arguments of facts at -vv, and a script may hold a secret to compare with."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<script>"


class Survey(FactBase[dict[str, Any]]):
    """The printed lines of a survey's script, which goes by standard input."""

    def command(self) -> str:
        return "sh -s"

    @staticmethod
    def default() -> dict[str, Any]:
        return {}

    def process(self, output: Iterable[str]) -> dict[str, Any]:
        return {"lines": list(output)}


def survey_script(parts: Sequence[Part[Any]], nonce: str) -> str:
    """Each part in a subshell of its own between markers that no file name on the machine can imitate."""
    blocks = [
        f"echo '{nonce} begin {number}'\n(\nset -e\n{part.script.rstrip()}\n) 2>&1\n"
        f'rc=$?\necho\necho "{nonce} end {number} $rc"\n'
        for number, part in enumerate(parts)
    ]
    return whole("set +e\n" + "".join(blocks))


def understand(parts: Sequence[Part[Any]], nonce: str, lines: Sequence[str]) -> dict[str, Any]:
    """From the survey's printed lines to a value, or Unread, for each part's key."""
    bodies: dict[int, list[str]] = {}
    status: dict[int, int] = {}
    current: list[str] | None = None
    for line in lines:
        if line.startswith(nonce + " "):
            words = line.split()
            if words[1] == "begin":
                current = bodies.setdefault(int(words[2]), [])
            else:
                status[int(words[2])] = int(words[3])
                current = None
        elif current is not None:
            current.append(line)
    return {part.key: _one(part, bodies.get(number), status.get(number)) for number, part in enumerate(parts)}


def _one(part: Part[Any], body: list[str] | None, status: int | None) -> Any:
    if body is None or status is None:
        return Unread(f"{part.subsystem}: the machine's answer was cut off")
    if body and not body[-1]:
        body = body[:-1]  # the empty line that keeps the end marker on a line of its own
    if status != 0:
        said = next((line for line in reversed(body) if line.strip()), "nothing was said")
        return Unread(f"{part.subsystem}: reading ended with status {status}: {said}")
    try:
        return part.parse(body)
    except (ValueError, IndexError, KeyError) as error:
        return Unread(f"{part.subsystem}: the answer was not understood: {error}")


class Reader:
    """What is known of one host: read together where it can be, forgotten when something changes."""

    def __init__(self, announced: Mapping[str, Part[Any]] | None = None) -> None:
        self.known: dict[str, Any] = {}
        self.announced = dict(announced or {})
        self.asked = False

    def announce(self, parts: Iterable[Part[Any]]) -> None:
        """These parts will be asked for: the first question reads them all in one exec."""
        self.announced |= {part.key: part for part in parts}

    def read(self, host: Host, part: Part[T]) -> T | Unread:
        if part.key not in self.known:
            together = [] if self.asked else [p for key, p in self.announced.items() if key != part.key]
            self.asked = True
            self.known |= ask(host, [part, *together])
        return cast("T | Unread", self.known[part.key])

    def learn(self, part: Part[Any], lines: list[str], status: int) -> None:
        """What the part's script printed, and ended with, when it was run otherwise."""
        self.known[part.key] = _one(part, lines, status)

    def forget(self) -> None:
        self.known.clear()


def ask(host: Host, parts: Sequence[Part[Any]]) -> dict[str, Any]:
    """One exec, now. A host that does not answer gives Unread for every part."""
    nonce = "#" + secrets.token_hex(8)
    raw = host.get_fact(Survey, _stdin=Unshown([survey_script(parts, nonce)]))
    return understand(parts, nonce, raw.get("lines", []) if isinstance(raw, dict) else [])
