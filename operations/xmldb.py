"""XML databases are made of what is declared, exchanged without a gap, never taken from who writes to them; and their users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from facts.survey import Part
from facts.xmldb import database_states
from facts.xmldb_users import user_states
from operations.engine import Commands, Script, bring
from recettes.change import Change
from recettes.xmldb.databases import ABSENT, Database, DatabaseState, databases_script, plan_databases, remarks
from recettes.xmldb.names import PROGRAM
from recettes.xmldb.server import WRITTEN
from recettes.xmldb.users import AccountState, XmlAccount, plan_users, users_query

States = Mapping[str, DatabaseState]


def databases_part(wanted: Mapping[str, Database]) -> Part[dict[str, DatabaseState]]:
    """What `databases` reads; for the survey."""
    return database_states(wanted)


@operation()
def databases(wanted: Mapping[str, Database]) -> Commands:
    """Every database is as declared. The releases of their sources come before, and the server runs."""

    def plan(actual: States) -> list[Change]:
        for sentence in remarks(actual, wanted):
            ctx_host.get().log(f"  {sentence}")
        return plan_databases(actual, wanted)

    def apply(actual: States, changes: Sequence[Change]) -> Iterator[Script]:
        for change in changes:
            name = change.item
            script = databases_script(change, actual.get(name, ABSENT), wanted.get(name))
            yield Script(f"{change.action} database {name}", script)

    yield from bring(databases_part(wanted), plan, apply, unchanged="databases as wanted")


def users_part(wanted: Mapping[str, XmlAccount]) -> Part[dict[str, AccountState]]:
    """What `xml_users` reads; for the survey."""
    return user_states({name: want.password for name, want in wanted.items() if want.password})


@operation()
def xml_users(wanted: Mapping[str, XmlAccount]) -> Commands:
    """BaseX has just these users besides its own. The server runs."""

    def apply(_: Mapping[str, AccountState], changes: Sequence[Change]) -> list[Script]:
        # In a dry run a password may not be made yet.
        if any(one.person and one.password is None for one in wanted.values()):
            return []
        query = users_query(changes, wanted)
        script = f"{PROGRAM} query <<'END_OF_QUERY'\n{query}\nEND_OF_QUERY\n{WRITTEN}"
        return [Script(f"{len(changes)} changes of BaseX's users", script)]

    yield from bring(users_part(wanted), lambda actual: plan_users(actual, wanted), apply, unchanged="BaseX's users as wanted")
