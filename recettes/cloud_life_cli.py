"""The commands of `bin/cloud` for machines and volumes that are there."""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from recettes.asking import confirmed
from recettes.cloud.actual import CloudState
from recettes.cloud.client import told
from recettes.cloud.life import names
from recettes.cloud.life.asked import Asked
from recettes.cloud.life.snapshots import part_of, renamed, taken
from recettes.cloud.present import present_cloud
from recettes.cloud.wanted import wanted_cloud
from recettes.declarations.cloud import CloudEstate
from recettes.estate import EstateError
from recettes.lab import load, present_estate
from recettes.recipes import ROOT
from recettes.running import Ran, run

DONE, FAILED = 0, 1
_HOST = "@local"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")
# Longer than a clock is set back by, shorter than anybody notices.
_LOOK_AGAIN = 15.0
# Closing what is over is tried for six hours, every minute.
_TRIES, _TRY_AGAIN = 360, 60.0


def add(commands: Any) -> None:
    """Enter the commands, each with what does it in `does`."""
    for name, text in (
        ("start", "a machine that was stopped"),
        ("stop", "a machine; no run starts it until bin/cloud start"),
        ("reboot", "a machine"),
        ("resize", "give a machine the flavour that is declared for it; it stops for minutes"),
        ("extend", "give a volume the size that is declared for it, and its file system"),
        ("snapshot", "a machine's system and data volumes, of one moment"),
        ("drop-snapshot", "delete a snapshot: of a machine, or of one volume"),
        ("restore", "a machine, or one data volume, as it was in a snapshot; what it replaces is kept aside"),
        ("rebuild", "a machine's system made anew, on its kept data volumes and with its address"),
        ("quarantine", "shut all flows of a machine but the administrators' SSH"),
    ):
        one = _command(commands, name, text, does=_do)
        if name not in ("start", "extend", "snapshot"):
            one.add_argument("--yes", action="store_true", help="without asking")
        if name == "reboot":
            one.add_argument("--hard", action="store_true", help="as if by its switch")
        if name in ("extend", "snapshot"):
            one.add_argument("--stopped", action="store_true", help="the machine is stopped meanwhile")
        if name in ("drop-snapshot", "restore"):
            one.add_argument("--from", dest="label", metavar="LABEL", help="which (bin/cloud snapshots lists them)")
        if name == "quarantine":
            one.add_argument("--end", action="store_true", help="open what is declared again")
    window = _command(commands, "open-ssh", "let SSH in from one address, until a time", does=_open)
    window.add_argument("--until", required=True, metavar="HH:MM", help="of this computer's clock, within 24 hours")
    window.add_argument("--from", dest="address", metavar="ADDRESS", help="(default: this computer's, where it has a public one)")
    closing = _command(commands, "close-ssh", "end what open-ssh began, everywhere", does=_close, named=False)
    closing.add_argument("--at", metavar="TIME", help="wait until then, and end only what is over; open-ssh starts this itself")
    console = _command(commands, "console", "what a machine wrote while it started", does=_console, dry=False)
    console.add_argument("--lines", type=int, default=100)
    _command(commands, "snapshots", "which there are", does=_snapshots, named=False, dry=False)


def _command(commands: Any, name: str, text: str, *, does: Any, named: bool = True, dry: bool = True) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    one.set_defaults(does=does)
    if named:
        one.add_argument("name", metavar="NAME", help="of a machine" + (" or volume" if name in ("extend", "restore") else ""))
    if dry:
        one.add_argument("--dry", action="store_true", help="only say what would be done")
    return one


def _do(asked: argparse.Namespace) -> int:
    options = {word: "1" for word in ("hard", "stopped", "end") if getattr(asked, word, False)}
    now = names.label(datetime.now(UTC))
    if label := getattr(asked, "label", None):
        if not names.LABEL.fullmatch(label):
            raise EstateError(f"{label} is no label such as {now}. Nothing was touched.")
        options["label"] = label
    elif asked.command == "drop-snapshot":
        raise EstateError("Say which: --from LABEL. Nothing was touched.")
    if asked.command == "snapshot":
        options["label"] = now
    if asked.command in ("restore", "rebuild"):
        options["now"] = now
    if asked.command in ("snapshot", "extend"):
        present_estate()  # it writes how the machine is reached
    asks = hasattr(asked, "yes") and not asked.yes
    return _carried_out(Asked(asked.command, _name(asked.name), options), dry=asked.dry, asks=asks)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise EstateError(f"{name!r} is no name. Nothing was touched.")
    return name


