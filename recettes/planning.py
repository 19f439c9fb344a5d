"""bin/plan: what a deploy would change, machine by machine, from the records of pyinfra's own dry run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from recettes.declarations.base import DeclarationError
from recettes.estate import GROUPS, Estate, EstateError
from recettes.lab import present_estate
from recettes.recipes import ROOT
from recettes.record import Record
from recettes.running import run
from recettes.secrets import SecretsError

NONE, ERROR, SOME = 0, 1, 2


@dataclass(frozen=True)
class Plan:
    """The changes by machine, and what stands in the way: refusals, and machines that were not read."""

    machines: tuple[str, ...]
    records: tuple[Record, ...]
    complete: bool

    def of(self, machine: str) -> list[Record]:
        return [record for record in self.records if record.machine == machine]

    @property
    def changes(self) -> list[Record]:
        return [record for record in self.records if record.change]

    @property
    def refusals(self) -> list[Record]:
        return [record for record in self.records if record.refusal]

    @property
    def unread(self) -> list[str]:
        return [name for name in self.machines if not self.of(name)]

    @property
    def status(self) -> int:
        if self.refusals or self.unread or not self.complete:
            return ERROR
        return SOME if self.changes else NONE


class _Parser(argparse.ArgumentParser):
    """argparse's own status for a mistake, 2, says here that something would change."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ERROR, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 nothing would change, 2 something would, 1 the plan could not be made whole."""
    parser = _Parser(prog="bin/plan", description="What would change on the machines; nothing is changed.")
    parser.add_argument("deploy", nargs="?", default="lab", help="base, lab or a group (%(default)s)")
    parser.add_argument("--limit", action="append", default=[], metavar="MACHINE", help="only this machine")
    parser.add_argument("--json", action="store_true", help="for machines: one object")
    parser.add_argument("--brief", action="store_true", help="without the diffs of files")
    asked = parser.parse_args(arguments)
    deploy = Path(asked.deploy).stem
    if not (ROOT / "deploys" / f"{deploy}.py").exists():
        parser.error(
            f"there is no deploys/{deploy}.py; there are {', '.join(sorted(p.stem for p in (ROOT / 'deploys').glob('*.py')))}"
        )
    try:
        estate = present_estate(ROOT)
    except (EstateError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return ERROR
    if unknown := sorted(set(asked.limit) - estate.machines.keys()):
        parser.error(f"there is no machine {', '.join(unknown)}; there are {', '.join(sorted(estate.machines))}")
    plan = make(estate, deploy, asked.limit)
    print(as_json(plan) if asked.json else as_text(plan, diffs=not asked.brief))
    return plan.status


def make(estate: Estate, deploy: str, limit: Sequence[str] = ()) -> Plan:
    """Ask pyinfra for its dry run, and read what the operations recorded in it."""
    machines = [m.name for m in (estate.of_group(deploy) if deploy in GROUPS else estate.machines.values())]
    machines = [name for name in machines if not limit or name in limit]
    ran = run(deploy, machines, "--dry", "--json")
    plan = Plan(tuple(machines), ran.records, ran.whole)
    if plan.status == ERROR:
        sys.stderr.write(ran.said)
    return plan


def as_text(plan: Plan, *, diffs: bool = True) -> str:
    """A list that a person reads: per machine its changes, each with its diff, and a count at the end."""
    lines: list[str] = []
    for name in plan.machines:
        records = [record for record in plan.of(name) if record.change or record.refusal]
        if records or name in plan.unread:
            lines += [name, *(line for record in records for line in _shown(record, diffs))]
            lines += ["  could not be read; see above"] if name in plan.unread else []
    changed = {record.machine for record in plan.changes}
    changes, machines = len(plan.changes), len(changed)
    lines.append(f"{changes} change{'' if changes == 1 else 's'} on {machines} machine{'' if machines == 1 else 's'}")
    return "\n".join(lines)


def _shown(record: Record, diffs: bool) -> list[str]:
    if record.change is None:
        return [f"  refused: {record.refusal}"]
    return [f"  {record.change}", *(f"      {line}" for line in (record.change.diff if diffs else ()))]


def as_json(plan: Plan) -> str:
    return json.dumps(
        {
            "changes": [record.to_json() for record in plan.changes],
            "refusals": [record.to_json() for record in plan.refusals],
            "unread": plan.unread,
            "complete": plan.status != ERROR,
        },
        indent=2,
        ensure_ascii=False,
    )


if __name__ == "__main__":
    sys.exit(main())
