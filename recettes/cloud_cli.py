"""`bin/cloud`: the lab on a cloud, from the administrator's computer. RECETTES_ESTATE and OS_CLOUD say which."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recettes import cloud_life_cli, cloud_request_cli
from recettes.asking import confirmed
from recettes.cloud.actual import Server
from recettes.cloud.client import told
from recettes.cloud.comparing import beside, described, differences
from recettes.cloud.differences import estate_of
from recettes.cloud.marks import STOPPED, kept
from recettes.cloud.plan import EVERYTHING, everything
from recettes.cloud.present import present_cloud
from recettes.declarations.base import DeclarationError
from recettes.declarations.cloud import CloudEstate
from recettes.estate import CHOICE, Estate, EstateError, folder_of, read_estate
from recettes.gather import gather
from recettes.lab import OS_CLOUD, declarations, present_estate
from recettes.recipes import ROOT
from recettes.running import run
from recettes.secrets import SecretsError
from recettes.stamp import STAMP

DONE, FAILED = 0, 1
# Of a machine that did not come up.
CONSOLE_LINES = "30"
# The one host of deploys/cloud*.py.
HOST = "@local"
_SSH_SECONDS = 600.0  # until a new machine lets one in, cloud-init and all
_NO_ANSWER = 255  # as ssh itself says it
_Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 not done, and standard error says why."""
    parser = argparse.ArgumentParser(prog="bin/cloud", description="The lab on a cloud; RECETTES_ESTATE and OS_CLOUD say which.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, action, text in (
        ("plan", plan, "what a run would change in the cloud"),
        ("up", up, "the cloud as declared, then all machines as declared: from an empty project to a running lab"),
        ("teardown", teardown, "the end of an estate: everything in the cloud that carries its tag is deleted"),
    ):
        one = commands.add_parser(name, help=text)
        one.set_defaults(does=action)
        if name == "teardown":
            one.add_argument("--yes", action="store_true", help="without asking; never for production")
    one = commands.add_parser("purge", help="delete what is left over, by name: volume:old server:old")
    one.add_argument("words", nargs="+", metavar="KIND:NAME")
    one.add_argument("--yes", action="store_true", help="without asking")
    one.set_defaults(does=purge)
    one = commands.add_parser("compare", help="how two estates differ, and which commit of the recipes each runs")
    one.add_argument("estates", nargs=2, metavar="ESTATE")
    one.set_defaults(does=compare)
    cloud_life_cli.add(commands)
    cloud_request_cli.add(commands)
    asked = parser.parse_args(arguments)
    does: _Command = asked.does
    try:
        return does(asked)
    except (EstateError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return FAILED


def plan(_: argparse.Namespace) -> int:
    return _shown(_pyinfra("deploys/cloud.py", "--dry"))


def up(_: argparse.Namespace) -> int:
    """Each part is one that can be run by itself, and again. What goes wrong with one machine does not keep the others."""
    clouded = _shown(_pyinfra("deploys/cloud.py", "-y"))
    estate = present_estate()
    servers = _servers(estate)
    stopped = {name for name, server in servers.items() if STOPPED in kept(server.metadata) and server.status != "ACTIVE"}
    problems = {name: f"{name} is in state ERROR" for name, server in servers.items() if server.status == "ERROR"}
    awaited = [name for name in estate.machines if name not in stopped and name not in problems]
    with ThreadPoolExecutor(max(len(awaited), 1)) as pool:
        reached = dict(zip(awaited, pool.map(lambda name: _reached(estate, name), awaited), strict=True))
    for name in sorted(stopped):
        print(f"{name} is stopped, as it was asked for, and left so", file=sys.stderr)
    problems |= {name: problem for name, problem in reached.items() if problem}
    for name, problem in problems.items():
        print(f"{problem}. Its console:\n{told('console', estate.name, name, CONSOLE_LINES)[1]}", file=sys.stderr)
    up_and_running = [name for name in awaited if name not in problems]
    if not up_and_running:
        return FAILED
    only = [word for name in up_and_running for word in ("--limit", name)] if len(up_and_running) < len(estate.machines) else []
    status = _shown(_pyinfra("deploys/lab.py", "-y", *only))
    return FAILED if problems else clouded or status


def teardown(asked: argparse.Namespace) -> int:
    estate = _estate()
    production = _is_production(estate)
    if production and asked.yes:
        print(f"{estate.name} is not torn down by --yes: its name has to be typed. Nothing was deleted.", file=sys.stderr)
        return FAILED
    return _deleted([everything(estate.name)], estate.name, yes=asked.yes, typed_always=production)


def purge(asked: argparse.Namespace) -> int:
    if wrong := [word for word in asked.words if ":" not in word or word.startswith(f"{EVERYTHING}:")]:
        print(f"{wrong[0]} is no KIND:NAME such as volume:old. Nothing was deleted.", file=sys.stderr)
        return FAILED
    return _deleted(asked.words, " ".join(asked.words), yes=asked.yes)


def compare(asked: argparse.Namespace) -> int:
    lab = gather(declarations(ROOT)).lab
    named = {estate.name: estate for estate in (lab.cloud.estates if lab.cloud else ())}
    if unknown := [name for name in asked.estates if name not in named]:
        raise EstateError(f"There is no estate {unknown[0]} of a cloud; there are {', '.join(named) or 'none'}.")
    assert lab.cloud
    first, second = (described(lab, lab.cloud, named[name]) for name in asked.estates)
    commits = beside(*map(_commits, asked.estates))
    for what, one, other in [*differences(first, second), *commits]:
        print(f"{what}\n  {asked.estates[0]}: {one}\n  {asked.estates[1]}: {other}")
    return DONE


def _estate() -> CloudEstate:
    found = estate_of(gather(declarations(ROOT)).lab.cloud, os.environ.get(CHOICE), os.environ.get(OS_CLOUD) or None)
    if found is None:
        raise EstateError("RECETTES_ESTATE names no estate of a cloud. Nothing was touched.")
    return found


def _is_production(estate: CloudEstate) -> bool:
    """The first that is declared, whatever its name, and any that is called so."""
    cloud = gather(declarations(ROOT)).lab.cloud
    return estate.name == "production" or (cloud is not None and cloud.estates[0].name == estate.name)


def _deleted(words: Sequence[str], typed: str, *, yes: bool, typed_always: bool = False) -> int:
    """Said first, asked for, then done."""
    data = ("--data", f"cloud_purge={' '.join(words)}")
    planned = run("cloud", [HOST], *data, "--dry")
    if planned.problem:
        print(planned.problem, file=sys.stderr)
        return FAILED
    for record in planned.changes:
        print(record.change)
    if not planned.changes:
        print("There is nothing to delete.")
        return DONE
    if not yes and not confirmed(typed, always=typed_always):
        print("Nothing was deleted.", file=sys.stderr)
        return FAILED
    return _shown(_pyinfra("deploys/cloud.py", "-y", *data))


def _pyinfra(*words: str) -> int:
    command = [sys.executable, "-m", "pyinfra", "inventory.py", *words]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode


def _shown(status: int) -> int:
    return DONE if status == 0 else FAILED


def _servers(estate: Estate) -> dict[str, Server]:
    """Of the estate's machines, as the cloud has them."""
    ours = {one.mark.item: one for one in present_cloud().servers if one.mark and one.mark.estate == estate.name}
    return {name: ours[name] for name in estate.machines if name in ours}


def _ssh(folder: Path, machine: str, command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """As a person would: with the estate's own configuration, and host keys that have to be right. Ends within `seconds`."""
    options = ["-F", str(folder / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    words = ["ssh", *options, machine, command]
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=max(seconds, 1), check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, _NO_ANSWER, "", f"it did not end: {command}")


def _reached(estate: Estate, machine: str) -> str | None:
    """Wait until the machine lets one in and cloud-init is through; why not, where it does not."""
    deadline = time.monotonic() + _SSH_SECONDS
    while True:
        ran = _ssh(estate.folder, machine, "cloud-init status --wait", deadline - time.monotonic())
        if ran.returncode in (0, 2):  # 2: done, with warnings
            return None
        said = (ran.stdout if ran.returncode == 1 else ran.stderr).strip().splitlines()
        if "HOST IDENTIFICATION HAS CHANGED" in ran.stderr:
            return f"{machine} shows another host key than the estate made for it: something else may answer in its place"
        if ran.returncode == 1:
            return f"{machine}: cloud-init did not come through: {said[-1] if said else 'no word'}"
        if time.monotonic() > deadline:
            return f"{machine} could not be reached in {_SSH_SECONDS:.0f} seconds: {said[-1] if said else 'no answer'}"
        time.sleep(2)


def _commits(name: str) -> dict[str, str]:
    """By machine, the commit of the recipes that its stamp tells."""
    try:
        estate = read_estate(folder_of(ROOT, name))
    except EstateError:
        return {"recipes": "not known: no run has listed its machines yet"}
    with ThreadPoolExecutor(max(len(estate.machines), 1)) as pool:
        answers = pool.map(lambda machine: _ssh(estate.folder, machine, f"cat {STAMP}"), estate.machines)
        return {f"recipes of {machine}": _commit(answer) for machine, answer in zip(estate.machines, answers, strict=True)}


def _commit(answer: subprocess.CompletedProcess[str]) -> str:
    try:
        return str(json.loads(answer.stdout)["commit"])
    except (ValueError, KeyError, TypeError):
        return "not known: it was not reached, or no run has made it yet"


if __name__ == "__main__":
    sys.exit(main())
