"""The lab as a run sees it: what is wanted, on which machines, with which secrets, from which recipes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from recettes.blueprint import Blueprint
from recettes.estate import Estate, Machine, chosen, read_estate
from recettes.gather import Wishes, gather
from recettes.recipes import ROOT, Checkout
from recettes.secrets import Secret, Vault


@dataclass(frozen=True)
class LabView:
    """Everything a deploy may look at. Attached to group `all`; frozen; prints as JSON without any secret.

    `applying` is False in a dry run: random secrets that are missing are then not made but only announced. `blueprints` are those
    that were put together already, by machine and role.
    """

    wishes: Wishes
    estate: Estate
    vault: Vault = field(repr=False)
    checkout: Checkout = field(repr=False)
    now: datetime
    applying: bool = False
    new_secrets: set[str] = field(default_factory=set, repr=False)
    blueprints: dict[str, dict[str, Blueprint]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def today(self) -> date:
        return self.now.date()

    def machine(self, name: str) -> Machine:
        return self.estate.machines[name]

    def secret(self, name: str) -> Secret | None:
        """The value of a secret; None for one that only the next apply makes."""
        return self.vault.get(name) if self.vault.has(name) else None

    def ensure_secrets(self, names: Iterable[str]) -> list[str]:
        """Of these random secrets, those that were missing when the run began. They are made now when the run applies."""
        for name in names:
            if name not in self.new_secrets and not self.vault.has(name):
                self.new_secrets.add(name)
                if self.applying:
                    self.vault.ensure(name)
        return sorted(self.new_secrets.intersection(names))

    def to_json(self) -> dict[str, Any]:
        return {
            "estate": self.estate.name,
            "lab": self.wishes.lab.model_dump(mode="json"),
            "projects": [project.model_dump(mode="json") for project in self.wishes.projects],
            "machines": {name: machine.groups for name, machine in self.estate.machines.items()},
        }


# Where the declarations lie, when not in the checkout.
GROUP_DATA = "RECETTES_GROUP_DATA"


def load(root: Path = ROOT, *, applying: bool = False) -> LabView:
    """Read the chosen estate and all declarations. Raises EstateError or DeclarationError; makes nothing."""
    estate = read_estate(chosen(root))
    wishes = gather(declarations(root))
    return LabView(wishes, estate, Vault(estate.folder), Checkout(root), datetime.now(UTC), applying)


def declarations(root: Path = ROOT) -> Path:
    """The folder with the lab's declarations."""
    return Path(os.environ.get(GROUP_DATA) or root / "group_data")
