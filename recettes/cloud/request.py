"""The text with which the lab asks a cloud for its resources, from what is declared. Nothing in it is invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from recettes.cloud import quota
from recettes.cloud.sizing import Sizing, table
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud_request import Both, Traffic
from recettes.gather import Wishes
from recettes.templates import render

Language = Literal["en", "fr"]
# How a blank is marked, so that none is overlooked.
BLANK = {"en": "[TO BE COMPLETED", "fr": "[À COMPLÉTER"}
_COLON = {"en": ":", "fr": " :"}
_FRENCH = {
    quota.SERVERS: "machines virtuelles",
    quota.VCPUS: "vCPU",
    quota.MEMORY: "Mo de mémoire vive",
    quota.VOLUMES: "volumes",
    quota.VOLUME_SIZE: "Go de volumes",
    quota.SNAPSHOTS: "instantanés de volume",
    quota.NETWORKS: "réseaux",
    quota.SUBNETS: "sous-réseaux",
    quota.ROUTERS: "routeurs",
    quota.PORTS: "ports réseau",
    quota.FLOATING_IPS: "adresses IP flottantes",
    quota.GROUPS: "groupes de sécurité",
    quota.RULES: "règles de groupes de sécurité",
}


@dataclass(frozen=True)
class Bandwidth:
    """GB a month of 30 days; Mbit/s on average, and in the busiest hour."""

    month: str
    mean: str
    busiest: str


def bandwidth(traffic: Traffic, language: Language) -> Bandwidth:
    day = traffic.visits_per_day * traffic.megabytes
    figures = (day * 30 / 1000, day * 8 / 86400, day * traffic.busiest_hour / 100 * 8 / 3600)
    texts = [f"{figure:.0f}" if figure >= 10 else f"{figure:.2g}" for figure in figures]
    return Bandwidth(*(text.replace(".", ",") if language == "fr" else text for text in texts))


def request_text(wishes: Wishes, wanted: WantedCloud, sizes: Sizing, *, language: Language, today: date) -> str:
    """Markdown, of a lab that has a cloud declared."""
    lab, projects = wishes.lab, wishes.projects
    assert lab.cloud
    asked = lab.cloud.request
    blank = _blanks(language)
    by_name = {project.name: project for project in projects}
    public = sorted({(flow.to, str(flow.port), flow.protocol, flow.why) for flow in lab.flows if flow.public})
    words: dict[str, Any] = {
        "lab": lab,
        "asked": asked,
        "today": today,
        "wanted": wanted,
        "projects": projects,
        "project": by_name,
        "administrators": [one for one in lab.administrators if one.current(today)],
        "public": public,
        "wanted_networks": ", ".join(lab.administrator_networks),
        "figures": table(sizes, _FRENCH if language == "fr" else None),
        "unknown": sizes.unknown,
        "bandwidth": bandwidth(asked.traffic, language) if asked.traffic else None,
        "said": lambda text, what: _said(text, what, language, blank),
        "blank": blank,
    }
    return render(f"cloud/request.{language}.md.j2", **words)


def _blanks(language: Language) -> Callable[[str], str]:
    return lambda what: f"**{BLANK[language]}{_COLON[language]} {what}]**"


def _said(text: Both | str | None, what: str, language: Language, blank: Callable[[str], str]) -> str:
    if isinstance(text, Both):
        return text.fr if language == "fr" else text.en
    return text or blank(what)
