"""What is planned for accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from facts.accounts import account_table
from recettes.accounts import NOLOGIN, Account, AccountState, AccountTable, accounts_script, lockout, plan_accounts

ALICE = Account("/home/alice", "/bin/bash", system=False, groups=frozenset({"sudo"}))
IS_ALICE = AccountState("/home/alice", "/bin/bash", frozenset({"sudo"}), "none")
LOCKED = AccountState("/home/alice", NOLOGIN, frozenset(), "locked", 1)


def table(connected: str = "root", managed: frozenset[str] = frozenset({"alice"}), **states: AccountState) -> AccountTable:
    return AccountTable(states, managed, connected)


def said(actual: AccountTable, **wanted: Account) -> list[str]:
    return [str(change) for change in plan_accounts(actual, wanted)]


def test_an_account_as_wanted_needs_nothing() -> None:
    assert said(table(alice=IS_ALICE), alice=ALICE) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (replace(IS_ALICE, groups=frozenset({"sudo", "docker"})), "leaves docker"),
        (replace(IS_ALICE, groups=frozenset()), "joins sudo"),
        (replace(IS_ALICE, shell="/bin/sh"), "shell /bin/bash, was /bin/sh"),
        (replace(IS_ALICE, password="set"), "has no password any more"),
        (replace(IS_ALICE, password="empty"), "has no password any more"),
        (replace(IS_ALICE, password="locked"), "is not locked any more"),
        (replace(IS_ALICE, expires=1), "does not expire any more"),
        (replace(IS_ALICE, at_home=False), "home /home/alice is made"),
    ],
)
def test_what_somebody_changed_by_hand_is_named_and_undone(damage: AccountState, words: str) -> None:
    assert said(table(alice=damage), alice=ALICE) == [f"accounts: change alice ({words})"]


def test_an_account_that_was_there_before_becomes_ours() -> None:
    assert said(table(managed=frozenset(), alice=IS_ALICE), alice=ALICE) == ["accounts: change alice (is ours from now on)"]


def test_a_person_dropped_from_the_declarations_is_locked_and_stays_so() -> None:
    assert said(table(alice=IS_ALICE)) == ["accounts: lock alice (no login, no groups; its files stay)"]
    assert said(table(alice=LOCKED)) == []
    assert said(table(alice=replace(LOCKED, expires=None))) != []


def test_accounts_that_never_were_ours_are_left_alone() -> None:
    assert said(table(managed=frozenset(), alice=IS_ALICE)) == []


def test_the_last_day_is_a_day_with_login() -> None:
    # shadow(5) holds the first day without: 1970-01-02 is day 1.
    assert replace(ALICE, until=date(1970, 1, 1)).expires == 1
    assert said(table(alice=IS_ALICE), alice=replace(ALICE, until=date(2031, 12, 31))) == [
        "accounts: change alice (until 2031-12-31)"
    ]


@pytest.mark.parametrize("wanted", [{}, {"alice": replace(ALICE, locked=True)}, {"alice": replace(ALICE, groups=frozenset())}])
def test_the_account_of_the_connection_is_never_cut_off(wanted: dict[str, Account]) -> None:
    why = lockout(table(connected="alice", alice=IS_ALICE), wanted)
    assert why
    assert "alice" in why
    assert "No account was changed" in why
    assert lockout(table(connected="bob", alice=IS_ALICE), wanted) is None


def test_the_list_of_our_accounts_keeps_those_that_are_dropped() -> None:
    actual = table(alice=IS_ALICE)
    wanted = {"bob": replace(ALICE, home="/home/bob")}
    script = accounts_script(plan_accounts(actual, wanted), actual, wanted)
    assert "YWxpY2UKYm9iCg==" in script  # alice and bob


def test_names_that_mean_something_to_a_shell_stay_names() -> None:
    wanted = {"svc": Account("/srv/$(reboot)")}
    actual = table()
    assert "'/srv/$(reboot)'" in accounts_script(plan_accounts(actual, wanted), actual, wanted)


def test_an_answer_that_lacks_a_part_is_not_understood() -> None:
    with pytest.raises(ValueError, match="missing"):
        account_table().parse(["C root", "P root:0:/root:/bin/bash", "G root:0:"])
