"""`bin/xmldb`: the dumps of the XML databases, from the administrator's computer."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from recettes.asking import confirmed
from recettes.declarations.base import DeclarationError
from recettes.estate import EstateError
from recettes.gather import gather
from recettes.lab import declarations, present_estate
from recettes.recipes import ROOT
from recettes.running import Ran, run
from recettes.secrets import SecretsError

# As the machine says of which dump it would restore: programs/xmldb-restore.
_DUMP = re.compile(r" of (\d{8}T\d{6}Z[a-z0-9-]*)")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*")
DONE, FAILED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done (or, with --dry, it would be), 1 not done, and standard error says why."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    words = _words(parser, asked)
    try:
        machines = [machine.name for machine in present_estate(ROOT).of_group("xmldb")]
        if not machines:
            raise EstateError("The estate has no machine in group xmldb, and so no XML databases.")
        if asked.command == "purge" and (one := _declared(asked.name)):
            print(f"{asked.name} is declared, in {one}. Take it out there, then purge it. Nothing was changed.", file=sys.stderr)
            return FAILED
    except (EstateError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return FAILED
    return _do(words, machines, asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/xmldb",
        description="Dumps of the XML databases: which there are, one more now, and the way back. "
        "What is there is always dumped before it is replaced.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the dumps, on the machine and where copies are kept")
    dump = commands.add_parser("dump", help="one more dump now; with a label it stays for 90 days")
    dump.add_argument("--label", help="lower-case letters, digits and hyphens")
    restore = commands.add_parser("restore", help="databases as they were in a dump")
    restore.add_argument("names", nargs="*", metavar="NAME")
    restore.add_argument("--all", action="store_true", help="all of the dump, and users and packages that are missing")
    restore.add_argument("--from", dest="dump", metavar="DUMP", help="which (default: the newest without a label)")
    restore.add_argument(
        "--from-copy", action="store_true", help="from another machine's copy: this one is new, or lost its dumps"
    )
    purge = commands.add_parser("purge", help="drop a database that no run makes anew by itself, after a last dump")
    purge.add_argument("name", metavar="NAME")
    for one in (restore, purge):
        one.add_argument("--yes", action="store_true", help="without asking")
    for one in (dump, restore, purge):
        one.add_argument("--dry", action="store_true", help="only say what would be done")
    return parser


def _words(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> list[str]:
    """For the machine's program. What is no name ends the command here."""
    words = [asked.command]
    if asked.command == "dump" and asked.label:
        words += ["--label", asked.label]
    elif asked.command == "restore":
        if bool(asked.names) == asked.all:
            parser.error("say which databases to restore, or --all")
        words += [*asked.names, *(["--all"] if asked.all else []), *(["--from", asked.dump] if asked.dump else [])]
        words += ["--from-copy"] if asked.from_copy else []
    elif asked.command == "purge":
        words.append(asked.name)
    for word in words:
        if not word.startswith("--") and not _WORD.fullmatch(word):
            parser.error(f"{word!r} is no name")
    return words


def _declared(name: str) -> str | None:
    """Who declares the database, None when nobody does, or when others write to it: that one no run makes anew by itself."""
    wishes = gather(declarations(ROOT))
    writes = [*(app.writes for app in wishes.xml_apps), *(user.writes for user in wishes.xml_users)]
    if any(name in one for one in writes):
        return None
    for project in wishes.projects:
        if any(database.name == name for database in project.xml_databases):
            return f"project {project.name}"
    return None


def _do(words: Sequence[str], machines: Sequence[str], asked: argparse.Namespace) -> int:
    if asked.command == "list":
        return _told(_run(words, machines, "-y"))
    if asked.dry or asked.command in ("restore", "purge"):
        planned = _run(words, machines, "--dry")
        if planned.problem:
            print(planned.problem, file=sys.stderr)
            return FAILED
        for record in planned.changes:
            print(f"{record.machine}: {record.change}" + (" -- only said, not done" if asked.dry else ""))
        if asked.dry:
            return DONE
        if not asked.yes and not confirmed(asked.name if asked.command == "purge" else " ".join(asked.names) or "all"):
            print("Nothing was changed.", file=sys.stderr)
            return FAILED
        if asked.command == "restore" and not asked.dump:
            # What was agreed to: the timer may have made a newer one meanwhile.
            told = {found[1] for one in planned.changes if one.change and (found := _DUMP.search(one.change.wanted))}
            words = [*words, *(["--from", *told] if len(told) == 1 else [])]
    return _told(_run(words, machines, "-y"))


def _run(words: Sequence[str], machines: Sequence[str], *options: str) -> Ran:
    return run("xmldb_dumps", machines, "--data", f"xmldb_task={' '.join(words)}", *options)


def _told(ran: Ran) -> int:
    """What was done is said also where something failed afterwards."""
    for record in ran.records:
        if record.said:
            print(record.said)
    if ran.problem:
        print(ran.problem, file=sys.stderr)
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
