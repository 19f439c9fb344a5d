"""What one machine consists of: the contributions of all its roles, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from recettes.accounts import Account
from recettes.files import File
from recettes.trees import Tree
from recettes.units import Unit

V = TypeVar("V")


@dataclass(frozen=True)
class Blueprint:
    """Wanted state by subsystem. Paths, unit and account names are the keys; two roles may name the same thing only alike."""

    packages: frozenset[str] = frozenset()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    trees: Mapping[str, Tree] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)

    def __add__(self, other: Blueprint) -> Blueprint:
        return Blueprint(
            self.packages | other.packages,
            _merge("account", self.accounts, other.accounts),
            _merge("file", self.files, other.files),
            _merge("tree", self.trees, other.trees),
            _merge("unit", self.units, other.units),
        )


def together(parts: Iterable[Blueprint]) -> Blueprint:
    """All parts of one machine. Raises ValueError when two of them want different things of one item."""
    whole = Blueprint()
    for part in parts:
        whole = whole + part
    return whole


def _merge(kind: str, one: Mapping[str, V], other: Mapping[str, V]) -> dict[str, V]:
    for key in one.keys() & other.keys():
        if one[key] != other[key]:
            raise ValueError(f"two roles of this machine want different things of the {kind} {key}")
    return {**one, **other}
