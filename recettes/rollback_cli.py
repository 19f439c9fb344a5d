"""`bin/rollback NAME`: at once back to the release before, on whichever machine shows the site or runs the application."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from recettes.declarations.base import DeclarationError
from recettes.estate import EstateError
from recettes.lab import present_estate
from recettes.recipes import ROOT
from recettes.running import run
from recettes.secrets import SecretsError

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
# By what is rolled back, the group whose machines have it.
KINDS = {"site": "web", "app": "xmldb", "package": "xmldb"}
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done (or, with --dry, it would be), 1 not done, and standard error says why."""
    parser = argparse.ArgumentParser(
        prog="bin/rollback", description="Shows the release before the current one, until something new is declared."
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--kind", choices=KINDS, default="site", help="a site; or an application or a package for XML databases")
    parser.add_argument("--end", action="store_true", help="the other way: the next run shows what is declared again")
    parser.add_argument("--dry", action="store_true", help="only say what would be done")
    asked = parser.parse_args(arguments)
    if not _NAME.fullmatch(asked.name):
        parser.error(f"{asked.name!r} is not a name")
    try:
        estate = present_estate(ROOT)
    except (EstateError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return FAILED
    machines = [machine.name for machine in estate.of_group(KINDS[asked.kind]) or estate.machines.values()]
    return _run(asked.kind, asked.name, machines, end=asked.end, dry=asked.dry)


def _run(kind: str, name: str, machines: Sequence[str], *, end: bool, dry: bool) -> int:
    told = {"kind": kind, "name": name, "end": "yes" if end else "no"}
    what = [word for key, value in told.items() for word in ("--data", f"rollback_{key}={value}")]
    what.append("--dry" if dry else "-y")
    ran = run("rollback", machines, *what)
    if ran.problem:
        print(ran.problem, file=sys.stderr)
        return FAILED
    for record in ran.changes:
        print(f"{record.machine}: {record.change}" + (" -- only said, not done" if dry else ""))
    if not ran.changes:
        print(f"{name} is not {'held' if end else 'shown'} on {', '.join(machines)}. Nothing was changed.", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
