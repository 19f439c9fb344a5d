"""Accounts are as wanted."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.accounts import account_table
from facts.survey import Part, Unread
from operations.engine import Script, bring, read, refuse
from recettes.accounts import Account, AccountTable, accounts_script, lockout, plan_accounts


def accounts_part() -> Part[AccountTable]:
    """What `accounts` reads; for the survey."""
    return account_table()


@operation()
def accounts(wanted: Mapping[str, Account]) -> Generator[PyinfraCommand, None, None]:
    """Accounts are as wanted; those of an earlier run that are wanted no more are locked, without sessions, groups and sudo."""
    actual = read(account_table())
    if not isinstance(actual, Unread) and (why := lockout(actual, wanted)):
        yield refuse(why)
        return
    yield from bring(
        account_table(),
        lambda actual: plan_accounts(actual, wanted),
        lambda actual, changes: [Script(f"{len(changes)} accounts", accounts_script(changes, actual, wanted))],
        unchanged="accounts as wanted",
    )
