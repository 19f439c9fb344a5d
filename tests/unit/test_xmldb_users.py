"""BaseX's users: what is wanted of them, what is planned, and the query that makes it so."""

from __future__ import annotations

import re

import pytest

from recettes.declarations.base import noted
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlUser, check_xmldb
from recettes.secrets import Secret
from recettes.xmldb.users import OTHERS, AccountState, XmlAccount, accounts_of, plan_users, users_query

APP = XmlApp(name="letters", source=Folder(path="x"), reads=("letters", "both"), writes=("notes", "both"), transforms=("/html",))
ADA = XmlUser(name="ada", reads=("letters",))
RIGHTS = (("both", "write"), ("letters", "read"), ("notes", "write"))


def wanted(value: str = "secret") -> dict[str, XmlAccount]:
    return accounts_of([APP], [ADA], {"ada": Secret("basex-user-ada", value)})


def as_wanted() -> dict[str, AccountState]:
    return {name: AccountState(want.permission, want.rights, same=want.person) for name, want in wanted().items()}


def test_an_application_has_just_its_databases_and_its_transformations_no_others() -> None:
    accounts = wanted()
    assert accounts["run-letters"] == XmlAccount("none", RIGHTS)
    assert accounts["render-letters"] == XmlAccount("create", (*RIGHTS, ("*", "none")))
    assert "render-plain" not in accounts_of([XmlApp(name="plain", source=Folder(path="x"))], [], {})


@pytest.mark.parametrize("name", ["run-letters", "render-letters"])
def test_nobody_has_the_name_of_a_user_as_whom_an_application_runs(name: str) -> None:
    noted()
    databases = [XmlDatabase(name=one, source=Folder(path="x")) for one in ("letters", "both", "notes")]
    check_xmldb(databases, [], [APP], [ADA, XmlUser(name="run-others")])
    assert noted() == []
    check_xmldb(databases, [], [APP], [ADA, XmlUser(name=name)])
    (mistake,) = noted()
    assert mistake.key == "XmlUser.name"
    assert mistake.problem == f"{name!r} is the user as whom the application 'letters' runs; choose another"


def test_users_as_wanted_are_left_alone() -> None:
    assert plan_users(as_wanted() | {name: AccountState("admin") for name in OTHERS}, wanted()) == []


def test_other_rights_another_order_of_them_and_another_password_are_seen() -> None:
    is_ = as_wanted()
    is_["render-letters"] = AccountState("create", (("*", "none"), *RIGHTS))
    is_["run-letters"] = AccountState("read", RIGHTS)
    is_["ada"] = AccountState("none", (("letters", "read"),), same=False)
    changes = {change.item: change for change in plan_users(is_, wanted())}
    assert {name: change.action for name, change in changes.items()} == dict.fromkeys(is_, "change")
    assert changes["ada"].wanted == "another password"
    assert changes["run-letters"].wanted.endswith("was read, write on both, read on letters, write on notes")


def test_a_user_who_is_not_declared_goes_and_the_server_s_own_stay() -> None:
    is_ = as_wanted() | {"eve": AccountState("create")} | {name: AccountState("admin") for name in OTHERS}
    assert [(change.action, change.item) for change in plan_users(is_, wanted())] == [("remove", "eve")]


def test_a_password_that_is_not_made_yet_is_planned() -> None:
    want = accounts_of([], [ADA], {"ada": None})
    assert [change.wanted for change in plan_users({"ada": AccountState("none", (("letters", "read"),))}, want)] == [
        "another password"
    ]


def test_no_password_is_in_a_plan_and_none_can_end_the_text_of_the_query() -> None:
    nasty = "a\"'&lt;)\r\né"
    changes = plan_users({}, wanted(nasty))
    assert nasty not in str(changes)
    query = users_query(changes, wanted(nasty))
    assert re.fullmatch(r"[a-z0-9:(),!\s-]+", query)
    assert f"({', '.join(str(ord(letter)) for letter in nasty)})" in query
