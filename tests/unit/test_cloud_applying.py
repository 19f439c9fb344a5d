"""A plan is carried out on the cloud that it was made of, and on no other."""

from __future__ import annotations

from dataclasses import replace

from recettes.cloud.actual import CloudState, Volume
from recettes.cloud.applying import moved
from recettes.cloud.draft import CloudPlan
from recettes.cloud.plan import everything, plan_cloud
from recettes.declarations.cloud import Needs
from tests.unit.test_cloud_life import LABEL, LATER, asked, taken_of, with_server
from tests.unit.test_cloud_plan import BARE, WANTED, WEB, XMLDB, converged, lab, mark, wanted


def other(state: CloudState, plan: CloudPlan) -> list[str]:
    assert plan.steps
    return moved(state, plan.steps, plan.ids)


def test_what_is_as_it_was_planned_for_is_done() -> None:
    for state, plan in (
        (BARE, plan_cloud(BARE, WANTED)),
        (converged(), plan_cloud(converged(), WANTED, [everything("production")])),
        (taken_of("texts"), asked(taken_of("texts"), "restore", "texts", now=LATER)),
        (taken_of("web-root"), asked(taken_of("web-root"), "restore", "web", now=LATER)),
        (converged(), asked(converged(), "rebuild", "web", now=LATER)),
    ):
        assert other(state, plan) == []


def test_what_another_run_has_made_meanwhile_is_not_made_twice() -> None:
    assert "server web" in other(converged(), plan_cloud(BARE, WANTED))
    failed = with_server(converged(), "web", status="ERROR", launched=False)
    again = plan_cloud(failed, WANTED)
    assert other(with_server(converged(), "web", id="new"), again) == ["server web"]
    own_disk = wanted(lab(WEB, XMLDB.model_copy(update={"flavour": Needs(vcpus=8, memory=30)})))
    anew = asked(converged(), "rebuild", "xmldb", own_disk, now=LATER)
    assert other(with_server(converged(), "xmldb", id="new"), anew) == ["server xmldb"]


def test_a_volume_that_another_run_has_restored_meanwhile_is_not_restored_twice() -> None:
    before = taken_of("texts")
    plan = asked(before, "restore", "texts", now=LATER)
    root, texts = before.volumes
    on_its_way = Volume("new", "", mark("volume", f"texts-from-{LABEL}"), 100, "available")
    between = replace(before, volumes=(root, texts, on_its_way))
    assert other(between, plan) == [f"volume texts-from-{LABEL}"]
    aside = replace(texts, mark=mark("volume", "texts-until-20260504t115900z"))
    after = replace(before, volumes=(root, aside, replace(on_its_way, mark=mark("volume", "texts"))))
    assert other(after, plan) == ["volume texts"]
    half = asked(between, "restore", "texts", label=LABEL, now=LATER)
    assert other(after, half) == ["volume texts", f"volume texts-from-{LABEL}"]


def test_what_is_gone_already_keeps_nothing_else_from_going() -> None:
    end = plan_cloud(converged(), WANTED, [everything("production")])
    assert other(replace(converged(), servers=()), end) == []
