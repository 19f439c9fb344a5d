"""`bin/rollback SITE`: at once back to the release before, on whichever machine shows the site."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recettes.estate import EstateError, chosen, read_estate
from recettes.recipes import ROOT
from recettes.record import RECORD, read_records

_SITE = re.compile(r"[a-z0-9][a-z0-9.-]*")
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done (or, with --dry, it would be), 1 not done, and standard error says why."""
    parser = argparse.ArgumentParser(
        prog="bin/rollback", description="Shows the release before the current one, until something new is declared."
    )
    parser.add_argument("site", metavar="SITE")
    parser.add_argument("--end", action="store_true", help="the other way: the next run shows what is declared again")
    parser.add_argument("--dry", action="store_true", help="only say what would be done")
    asked = parser.parse_args(arguments)
    if not _SITE.fullmatch(asked.site):
        parser.error(f"{asked.site!r} is not the name of a site")
    try:
        estate = read_estate(chosen(ROOT))
    except EstateError as error:
        print(error, file=sys.stderr)
        return FAILED
    machines = [machine.name for machine in estate.of_group("web") or estate.machines.values()]
    return _run(asked.site, machines, end=asked.end, dry=asked.dry)


def _run(site: str, machines: Sequence[str], *, end: bool, dry: bool) -> int:
    only = [word for name in machines for word in ("--limit", name)]
    what = ["--data", f"rollback_site={site}", "--data", f"rollback_end={'yes' if end else 'no'}", "--dry" if dry else "-y"]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "record")
        command = [sys.executable, "-m", "pyinfra", "inventory.py", "deploys/rollback.py", *only, *what]
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, RECORD: str(kept)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        records = read_records(kept)
    refusals = [record for record in records if record.refusal]
    for record in refusals:
        print(f"{record.machine}: {record.refusal}.", file=sys.stderr)
    if run.returncode and not refusals:
        sys.stderr.write(run.stderr)
    if run.returncode or refusals:
        return FAILED
    changes = [record for record in records if record.change]
    for record in changes:
        print(f"{record.machine}: {record.change}" + (" -- only said, not done" if dry else ""))
    if not changes:
        print(f"{site} is not {'held' if end else 'shown'} on {', '.join(machines)}. Nothing was changed.", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
