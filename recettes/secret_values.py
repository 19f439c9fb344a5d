"""Secret values: what keeps them from showing, and their form inside an estate's encrypted file."""

from __future__ import annotations

import hmac
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NoReturn, final

FORMAT = 1
LENGTH = 32  # letters and digits: 190 bits, and nothing that a shell, an address, SQL or XML would have to quote
SHORTEST = 20  # letters and digits: 119 bits
ALPHABET = string.ascii_letters + string.digits
NAME = r"[a-z0-9][a-z0-9._/-]{0,99}"

Kind = Literal["random", "given"]  # whether another can be made without asking anybody


@final
class Secret:
    """A value that shows only through `reveal()`; everywhere else it is `<secret NAME>`."""

    __slots__ = ("__value", "name")
    name: str

    def __init__(self, name: str, value: str) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        value: str = object.__getattribute__(self, "_Secret__value")
        return value

    def __repr__(self) -> str:
        return f"<secret {self.name}>"

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        same = hmac.compare_digest(self.reveal().encode(), other.reveal().encode())
        return same and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __setattr__(self, attribute: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} does not change")

    def __delattr__(self, attribute: str) -> NoReturn:
        raise AttributeError(f"{self!r} does not change")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self!r} is not to be stored")


@dataclass(frozen=True)
class Entry:
    secret: Secret
    made: date
    kind: Kind


@dataclass(frozen=True)
class Contents:
    """What the file holds.

    `recipients` (public key by name) repeats recipients.txt, so that a line slipped into that opens nothing.
    `disposable`: a throw-away estate, for which one recipient is enough.
    """

    recipients: Mapping[str, str]
    entries: Mapping[str, Entry]
    disposable: bool


def random_entry(name: str, length: int) -> Entry:
    """A new random value of `length` letters and digits."""
    if length < SHORTEST:
        raise ValueError(f"a random secret has at least {SHORTEST} characters, not {length}")
    import secrets

    value = Secret(name, "".join(secrets.choice(ALPHABET) for _ in range(length)))
    return Entry(value, date.today(), "random")


def given_entry(name: str, value: str) -> Entry:
    return Entry(Secret(name, value), date.today(), "given")


def rotated(entry: Entry) -> Entry:
    """The same with another value of the same length; a given one stays as it is."""
    if entry.kind == "given":
        return entry
    return random_entry(entry.secret.name, len(entry.secret.reveal()))


def encode(contents: Contents) -> bytes:
    held = {
        name: {"value": entry.secret.reveal(), "made": entry.made.isoformat(), "kind": entry.kind}
        for name, entry in sorted(contents.entries.items())
    }
    people = dict(contents.recipients)
    whole = {"version": FORMAT, "disposable": contents.disposable, "recipients": people, "secrets": held}
    return json.dumps(whole, indent=1, ensure_ascii=False).encode()


def decode(plain: bytes) -> Contents | None:
    """None when it is something else: nothing is raised, since an error would carry the text it is about."""
    try:
        whole: dict[str, Any] = json.loads(plain)
        if whole["version"] != FORMAT:
            return None
        entries = {name: _entry(name, **held) for name, held in whole["secrets"].items()}
        return Contents(whole["recipients"], entries, whole["disposable"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(name: str, value: str, made: str, kind: Kind) -> Entry:
    if not isinstance(value, str) or kind not in ("random", "given"):
        raise TypeError
    return Entry(Secret(name, value), date.fromisoformat(made), kind)
