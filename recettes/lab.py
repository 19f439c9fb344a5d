"""The lab as a run sees it: what is wanted, on which machines, with which secrets, from which recipes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from recettes.blueprint import Blueprint
from recettes.cloud.differences import estate_of, wishes_of
from recettes.declarations.cloud import CloudEstate, volumes_of
from recettes.estate import CHOICE, Estate, EstateError, Machine, chosen, folder_of, read_estate
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
    cloud: CloudEstate | None = None

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


# Names the entry of clouds.yaml; everything that speaks to OpenStack knows it.
OS_CLOUD = "OS_CLOUD"


def load(root: Path = ROOT, *, applying: bool = False, machines: bool = True) -> LabView:
    """Read the chosen estate and all declarations; without `machines`, for a run in which the cloud itself is the only one.

    Raises EstateError, DeclarationError or SecretsError; makes nothing.
    """
    # A mistake in the declarations is better known before a cloud is asked; without a cloud, no machine may be there at all.
    if not os.environ.get(OS_CLOUD):
        read_estate(chosen(root))
    wishes = gather(declarations(root))
    cloud = _cloud_of(wishes)
    estate = _present(root, wishes, cloud) if machines else _bare(root, cloud)
    return LabView(
        wishes_of(wishes, cloud), estate, Vault(estate.folder), Checkout(root), datetime.now(UTC), applying, cloud=cloud
    )


def present_estate(root: Path = ROOT) -> Estate:
    """The machines there are. Raises EstateError, DeclarationError or SecretsError."""
    if not os.environ.get(OS_CLOUD):
        return read_estate(chosen(root))
    wishes = gather(declarations(root))
    return _present(root, wishes, _cloud_of(wishes))


def _cloud_of(wishes: Wishes) -> CloudEstate | None:
    return estate_of(wishes.lab.cloud, os.environ.get(CHOICE), os.environ.get(OS_CLOUD) or None)


def _present(root: Path, wishes: Wishes, cloud: CloudEstate | None) -> Estate:
    """A cloud's machines are asked for where OS_CLOUD says where; else the folder says which there were."""
    if cloud is None or wishes.lab.cloud is None or not os.environ.get(OS_CLOUD):
        return read_estate(chosen(root) if cloud is None else folder_of(root, cloud.name))
    from recettes.cloud.machines import cloud_estate

    folder = folder_of(root, cloud.name)
    return cloud_estate(folder, Vault(folder), volumes_of(wishes.lab.cloud, cloud))


def _bare(root: Path, cloud: CloudEstate | None) -> Estate:
    if cloud is None or not os.environ.get(OS_CLOUD):
        raise EstateError(
            "This run is about a cloud: Lab(cloud=…) has to be declared, OS_CLOUD to name the entry of clouds.yaml, and "
            "RECETTES_ESTATE one of the cloud's estates. Nothing was touched."
        )
    folder = folder_of(root, cloud.name)
    if not folder.is_dir():
        raise EstateError(f"There is no estate {cloud.name}: {folder} is missing. docs/cloud.md says how one begins.")
    return Estate(cloud.name, folder, {})


def declarations(root: Path = ROOT) -> Path:
    """The folder with the lab's declarations."""
    return Path(os.environ.get(GROUP_DATA) or root / "group_data")
