"""/etc/recettes/machine.json: which recipes made this machine, for whoever stands in front of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from recettes.change import Change
from recettes.shell import write

STAMP = "/etc/recettes/machine.json"


def identity(estate: str, machine: str, groups: tuple[str, ...]) -> dict[str, object]:
    """What the stamp says for as long as the machine is the same one."""
    return {"made_by": "recettes", "estate": estate, "machine": machine, "groups": list(groups)}


def plan_stamp(contents: Mapping[str, bytes], wanted: Mapping[str, object]) -> list[Change]:
    """A missing or wrong stamp is written. A new commit alone is no change: the stamp names the run that changed something."""
    action = "change" if STAMP in contents else "create"
    try:
        stamp = json.loads(contents.get(STAMP, b""))
    except ValueError:
        stamp = {}
    said = {key: stamp.get(key) for key in wanted} if isinstance(stamp, dict) else {}
    return [] if said == dict(wanted) else [Change("stamp", STAMP, action, f"{wanted['estate']}/{wanted['machine']}")]


def stamp_script(wanted: Mapping[str, object], commit: str, now: datetime) -> str:
    """Writes the stamp, with the commit and the time (UTC) of the run that changed the machine last."""
    content = json.dumps({**wanted, "commit": commit, "changed": now.isoformat(timespec="seconds")}, indent=2) + "\n"
    return f"mkdir -p /etc/recettes\n{write(STAMP + '.new', content.encode())}chmod 644 {STAMP}.new; mv -fT {STAMP}.new {STAMP}"
