"""BaseX's administrator has the estate's password."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.survey import Part
from facts.xmldb_server import server_accounts
from operations.engine import Commands, Script, bring
from operations.units import started
from recettes.change import Change
from recettes.secrets import Secret
from recettes.xmldb.names import UNIT
from recettes.xmldb.server import Accounts, accounts_script, plan_accounts


def server_part(password: Secret | None) -> Part[Accounts]:
    """What `administrator` reads; for the survey."""
    return server_accounts(password)


@operation()
def administrator(password: Secret | None) -> Commands:
    """Before the first start, and whenever the password is another one."""

    def plan(actual: Accounts) -> list[Change]:
        changes = plan_accounts(actual)
        if changes and actual.running:
            started(UNIT)
        return changes

    def apply(_: Accounts, changes: Sequence[Change]) -> list[PyinfraCommand]:
        # In a dry run there may be none yet.
        return [Script("BaseX's accounts", accounts_script(password))] if password else []

    yield from bring(server_part(password), plan, apply, unchanged="BaseX's accounts as wanted")