def _carried_out(asked: Asked, *, dry: bool, asks: bool) -> int:
    """Said first, where somebody is to be asked; then done, and said."""
    if dry or asks:
        planned = run("cloud_life", [_HOST], "--data", f"cloud_life={asked.to_json()}", "--dry")
        for line in _shown(planned, "plan"):
            print(line, "" if line.startswith("(") or not dry else " -- only said, not done", sep="")
        if planned.problem:
            print(planned.problem, file=sys.stderr)
            return FAILED
        if dry or not planned.changes:
            return DONE
        if not confirmed(asked.name):
            print("Nothing was changed.", file=sys.stderr)
            return FAILED
        asked = _agreed(asked, planned)
    ran = run("cloud_life", [_HOST], "--data", f"cloud_life={asked.to_json()}", "-y")
    for line in _shown(ran, "run"):
        print(line)
    if ran.problem:
        print(ran.problem, file=sys.stderr)
        return FAILED
    return DONE


def _agreed(asked: Asked, planned: Ran) -> Asked:
    """With the snapshot that was told, where none was named: there may be a newer one by now."""
    if asked.command != "restore" or "label" in asked.options:
        return asked
    told = {label for record in planned.changes for label in names.LABEL.findall(str(record.change))} - {asked.options["now"]}
    return replace(asked, options={**asked.options, "label": told.pop()}) if len(told) == 1 else asked


def _shown(ran: Ran, phase: str) -> list[str]:
    notes = [f"({record.said})" for record in ran.records if record.said]
    changes = [str(record.change) for record in ran.changes if record.phase == phase]
    return [*notes, *changes] if changes or ran.problem else [*notes, "There is nothing to do."]


def _open(asked: argparse.Namespace) -> int:
    until = _next(asked.until)
    name = _name(asked.name)
    address = _address(asked.address) if asked.address else _own_address(present_cloud(), _estate().name)
    status = _carried_out(
        Asked("open-ssh", name, {"address": address, "until": until.isoformat(timespec="minutes")}), dry=asked.dry, asks=False
    )
    if status == DONE and not asked.dry:
        # Should this computer be off by then, the next run of anything here closes it.
        closing = subprocess.Popen(
            [sys.executable, "-m", "recettes.cloud_cli", "close-ssh", "--at", until.isoformat(timespec="minutes")],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        print(f"SSH is open to {address} until {until.astimezone():%A %H:%M}; process {closing.pid} of this computer closes it.")
    return status


def _next(written: str) -> datetime:
    """The next time that this computer's clock shows it."""
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]", written):
        raise EstateError(f"{written} is no time such as 17:30. Nothing was touched.")
    hour, minute = map(int, written.split(":"))
    now = _now().astimezone().replace(tzinfo=None)  # what the clock shows: tomorrow it may be of another offset
    until = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (until if until > now else until + timedelta(days=1)).astimezone(UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _address(written: str) -> str:
    try:
        return str(ip_address(written))
    except ValueError:
        raise EstateError(f"{written} is no IP address. Nothing was touched.") from None


def _own_address(state: CloudState, estate: str) -> str:
    """Which this computer has on the way to the estate; nothing is sent for that."""
    floating = next((one.address for one in state.floating_ips if one.mark and one.mark.estate == estate), "")
    if floating:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((floating, 22))
            address = str(asking.getsockname()[0])
        if ip_address(address).is_global:
            return address
    raise EstateError(
        "This computer has no public address of its own, so the machine sees that of the router before it: say --from ADDRESS. "
        "Nothing was touched."
    )


def _close(asked: argparse.Namespace) -> int:
    if not asked.at:
        return _carried_out(Asked("close-ssh", "", {"all": "1"}), dry=asked.dry, asks=False)
    try:
        moment = datetime.fromisoformat(asked.at).astimezone(UTC)
    except ValueError:
        now = datetime.now(UTC).isoformat(timespec="minutes")
        raise EstateError(f"{asked.at} is no time such as {now}. Nothing was touched.") from None
    # By the clock on the wall: a computer that sleeps does it when it wakes.
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(left + 1, _LOOK_AGAIN))
    for _ in range(_TRIES):
        # Nobody reads what goes wrong, and the door would stay open: the network may be away, or another run at work.
        if _carried_out(Asked("close-ssh", ""), dry=asked.dry, asks=False) == DONE:
            return DONE
        time.sleep(_TRY_AGAIN)
    return FAILED


def _console(asked: argparse.Namespace) -> int:
    done, output = told("console", _estate().name, _name(asked.name), str(asked.lines))
    print(output, file=sys.stdout if done else sys.stderr)
    return DONE if done else FAILED


def _snapshots(asked: argparse.Namespace) -> int:
    lab, estate = load(ROOT, machines=False), _estate()
    found = taken(renamed(present_cloud(), wanted_cloud(lab.wishes.lab, estate, lab.now)), estate.name)
    for one in found:
        kind = "system on its own disk" if one.image else f"{one.size} GB"
        part = part_of(one, found)
        status = f"{one.status}, incomplete: {part}" if part else one.status
        print(f"{one.label}  {one.item}  {kind}  {status}  {(datetime.now(UTC) - one.moment).days} days old")
    if not found:
        print("There are no snapshots.")
    return DONE


def _estate() -> CloudEstate:
    found = load(ROOT, machines=False).cloud
    assert found  # or the load would have been refused
    return found
