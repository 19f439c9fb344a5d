"""How large a quota is needed, what is to be done about it, and the texts that follow."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from recettes.cloud import quota
from recettes.cloud.actual import Allowance
from recettes.cloud.dns import zone_snippet
from recettes.cloud.request import BLANK, Language, bandwidth, request_text
from recettes.cloud.sizing import advice, sizing, unknown_words
from recettes.cloud.wanted import WantedCloud, wanted_cloud
from recettes.declarations.cloud import Cloud, CloudEstate
from recettes.declarations.cloud_request import Both, CloudRequest, Traffic
from recettes.declarations.lab import Lab, Project
from recettes.declarations.sites import RedirectSite
from recettes.gather import Wishes
from tests.unit.test_cloud_plan import BARE, NOW, SITES, TEXTS, WANTED, WEB, XMLDB, converged

TODAY = date(2026, 5, 4)
SITE = RedirectSite(name="s", host="l.test", www=True, aliases=("letters.example.org",), to="https://other.test")
PROJECT = Project(name="letters", title="Letters", answers="Ada", sites=(SITE,))


def test_the_table_counts_what_a_run_in_an_empty_project_makes() -> None:
    sizes = sizing(WANTED, BARE)
    least = {row.what: row.least for row in sizes.rows}
    # web: p2 with its system on a volume; xmldb: c4 with a disk of its own, and the volume of texts.
    assert (least[quota.SERVERS], least[quota.VCPUS], least[quota.MEMORY]) == (2, 6, 4096 + 8192)
    assert (least[quota.VOLUMES], least[quota.VOLUME_SIZE], least[quota.FLOATING_IPS]) == (2, 120, 1)
    room = {row.what: row.room for row in sizes.rows}
    # One snapshot of both, and texts a second time while the first is kept.
    assert (room[quota.SNAPSHOTS], room[quota.VOLUMES], room[quota.VOLUME_SIZE]) == (2, 3, 120 + 120 + 100)


def test_what_the_project_has_already_changes_nothing_of_what_is_needed() -> None:
    assert sizing(WANTED, converged()) == sizing(WANTED, BARE)


def test_without_a_cloud_a_flavour_that_has_only_a_name_is_said_to_be_unknown() -> None:
    sizes = sizing(WANTED)
    assert sizes.unknown == ("c4",)
    assert sizes.row(quota.VCPUS).least == 2
    assert "without flavour c4" in unknown_words(sizes)[0]
    assert sizes.row(quota.VCPUS).allowed is None


@pytest.mark.parametrize(
    ("allowed", "sentence"),
    [
        (Allowance(5, 0), "vCPU: 5 allowed, and the estate needs 6: ask for 1 more"),
        (Allowance(None, 40), "vCPU: 40 in use, 34 more than is declared: bin/cloud plan names what is left over"),
        (Allowance(6, 6), ""),
        (Allowance(25, 6), ""),
    ],
)
def test_advice_is_given_where_something_is_to_be_done(allowed: Allowance, sentence: str) -> None:
    assert advice(sizing(WANTED, replace(BARE, quota={quota.VCPUS: allowed}))) == ([sentence] if sentence else [])


def test_a_quota_without_room_for_snapshots_is_told_before_one_is_needed() -> None:
    tight = replace(BARE, quota={quota.VOLUME_SIZE: Allowance(200, 120)})
    (sentence,) = advice(sizing(WANTED, tight))
    assert sentence == "GB of volumes: 200 allowed, enough without snapshots and restores: ask for 140 more"


def asked(request: CloudRequest) -> Wishes:
    cloud = Cloud(machines=(WEB, XMLDB), volumes=(TEXTS.model_copy(update={"project": "letters"}),), request=request)
    networks = ("192.0.2.0/24",)
    lab = Lab(name="L", domain="l.test", contact="a@l.test", administrator_networks=networks, flows=(SITES,), cloud=cloud)
    return Wishes(lab, (PROJECT,))


def wanted_of(wishes: Wishes) -> WantedCloud:
    return wanted_cloud(wishes.lab, CloudEstate(name="production"), NOW)


def text(request: CloudRequest, language: Language) -> str:
    wishes = asked(request)
    wanted = wanted_of(wishes)
    return request_text(wishes, wanted, sizing(wanted, BARE), language=language, today=TODAY)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_the_lab_has_not_said_is_a_marked_blank_and_no_number_is_invented(language: Language) -> None:
    empty = text(CloudRequest(), language)
    assert empty.count(BLANK[language]) == 9
    assert "Mbit/s" not in empty
    figures = {word for line in empty.splitlines() if line.startswith("| ") for word in re.findall(r"\d+", line)}
    rows = sizing(wanted_of(asked(CloudRequest())), BARE).rows
    # And what the machines are declared to have.
    assert figures <= {str(n) for row in rows for n in (row.least, row.room)} | {"2", "4", "20"}
    assert "443/tcp" in empty
    assert "192.0.2.0/24" in empty


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_the_lab_has_said_stands_in_the_request(language: Language) -> None:
    def both(word: str) -> Both:
        return Both(en=f"{word} in English", fr=f"{word} en français")

    whole = CloudRequest(
        institution=both("institution"),
        responsible="Ada Lovelace",
        purpose=both("purpose"),
        data=both("data"),
        holds={"texts": both("texts")},
        traffic=Traffic(visits_per_day=3000, megabytes=2.4, busiest_hour=12),
        until=date(2029, 4, 30),
    )
    said = text(whole, language)
    assert said.count(BLANK[language]) == 2  # who administers, and the backups outside of the cloud
    ending = "in English" if language == "en" else "en français"
    assert all(f"{word} {ending}" in said for word in ("institution", "purpose", "data", "texts"))
    assert ("1.9 Mbit/s" if language == "en" else "1,9 Mbit/s") in said


def test_bandwidth_is_computed_from_visits() -> None:
    figures = bandwidth(Traffic(visits_per_day=3000, megabytes=2.4, busiest_hour=12), "en")
    assert (figures.month, figures.mean, figures.busiest) == ("216", "0.67", "1.9")


def test_dns_records_are_lines_for_the_zones_that_have_the_names() -> None:
    assert zone_snippet("l.test", [SITE], "203.0.113.7") == (
        "$ORIGIN l.test.\n"
        "@                    3600 IN A 203.0.113.7\n"
        "www                  3600 IN A 203.0.113.7\n"
        "; not below l.test: each of these is for the zone that has it\n"
        "letters.example.org. 3600 IN A 203.0.113.7\n"
    )
