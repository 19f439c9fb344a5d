"""The XML database server runs with the versions that are declared."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api.operation import operation

from facts.survey import Part
from facts.xmldb_upgrade import in_force
from operations.engine import Commands, Script, bring
from operations.units import started
from recettes.catalogue import Artifact
from recettes.change import Change
from recettes.xmldb import names
from recettes.xmldb.upgrade import InForce, links_script, plan_links, plan_upgrade, upgrade_script


def in_force_part(wanted: Mapping[str, Artifact]) -> Part[InForce]:
    """What both operations read; for the survey."""
    return in_force(wanted)


@operation()
def programs_linked(wanted: Mapping[str, Artifact]) -> Commands:
    """`current` of each program names a version: at a first installation the wanted one. The programs are unpacked before."""
    yield from bring(
        in_force_part(wanted),
        lambda actual: plan_links(actual, wanted),
        lambda _, changes: [Script("links to programs", links_script(changes))],
        unchanged="programs are linked",
    )


@operation()
def programs_upgraded(wanted: Mapping[str, Artifact]) -> Commands:
    """`current` of each program names the wanted version; the server is started with it, checked, and taken back if need be.

    What the unit reads is there before, and is good for the old versions and the new ones.
    """

    def plan(actual: InForce) -> list[Change]:
        if changes := plan_upgrade(actual, wanted):
            started(names.UNIT)
        return changes

    yield from bring(
        in_force_part(wanted),
        plan,
        lambda *_: [Script("upgrade of the XML database server", upgrade_script(wanted))],
        unchanged="programs in force as wanted",
    )
