"""The commands of `bin/cloud` that say how much of a cloud the lab needs, and under which names it is found."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from typing import Any

from recettes.cloud.actual import CloudState
from recettes.cloud.differences import estate_of, wishes_of
from recettes.cloud.dns import zone_snippet
from recettes.cloud.present import present_cloud
from recettes.cloud.request import BLANK, request_text
from recettes.cloud.sizing import Sizing, SizingError, advice, sizing, table, unknown_words
from recettes.cloud.wanted import WantedCloud, wanted_cloud
from recettes.estate import CHOICE, EstateError
from recettes.gather import Wishes, gather
from recettes.lab import OS_CLOUD, declarations
from recettes.recipes import ROOT

DONE, FAILED = 0, 1


def add(commands: Any) -> None:
    for name, does, text in (
        ("quota", _quota, "the quota that the declared estate needs; with OS_CLOUD, beside what is allowed and in use"),
        ("request", _request, "the text that asks a cloud for it, with what the lab must still say marked"),
        ("dns", _dns, "the DNS records to set, as lines for a zone file"),
    ):
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(does=does)
        if name == "request":
            one.add_argument("--language", choices=("en", "fr"), default="en")


def _quota(asked: argparse.Namespace) -> int:
    """Exit status 1 where the estate does not fit."""
    wanted = _declared()[1]
    state = _cloud()
    sizes = _sized(wanted, state)
    lines = [("", "minimum", "with room", "allowed", "in use"), *table(sizes)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:
        print(
            f"{line[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True)), sep="  "
        )
    for sentence in [*unknown_words(sizes), *advice(sizes)]:
        print(sentence)
    small = any(row.allowed is not None and row.allowed.limit is not None and row.allowed.limit < row.least for row in sizes.rows)
    return FAILED if small else DONE


def _request(asked: argparse.Namespace) -> int:
    wishes, wanted = _declared()
    today = datetime.now(UTC).date()
    text = request_text(wishes, wanted, _sized(wanted, _cloud()), language=asked.language, today=today)
    print(text, end="")
    if blanks := text.count(BLANK[asked.language]):
        print(f"{blanks} places are marked {BLANK[asked.language]} …: say it in Cloud(request=CloudRequest(…)).", file=sys.stderr)
    return DONE


def _dns(asked: argparse.Namespace) -> int:
    wishes, wanted = _declared()
    if not os.environ.get(OS_CLOUD):
        raise EstateError("OS_CLOUD is not set: the cloud says which address the estate has.")
    floating = {
        one.mark.item: one.address for one in present_cloud().floating_ips if one.mark and one.mark.estate == wanted.estate
    }
    front = next((one.name for one in wanted.machines if "web" in one.groups and one.name in floating), None)
    if front is None:
        raise EstateError(
            f"Estate {wanted.estate} has no web machine with a floating IP in the cloud yet: bin/cloud up makes it."
        )
    sites = [site for project in wishes.projects for site in project.sites]
    print(zone_snippet(wishes.lab.domain, sites, floating[front]), end="")
    return DONE


def _declared() -> tuple[Wishes, WantedCloud]:
    wishes = gather(declarations(ROOT))
    cloud = wishes.lab.cloud
    if cloud is None:
        raise EstateError("The lab declares no cloud: Lab(cloud=Cloud(…)).")
    estate = estate_of(cloud, os.environ.get(CHOICE) or cloud.estates[0].name, os.environ.get(OS_CLOUD) or None)
    if estate is None:
        raise EstateError(
            f"{os.environ.get(CHOICE)} is no estate of the cloud; there are {', '.join(e.name for e in cloud.estates)}."
        )
    wishes = wishes_of(wishes, estate)
    return wishes, wanted_cloud(wishes.lab, estate, datetime.now(UTC))


def _cloud() -> CloudState | None:
    return present_cloud() if os.environ.get(OS_CLOUD) else None


def _sized(wanted: WantedCloud, state: CloudState | None) -> Sizing:
    try:
        return sizing(wanted, state)
    except SizingError as error:
        raise EstateError(f"{error}.") from None
