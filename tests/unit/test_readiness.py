"""Which machines are refused, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recettes.files import STAGING
from recettes.readiness import Readiness, plan_ready, ready_script, refusals, warnings

GOOD = Readiness("debian", "trixie", "Debian GNU/Linux 13 (trixie)", "x86_64", True, {"/": 10**10, "/var": 10**10}, 0.3)


def test_a_good_machine_is_neither_refused_nor_warned_about() -> None:
    assert refusals(GOOD, "trixie") == warnings(GOOD) == []
    assert plan_ready(GOOD) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(GOOD, release="bookworm", system="Debian GNU/Linux 12 (bookworm)"), "runs Debian GNU/Linux 12 (bookworm)"),
        (replace(GOOD, distribution="ubuntu"), "for Debian trixie only"),
        (replace(GOOD, root=False), "not root"),
        (replace(GOOD, free={"/": 10**10, "/var": 12_000_000}), "/var has 12 MB"),
    ],
)
def test_a_machine_that_is_not_fit_is_refused_in_a_sentence(state: Readiness, words: str) -> None:
    (why,) = refusals(state, "trixie")
    assert words in why


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(GOOD, skew=-75.2), "75 s behind"),
        (replace(GOOD, skew=3600), "3600 s ahead"),
        (replace(GOOD, reboot=True), "reboot"),
        (replace(GOOD, failed=("a.service",)), "a.service"),
    ],
)
def test_what_needs_a_look_is_said_and_refuses_nothing(state: Readiness, words: str) -> None:
    assert refusals(state, "trixie") == []
    assert words in warnings(state)[0]


def test_the_list_of_staged_files_goes_after_the_files() -> None:
    script = ready_script(replace(GOOD, leftovers=("/etc/a.recettes-new", STAGING)))
    assert script.index("/etc/a.recettes-new") < script.index(STAGING)
