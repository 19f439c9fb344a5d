"""Unix accounts of people and services: what is wanted of them, what differs, and the shell text that brings it about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from recettes.change import Change
from recettes.shell import quote, write

# The accounts that are or were ours: one that is declared no more stays, locked.
MANAGED_ACCOUNTS = "/var/lib/recettes/accounts"
NOLOGIN = "/usr/sbin/nologin"
# The group whose members may become root.
_SUDO = "sudo"
_EPOCH = date(1970, 1, 1)
# shadow(5): an account that expired on the second day of Unix time.
_LONG_AGO = 1


@dataclass(frozen=True)
class Account:
    """A person's account, or a service's (`system`). Nobody logs in by password: the keys of people are files of root's.

    `groups` are all groups besides the account's own. `until` is the last day on which a person can log in: the machine itself
    keeps to it. `locked`: nobody can log in, from now on.
    """

    home: str
    shell: str = NOLOGIN
    system: bool = True
    groups: frozenset[str] = frozenset()
    locked: bool = False
    until: date | None = None

    @property
    def expires(self) -> int | None:
        """The first day without login, in days since 1970-01-01, as shadow(5) counts."""
        return None if self.until is None else (self.until - _EPOCH).days + 1


@dataclass(frozen=True)
class AccountState:
    """An account as it is. `password` is "none" (*), "locked" (!), "empty" or "set"; `expires` counts days since 1970-01-01."""

    home: str
    shell: str
    groups: frozenset[str]
    password: str
    expires: int | None = None
    at_home: bool = True

    @property
    def locked(self) -> bool:
        return self.password == "locked" and self.expires == _LONG_AGO and self.shell == NOLOGIN and not self.groups  # noqa: S105


@dataclass(frozen=True)
class AccountTable:
    """All accounts of a machine, the names of those that are or were ours, and who this run is logged in as."""

    states: Mapping[str, AccountState]
    managed: frozenset[str]
    connected: str


def plan_accounts(actual: AccountTable, wanted: Mapping[str, Account]) -> list[Change]:
    """Accounts as wanted; those of earlier runs that are wanted no more are locked, never deleted."""
    changes = []
    for name in sorted(wanted.keys() | actual.managed):
        is_, want = actual.states.get(name), wanted.get(name)
        if want is None or want.locked:
            if is_ is not None and not is_.locked:
                changes.append(Change("accounts", name, "lock", "no login, no groups; its files stay"))
        elif is_ is None:
            changes.append(Change("accounts", name, "create", _describe(want)))
        elif differences := _differences(is_, want, managed=name in actual.managed):
            changes.append(Change("accounts", name, "change", ", ".join(differences)))
    return changes


def lockout(actual: AccountTable, wanted: Mapping[str, Account]) -> str | None:
    """Why these accounts would cut off the very run that makes them, None if they do not."""
    me, want = actual.connected, wanted.get(actual.connected)
    is_ = actual.states.get(me)
    if is_ is None or (want is None and me not in actual.managed):
        return None
    advice = "Log in as another administrator for this run. No account was changed."
    if want is None or want.locked:
        gone = "is not declared any more" if want is None else "is declared as locked"
        return f"{me} {gone}, but this run is logged in as {me} and would lock itself out. {advice}"
    if _SUDO in is_.groups and _SUDO not in want.groups:
        return f"{me} is to leave the group {_SUDO}, but this run is logged in as {me} and would lose its rights. {advice}"
    return None


def _describe(want: Account) -> str:
    kind = "service" if want.system else "person"
    groups = f", in {', '.join(sorted(want.groups))}" if want.groups else ""
    return f"{kind}, home {want.home}, shell {want.shell}{groups}" + (f", until {want.until}" if want.until else "")


def _differences(is_: AccountState, want: Account, *, managed: bool) -> list[str]:
    found = []
    if not managed:
        found.append("is ours from now on")
    if is_.home != want.home:
        found.append(f"home {want.home}, was {is_.home}")
    elif not want.system and not is_.at_home:
        found.append(f"home {want.home} is made")
    if is_.shell != want.shell:
        found.append(f"shell {want.shell}, was {is_.shell}")
    if joins := want.groups - is_.groups:
        found.append(f"joins {', '.join(sorted(joins))}")
    if leaves := is_.groups - want.groups:
        found.append(f"leaves {', '.join(sorted(leaves))}")
    if is_.password in ("set", "empty"):
        found.append("has no password any more")
    elif is_.password == "locked" and not want.system:  # noqa: S105
        found.append("is not locked any more")
    if is_.expires != want.expires:
        found.append(f"until {want.until}" if want.until else "does not expire any more")
    return found


def accounts_script(changes: Sequence[Change], actual: AccountTable, wanted: Mapping[str, Account]) -> str:
    """Shell lines that make the changes. The list of what is ours comes first: a run that dies leaves nothing unknown."""
    ours = sorted(actual.managed | {name for name, want in wanted.items() if not want.locked or name in actual.states})
    new = MANAGED_ACCOUNTS + ".new"
    lines = [f"( umask 077; mkdir -p {MANAGED_ACCOUNTS.rpartition('/')[0]}"]
    lines += [write(new, "".join(name + "\n" for name in ours).encode()) + f"sync -- {new}; mv -f {new} {MANAGED_ACCOUNTS} )"]
    groups = sorted({group for change in changes if change.action != "lock" for group in wanted[change.item].groups})
    lines += [f"getent group {quote(group)} >/dev/null || groupadd --system {quote(group)}" for group in groups]
    for change in changes:
        if change.action == "lock":
            lines.append(_lock(change.item, actual.states[change.item]))
        elif change.action == "create":
            lines.append(_create(change.item, wanted[change.item]))
        else:
            lines.append(_change(change.item, wanted[change.item], actual.states[change.item]))
    return "\n".join(lines)


def _create(name: str, want: Account) -> str:
    name = quote(name)
    kind = "--system --no-create-home" if want.system else "--create-home -K HOME_MODE=0700"
    expires = f" --expiredate {want.expires}" if want.expires is not None else ""
    groups = f" --groups {quote(','.join(sorted(want.groups)))}" if want.groups else ""
    return (
        f"if getent group {name} >/dev/null; then own='--gid '{name}; else own=--user-group; fi\n"
        f"useradd {kind} --home-dir {quote(want.home)} --shell {quote(want.shell)} --password '*'{expires}{groups} $own -- {name}"
    )


def _change(name: str, want: Account, is_: AccountState) -> str:
    password = "" if is_.password == "none" or (want.system and is_.password == "locked") else " --password '*'"  # noqa: S105
    expires = "''" if want.expires is None else want.expires
    home = f"\n[ -d {quote(want.home)} ] || mkhomedir_helper {quote(name)} 0077" if not want.system else ""
    return (
        f"usermod --home {quote(want.home)} --shell {quote(want.shell)} --groups {quote(','.join(sorted(want.groups)))} "
        f"--expiredate {expires}{password} -- {quote(name)}{home}"
    )


def _lock(name: str, is_: AccountState) -> str:
    lock = f"usermod --lock --expiredate {_LONG_AGO} --shell {NOLOGIN} --groups '' -- {quote(name)}"
    if is_.shell == NOLOGIN:
        return lock
    # A session outlives its account, and so does what it left running. There may be no logind to ask.
    return (
        f"{lock}\nrm -f /var/lib/systemd/linger/{quote(name)}\nuid=$(id -u -- {quote(name)})\n"
        f'for process in $(grep -lsE "^Uid:[[:space:]]+$uid[[:space:]]" /proc/[0-9]*/status); do\n'
        f'    process=${{process%/status}}; kill -KILL "${{process#/proc/}}" 2>/dev/null || :\ndone'
    )
