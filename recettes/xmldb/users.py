"""BaseX's users: those as whom applications run, and people; with the rights that are declared, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recettes.change import Change
from recettes.declarations.xmldb import XmlApp, XmlUser
from recettes.secrets import Secret
from recettes.xmldb import names

SUBSYSTEM = "xml-users"
# Theirs is the server's own step (recettes/xmldb/server.py).
OTHERS = frozenset({"admin", names.HEALTH_USER})
# BaseX takes the first pattern that a database's name is like: after the databases named, none.
ALL_OTHERS = ("*", "none")

Right = tuple[str, str]


@dataclass(frozen=True)
class XmlAccount:
    """A user: `permission` for all databases, and `rights`, pairs of a pattern and a permission, of which the first counts.

    A person has a password (None: the next apply makes it). Nobody ever logs in as an application's user: its password is
    made up by the server and forgotten.
    """

    permission: str
    rights: tuple[Right, ...] = ()
    person: bool = False
    password: Secret | None = None


@dataclass(frozen=True)
class AccountState:
    """`same`: the password is the one wanted."""

    permission: str
    rights: tuple[Right, ...] = ()
    same: bool = False


def accounts_of(
    apps: Iterable[XmlApp], people: Iterable[XmlUser], passwords: Mapping[str, Secret | None]
) -> dict[str, XmlAccount]:
    """By BaseX's name for them. `passwords` are those of the people, by name."""
    wanted: dict[str, XmlAccount] = {}
    for app in apps:
        rights = _rights(app.reads, app.writes)
        wanted[names.runner(app.name)] = XmlAccount("none", rights)
        if app.transforms:
            # What transforms, parses or fetches needs this right over all databases: so none of them is left to it.
            wanted[names.renderer(app.name)] = XmlAccount("create", (*rights, ALL_OTHERS))
    for one in people:
        wanted[one.name] = XmlAccount("none", _rights(one.reads, one.writes), True, passwords.get(one.name))
    return wanted


def _rights(reads: Sequence[str], writes: Sequence[str]) -> tuple[Right, ...]:
    rights = dict.fromkeys(sorted(reads), "read") | dict.fromkeys(sorted(writes), "write")
    return tuple(sorted(rights.items()))


def plan_users(actual: Mapping[str, AccountState], wanted: Mapping[str, XmlAccount]) -> list[Change]:
    """Users as wanted; those that are not go, but for the server's own."""
    changes = [Change(SUBSYSTEM, name, *step) for name in sorted(wanted) if (step := _step(actual.get(name), wanted[name]))]
    return changes + [Change(SUBSYSTEM, name, "remove") for name in sorted(actual.keys() - wanted.keys() - OTHERS)]


def _step(is_: AccountState | None, want: XmlAccount) -> tuple[str, str] | None:
    if is_ is None:
        return "create", _told(want.permission, want.rights)
    reasons = []
    if (is_.permission, is_.rights) != (want.permission, want.rights):
        reasons.append(f"{_told(want.permission, want.rights)}, was {_told(is_.permission, is_.rights)}")
    if want.person and not (is_.same and want.password):
        reasons.append("another password")
    return ("change", "; ".join(reasons)) if reasons else None


def _told(permission: str, rights: Iterable[Right]) -> str:
    return ", ".join([permission, *(f"{right} on {pattern}" for pattern, right in rights)])


def users_query(changes: Sequence[Change], wanted: Mapping[str, XmlAccount]) -> str:
    """XQuery that makes all changes in one step. It holds passwords: for standard input only."""
    steps = [
        f"user:drop({_text(change.item)})" if change.action == "remove" else _create(change.item, wanted[change.item])
        for change in changes
    ]
    return ",\n".join(steps)


def _create(name: str, want: XmlAccount) -> str:
    """One that is there is replaced: so its rights are just these, in this order."""
    rights = (("", want.permission), *want.rights)
    permissions = ", ".join(_text(right) for _, right in rights)
    patterns = ", ".join(_text(pattern) for pattern, _ in rights)
    secret = _text(want.password.reveal()) if want.password else "string-join((1 to 3) ! random:uuid())"
    return f"user:create({_text(name)}, {secret}, ({permissions}), ({patterns}))"


def _text(value: str) -> str:
    """A string of XQuery in which nothing can end it or be taken for an entity."""
    return f"codepoints-to-string(({', '.join(str(ord(letter)) for letter in value)}))"
