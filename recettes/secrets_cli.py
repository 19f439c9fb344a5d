"""`bin/secrets`: the estate's secrets by hand. A value comes in by standard input only, out by `get` only."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from recettes.authority import AUTHORITY_KEY, renew_authority
from recettes.cloud.keys import is_given_to_machines
from recettes.recipients import new_identity, read_recipients
from recettes.secrets import SecretsError, Vault

DISPOSABLE = "containers"
ESTATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FAILED, MISUSED = 1, 2


def main(arguments: Sequence[str], estates: Path) -> int:
    """Exit status: 0 done, 1 not done (standard error says why), 2 misused."""
    asked, surplus = _parser().parse_known_args(arguments)
    if misuse := _misuse(asked, surplus):
        print(f"bin/secrets: {misuse}", file=sys.stderr)
        return MISUSED
    try:
        _run(asked, estates / asked.estate)
        return 0
    except SecretsError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename or asked.estate}: {error.strerror or error}."
    except KeyboardInterrupt:
        reason = "stopped."
    print(f"bin/secrets: {reason}", file=sys.stderr)
    return FAILED


def _misuse(asked: argparse.Namespace, surplus: Sequence[str]) -> str:
    if surplus:  # not quoted, as argparse would: it may be a value
        return (
            "words too many. A value never goes on the command line, where others see it: if there was one, choose "
            "another, and let `set` ask for it or read it from standard input."
        )
    if not ESTATE.fullmatch(asked.estate):
        return "that is no name of an estate (a folder of estates/)."
    if asked.command == "rotate" and asked.all == (asked.name is not None):
        return "rotate either one NAME or --all."
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/secrets", description="The secrets of an estate.", allow_abbrev=False)
    default = os.environ.get("RECETTES_ESTATE") or DISPOSABLE
    parser.add_argument("--estate", default=default, help=f"folder of estates/ (now: {default})")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("init", help="make the secrets file of an estate")
    commands.add_parser("list", help="names, where they came from, and when; no values")
    commands.add_parser("get", help="print one value").add_argument("name")
    commands.add_parser("set", help="give a value, hidden or by standard input").add_argument("name")
    rotate = commands.add_parser("rotate", help="make another value for one, or for all that were made at random")
    rotate.add_argument("name", nargs="?")
    rotate.add_argument("--all", action="store_true")
    commands.add_parser("recipients", help="who can open the secrets")
    add = commands.add_parser("add-recipient", help="let one more person open them")
    add.add_argument("key", metavar="age1...")
    add.add_argument("name")
    commands.add_parser("remove-recipient", help="encrypt to the others only").add_argument("name")
    identity = commands.add_parser("new-identity", help="make a private key; prints the public one")
    identity.add_argument("file", type=Path)
    return parser


def _run(asked: argparse.Namespace, folder: Path) -> None:
    vault = Vault.open(folder)
    match asked.command:
        case "init":
            _init(vault)
        case "list":
            for name, entry in sorted(vault.entries().items()):
                print(f"{entry.made}  {entry.kind:6}  {name}")
        case "get":
            value = vault.get(asked.name).reveal()
            print(value, end="" if value.endswith("\n") else "\n")
        case "set":
            _refuse_given(vault, asked.name)
            vault.set(asked.name, _value(asked.name))
            print(f"{asked.name}: set. The next apply brings it to the machines.")
        case "rotate":
            _rotate(vault, asked.name)
        case "recipients":
            for name, key in sorted(vault.recipients().items()):
                print(f"{key}  {name}")
        case "add-recipient":
            vault.add_recipient(asked.key, asked.name)
            print(f"{asked.name}: added.")
        case "remove-recipient":
            _remove_recipient(vault, asked.name)
        case "new-identity":
            print(new_identity(asked.file))


def _refuse_given(vault: Vault, name: str) -> None:
    if is_given_to_machines(name) and vault.has(name):
        raise SecretsError(
            f"{name} is known to the machines that were made with it, and no run brings them another: with another here, none of "
            "them could be reached. Nothing was written."
        )


def _init(vault: Vault) -> None:
    if vault.folder.name == DISPOSABLE:
        Vault.disposable(vault.folder)
    else:
        Vault.create(vault.folder)
    print(f"{vault.file}: for {', '.join(sorted(read_recipients(vault.folder)))}.")


def _value(name: str) -> str:
    """One line feed at the end is taken for the terminal's or echo's, and does not count."""
    if not sys.stdin.isatty():
        try:
            return sys.stdin.buffer.read().decode().removesuffix("\n")
        except UnicodeDecodeError:
            pass
        raise SecretsError(f"The value for {name} is not UTF-8 text. Nothing was written.")
    value = getpass.getpass(f"Value of {name} (hidden): ")
    if getpass.getpass("Once more: ") != value:
        raise SecretsError("The two differ. Nothing was written.")
    return value


def _rotate(vault: Vault, name: str | None) -> None:
    if name == AUTHORITY_KEY:
        renew_authority(vault)
        done: tuple[str, ...] = (name,)
    elif name is not None:
        vault.rotate(name)
        done = (name,)
    else:
        done = vault.rotate_all()
        if vault.has(AUTHORITY_KEY):
            renew_authority(vault)
            done = (*done, AUTHORITY_KEY)
    print(f"Made anew: {', '.join(done) or 'nothing'}. The next apply brings them to the machines.")
    if AUTHORITY_KEY in done:
        print("All certificates of the authority are due now; who trusts it needs its new authority.pem.")
    others = vault.entries().keys() - {*done} if name is None else set()
    given = sorted(one for one in others if not is_given_to_machines(one))
    if given:
        print(f"Given, so to be replaced by hand, each with `set`: {', '.join(given)}.")


def _remove_recipient(vault: Vault, name: str) -> None:
    vault.remove_recipient(name)
    print(
        f"{name}: removed. {name} has seen the values as they are now, and may keep a copy that still opens. "
        f"Advised: bin/secrets --estate {vault.folder.name} rotate --all, then apply to every machine."
    )
