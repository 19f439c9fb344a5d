"""`bin/compute`: data goes to a machine of group `compute`, work is done there, results come home."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from recettes.asking import confirmed
from recettes.compute.remote import Remote
from recettes.compute.stream import StreamError, files_of, size_of, sums_of
from recettes.declarations.base import DeclarationError
from recettes.estate import EstateError
from recettes.lab import present_estate
from recettes.recipes import ROOT
from recettes.secrets import SecretsError

DONE, FAILED = 0, 1
GROUP = "compute"
# Where the command was typed: bin/compute itself works in the checkout.
HERE = "RECETTES_HERE"
# The same as programs/compute's.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 not done, and standard error says why."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = _parser()
    asked = parser.parse_args(given[:cut])
    asked.words = given[cut + 1 :]
    if asked.command == "run" and not asked.words:
        parser.error("say what to run, after two hyphens: bin/compute run NAME FOLDER -- vips --version")
    if asked.command != "run" and asked.words:
        parser.error(f"{asked.command} takes no words to run; only `run` does")
    if asked.name is not None and not _NAME.fullmatch(asked.name):
        parser.error(f"{asked.name!r} is no name: a lower-case letter, then up to 30 lower-case letters, digits and hyphens")
    does: Callable[[argparse.Namespace], None] = asked.does
    try:
        does(asked)
    except (EstateError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except StreamError as error:
        print(f"{error}. Nothing was kept of it.", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"{error.filename or 'this computer'}: {error.strerror or error}. The command ended there.", file=sys.stderr)
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/compute",
        description="Work on a machine for computing. The command runs in the folder of its results, without network or shell; "
        "what was sent lies in ../data.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, does, text in (
        ("run", _run, "send a folder, and start a command on it: run NAME FOLDER -- COMMAND WORDS…"),
        ("again", _again, "start it once more, on the data that is there"),
        ("status", _status, "how it goes"),
        ("fetch", _fetch, "bring the results into a new folder"),
        ("drop", _drop, "remove data and results from the machine"),
    ):
        one = commands.add_parser(command, help=text, description=text)
        one.set_defaults(does=does)
        one.add_argument("name", metavar="NAME", nargs="?" if command == "status" else None, help="of the work")
        if command in ("run", "fetch"):
            one.add_argument("folder", metavar="FOLDER", type=Path)
        if command == "drop":
            one.add_argument("--unfetched", action="store_true", help="also when its results were never fetched")
            one.add_argument("--yes", action="store_true", help="without asking")
        one.add_argument("--machine", metavar="MACHINE", help="which, where there are several")
    return parser


def _run(asked: argparse.Namespace) -> None:
    root = _folder(asked.folder)
    if not root.is_dir():
        raise EstateError(f"{root} is no folder. Nothing was sent.")
    try:
        files, others = files_of(root)
    except StreamError as error:
        raise EstateError(f"{error}. Nothing was sent.") from None
    if others:
        raise EstateError(f"{root / others[0]} is neither a file nor a folder: links are not sent. Nothing was sent.")
    machines = _machines(asked.machine)
    if len(machines) > 1:
        raise EstateError(f"There are several machines: say --machine {' or '.join(one.machine.name for one in machines)}.")
    [remote] = machines
    amount = _amount(files=len(files), size=size_of(files))
    _tell(f"sending {amount} to {remote.machine.name}")
    try:
        remote.run(asked.name, asked.words, root, files, size_of(files))
    except StreamError as error:
        raise EstateError(f"{error}. Nothing was started; the same command sends it anew.") from None
    print(f"{asked.name} runs on {remote.machine.name}, on {amount}.")


def _again(asked: argparse.Namespace) -> None:
    remote, _ = _find(asked)
    remote.ask("again", asked.name)
    print(f"{asked.name} runs once more on {remote.machine.name}. What lay in its results lies there still.")


def _status(asked: argparse.Namespace) -> None:
    if asked.name:
        remote, one = _find(asked)
        print(_sentence(remote, one))
        print("  " + " ".join(one.get("words", [])))
        for line in one.get("lines", []):
            print(f"  | {line}")
        return
    problems = []
    for remote in _machines(asked.machine):
        try:
            found = remote.status()
        except EstateError as error:
            problems.append(str(error))
            continue
        for one in found:
            print(_sentence(remote, one))
        if not found:
            print(f"{remote.machine.name} has no work.")
    if problems:
        raise EstateError("\n".join(problems))


def _fetch(asked: argparse.Namespace) -> None:
    folder = _folder(asked.folder)
    remote, one = _find(asked)
    size = int((one.get("results") or {}).get("bytes", 0))
    if folder.is_dir() and any(folder.iterdir()):
        _check_same(remote, asked.name, folder)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(folder.parent).free) < size:
            raise EstateError(
                f"The results have {_size(size)}, and {folder.parent} has room for {_size(free)}. Nothing was brought."
            )
        beside = folder.parent / f".{folder.name}.coming"
        if beside.exists():
            shutil.rmtree(beside)  # a fetch that died left it
        beside.mkdir(mode=0o700)
        _tell(f"fetching {_size(size)} from {remote.machine.name}")
        try:
            sums = remote.fetch(asked.name, beside, size)
            beside.chmod(0o777 & ~_umask())
            os.sync()
            beside.rename(folder)
        finally:
            if beside.exists():
                shutil.rmtree(beside)
        print(f"{_amount(files=sums.count(chr(10)), size=size)} came whole from {remote.machine.name} to {folder}.")
    remote.ask("fetched", asked.name)


def _check_same(remote: Remote, name: str, folder: Path) -> None:
    """Of a fetch that came through but for its last word."""
    files, others = files_of(folder)
    if others or sums_of(folder, files) != remote.ask("sums", name):
        raise EstateError(f"{folder} has other files already: say a new folder. Nothing was brought.")
    print(f"The results are in {folder} already, whole.")


def _drop(asked: argparse.Namespace) -> None:
    remote, one = _find(asked)
    print(_sentence(remote, one))
    if not asked.yes and not confirmed(asked.name):
        raise EstateError("Nothing was removed.")
    remote.ask("drop", asked.name, *(["--unfetched"] if asked.unfetched else []))
    print(f"{asked.name} is gone from {remote.machine.name}.")


def _folder(typed: Path) -> Path:
    return Path(os.environ.get(HERE) or Path.cwd(), typed.expanduser()).resolve()


def _machines(name: str | None) -> list[Remote]:
    estate = present_estate(ROOT)
    there = estate.of_group(GROUP)
    if not there:
        raise EstateError(f"The estate {estate.name} has no machine in group {GROUP}. docs/compute.md says how one is had.")
    chosen = [machine for machine in there if name in (None, machine.name)]
    if not chosen:
        raise EstateError(f"There is no machine {name} in group {GROUP}; there is {', '.join(one.name for one in there)}.")
    return [Remote(estate, machine) for machine in chosen]


def _find(asked: argparse.Namespace) -> tuple[Remote, dict[str, Any]]:
    """The machine that has the work, and how it stands there."""
    machines = _machines(asked.machine)
    found = [(remote, one) for remote in machines for one in remote.status(asked.name)]
    if not found:
        names = ", ".join(one.machine.name for one in machines)
        raise EstateError(f"There is no {asked.name} on {names}; bin/compute status lists what there is.")
    if len(found) > 1:
        names = " or ".join(remote.machine.name for remote, _ in found)
        raise EstateError(f"{asked.name} is on several machines: say --machine {names}.")
    return found[0]


def _sentence(remote: Remote, one: dict[str, Any]) -> str:
    state, ended = one["state"], one.get("ended") or {}
    match state:
        case "running":
            state = f"running since {_time(one['started'])}"
        case "ended":
            state = f"ended {_time(ended['time'])} {_outcome(ended)}"
        case "interrupted":
            state = (
                f"interrupted: the machine went down while it ran, begun {_time(one['started'])}; bin/compute again {one['name']}"
            )
        case "half sent":
            state = "being sent, or cut off on its way: the same bin/compute run sends it anew, bin/compute drop removes it"
        case "half dropped":
            state = "being dropped, or half dropped: bin/compute drop goes on with it"
    results = one.get("results")
    amount = f"; results: {_amount(**{'files': results['files'], 'size': results['bytes']})}" if results else ""
    fetched = (
        f", fetched {_time(one['fetched'])}" if one.get("fetched") else ", not fetched" if results and results["files"] else ""
    )
    return f"{one['name']} on {remote.machine.name}: {state}{amount}{fetched}"


def _outcome(ended: dict[str, Any]) -> str:
    result, status = str(ended.get("result")), str(ended.get("status"))
    if result == "success" and status == "0":
        return "well"
    if result == "oom-kill" or status == "KILL":
        return "killed, most likely for taking more memory than work gets"
    return f"with status {status}" + ("" if result in ("success", "exit-code", "signal") else f" ({result})")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def _amount(*, files: int, size: int) -> str:
    return f"{files} {'file' if files == 1 else 'files'}, {_size(size)}"


def _size(size: int) -> str:
    return f"{size} bytes" if size < 10**5 else f"{size / 1e6:,.1f} MB"


def _tell(what: str) -> None:
    """Of what may take hours."""
    print(f"-- {what}", file=sys.stderr, flush=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    sys.exit(main())
