"""What an administrator asks of the dumps on a machine, and how the machine's program is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recettes.change import Change
from recettes.shell import words
from recettes.xmldb.dumps import COPIES, DAMAGED, PROGRAM

SUBSYSTEM = "dumps"
# How a sentence begins with which the program refuses.
_REFUSED = "refused "


@dataclass(frozen=True)
class Task:
    """`words` are those of programs/xmldb-dump, command first. It says itself what it would do, except for a plain dump."""

    words: tuple[str, ...]

    @property
    def title(self) -> str:
        return " ".join(self.words)

    def command(self) -> str:
        """Shell lines."""
        line = words([PROGRAM, *self.words])
        # A dump without a database that cannot be read fails, and is copied all the same.
        return f"made=0; {line} || made=$?\n{COPIES} push\nexit $made" if self.words[0] == "dump" else line


@dataclass(frozen=True)
class Intended:
    """What a task would change, or why it would not be done."""

    changes: tuple[Change, ...] = ()
    refusal: str = ""


def intended_script(task: Task) -> str:
    """Prints what the task would change, a line of JSON each, or one line that says why it would not be done."""
    if task.words[0] == "dump":
        question = f"echo {words([json.dumps({'item': 'all databases', 'action': 'dump', 'wanted': 'with users and packages'})])}"
    else:
        question = f"{task.command()} --plan"
    return f"""\
if [ ! -x {PROGRAM} ]; then echo '{_REFUSED}there are no XML databases here yet: run deploys/xmldb.py first'
elif said=$({question} 2>&1); then printf '%s\\n' "$said"
else printf '{_REFUSED}%s\\n' "$(printf %s "$said" | tr '\\n' ' ')"; fi"""


def parse_intended(lines: Sequence[str]) -> Intended:
    """Raises ValueError."""
    if lines and lines[0].startswith(_REFUSED):
        return Intended(refusal=lines[0].removeprefix(_REFUSED))
    return Intended(tuple(Change(SUBSYSTEM, **json.loads(line)) for line in lines if line))


# `2>&1`: of a machine with copies that does not answer is said so, and the rest is shown.
LISTING = f"""\
[ -x {PROGRAM} ] || {{ echo 'there are no XML databases here yet: run deploys/xmldb.py first'; exit 1; }}
{PROGRAM} list
{COPIES} list 2>&1 || :
find {DAMAGED} -mindepth 1 -maxdepth 1 2>/dev/null || :"""


def listed(lines: Sequence[str]) -> str:
    """For people: the dumps, those on other machines too, what each holds, and what is kept of damaged databases."""
    copies: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}
    remarks = []
    for line in lines:
        if line.startswith("{"):
            one = json.loads(line)
            if "on" in one:
                copies[one["name"]] = one["on"]
            found.setdefault(one["name"], one)
            found[one["name"]] |= {"here": True} if "on" not in one else {}
        elif line.startswith(DAMAGED):
            remarks.append(f"{line}: the files of a damaged database; remove the folder when nobody needs them any more")
        elif line:
            remarks.append(line)
    return "\n".join([*(_line(one, copies.get(name)) for name, one in sorted(found.items())), *remarks]) or "There are no dumps."


def _line(one: dict[str, Any], copy: str | None) -> str:
    places = " and ".join([*(["here"] if "here" in one else []), *([f"on {copy}"] if copy else [])])
    size = sum(file["bytes"] for file in one.get("files", {}).values()) / 1e6
    held = ", ".join(
        f"{name} ({database['documents'] + database['binaries'] + database['values']})"
        for name, database in one["databases"].items()
    )
    return f"{one['name']}  {places}  {size:.1f} MB  {held or 'nothing'}"
