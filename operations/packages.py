"""Packages are installed, and nothing is started by that."""

from __future__ import annotations

from collections.abc import Collection, Generator

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.packages import package_table
from facts.survey import Part
from operations.engine import Script, bring
from recettes.packages import PackageTable, packages_script, plan_packages


def packages_part() -> Part[PackageTable]:
    """What `packages` reads; for the survey."""
    return package_table()


@operation()
def packages(wanted: Collection[str]) -> Generator[PyinfraCommand, None, None]:
    """The packages are there, whole. No unit is started or enabled, no package is removed, no configuration file replaced."""
    yield from bring(
        package_table(),
        lambda actual: plan_packages(actual, wanted),
        lambda actual, changes: [Script(f"{len(changes)} packages", packages_script(changes, actual, wanted))],
        unchanged="packages as wanted",
    )
