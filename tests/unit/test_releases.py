"""Releases of a site: what is planned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facts.releases import release_states
from recettes.releases import (
    NOTHING,
    Kept,
    Release,
    Root,
    SiteState,
    held_back,
    plan_releases,
    release_script,
    unpacks,
    why_not_back,
)

A, B, C, D = (letter * 16 for letter in "abcd")


def want(name: str) -> Release:
    return Release(name * 4, "git main")


def kept(time: float, **more: str) -> Kept:
    return replace(Kept("root", "root", time, "l", "l"), **more)  # type: ignore[arg-type]


def planned(is_: SiteState, release: Release) -> list[tuple[str, str]]:
    return [(change.action, change.wanted) for change in plan_releases({"home": is_}, {"home": release})]


def test_other_folders_that_outlive_releases_make_another_release() -> None:
    assert want(A).name == A
    linked = Release(A * 4, "git main", data=("b", "a"))
    assert linked.name not in (A, Release(A * 4, "git main", data=("a",)).name)
    assert linked.name == Release(A * 4, "git main", data=("a", "b")).name


def test_a_new_site_is_published_and_the_plan_says_from_where() -> None:
    assert planned(NOTHING, want(A)) == [("publish", f"{A} from git main")]


def test_a_site_as_wanted_is_left_alone() -> None:
    assert planned(SiteState({A: kept(1)}, current=A), want(A)) == []


def test_sites_that_are_not_declared_are_not_touched() -> None:
    assert plan_releases({"gone": SiteState({A: kept(1, actual="x")}, current=A, strays=(".new-" + A,))}, {}) == []


def test_a_release_that_is_there_is_not_sent_again() -> None:
    change = plan_releases({"home": SiteState({A: kept(1), B: kept(2)}, current=B, previous=A)}, {"home": want(A)})[0]
    assert change.action == "switch"
    assert not unpacks(change)


def test_a_release_in_force_is_told_to_its_service_in_the_same_step() -> None:
    root, is_ = Root("/srv/x", "app", "xml-apps", at_once="tell"), SiteState({A: kept(1), B: kept(2)}, current=B, previous=A)
    switch = plan_releases({"home": is_}, {"home": want(A)}, root)[0]
    lines = release_script(switch, is_, want(A), root).splitlines()
    assert lines.index(f"point current {A}") < lines.index("tell")
    held = SiteState({A: kept(1), B: kept(2)}, current=A, previous=B, held=B)
    end = plan_releases({"home": held}, {"home": want(A)}, root)[0]
    assert end.action == "end hold"
    assert "tell" not in release_script(end, held, want(A), root).splitlines()


@pytest.mark.parametrize("damage", [{"actual": "x"}, {"owner": "nobody"}, {"recorded": None}])
def test_a_release_that_was_changed_by_hand_is_restored(damage: dict[str, str]) -> None:
    assert [action for action, _ in planned(SiteState({A: kept(1, **damage)}, current=A), want(A))] == ["restore"]


def test_the_oldest_releases_go_when_a_new_one_comes_and_the_plan_names_them() -> None:
    is_ = SiteState({A: kept(1), B: kept(2), C: kept(3)}, current=C, previous=B)
    assert planned(is_, want(D)) == [("publish", f"{D} from git main, removes {A}")]


def test_the_previous_release_stays_however_old_it_is() -> None:
    is_ = SiteState({A: kept(1), B: kept(2), C: kept(3), D: kept(4)}, current=D, previous=A)
    assert planned(is_, want(D)) == [("prune", B)]


def test_what_a_dead_run_left_goes() -> None:
    is_ = SiteState({A: kept(1)}, current=A, strays=(f".new-{B}",))
    assert planned(is_, want(A)) == [("prune", f".new-{B}")]


def test_a_site_that_was_rolled_back_stays_and_the_administrator_is_told() -> None:
    is_ = SiteState({A: kept(1), B: kept(2)}, current=A, previous=B, held=B)
    assert planned(is_, want(B)) == []
    (said,) = held_back({"home": is_}, {"home": want(B)})
    assert f"home stays on {A}" in said
    assert "bin/rollback --end home" in said
    assert held_back({"home": is_}, {"home": want(C)}) == []


def test_a_new_version_ends_the_hold() -> None:
    is_ = SiteState({A: kept(1), B: kept(2)}, current=A, previous=B, held=B)
    assert planned(is_, want(C)) == [("publish", f"{C} from git main, ends the hold on {B}")]


def test_a_hold_ends_when_what_is_shown_is_declared_again() -> None:
    is_ = SiteState({A: kept(1), B: kept(2)}, current=A, previous=B, held=B)
    assert [action for action, _ in planned(is_, want(A))] == ["end hold"]


def test_a_hold_does_not_keep_a_site_with_nothing_to_show_down() -> None:
    assert [action for action, _ in planned(SiteState(held=B), want(B))] == ["publish"]


def test_a_site_is_rolled_back_only_to_something_and_only_once() -> None:
    assert "no release" in (why_not_back("home", NOTHING) or "")
    assert "no earlier release" in (why_not_back("home", SiteState({A: kept(1)}, current=A)) or "")
    assert "already rolled back" in (why_not_back("home", SiteState({A: kept(1), B: kept(2)}, A, B, held=B)) or "")
    assert why_not_back("home", SiteState({A: kept(1), B: kept(2)}, B, A)) is None


def test_a_rollback_that_died_before_the_link_changed_can_be_made_again() -> None:
    assert why_not_back("home", SiteState({A: kept(1), B: kept(2)}, B, A, held=B)) is None


def test_an_answer_that_is_odd_is_unread() -> None:
    part = release_states({"home": ""})
    for odd in (["R d root"], ["S home", "find: 'x': Input/output error"], ["S home", "A x"]):
        with pytest.raises((ValueError, IndexError)):
            part.parse(odd)
