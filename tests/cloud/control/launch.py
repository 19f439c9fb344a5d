"""Start and end a control plane: six processes of this computer."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from recettes.containers.engine import engine
from recettes.containers.leftovers import remove_labelled
from recettes.containers.waiting import until
from recettes.contents.cache import cache_folder
from recettes.durable import locked
from recettes.recipes import ROOT
from tests.cloud.control import catalogue, databases, settings
from tests.cloud.control.databases import ControlError
from tests.cloud.control.drivers.plugs import Plugs
from tests.cloud.control.place import SERVICES, Place, free_ports, read_place

PYTHON = ROOT / ".venv-control" / "bin" / "python"
LOCK = ROOT / "requirements" / "control.txt"
START_SECONDS = 600.0  # on a computer that does much else, making the template included
# What the template of databases follows from: another text of these makes another template.
_MAKERS = ("catalogue.py", "databases.py", "neutron_schema.py", "place.py", "settings.py", "tool.py")


class Control:
    """A control plane in use. Several processes may use the same one: the last to leave ends it."""

    def __init__(self, place: Place, alive: IO[bytes]) -> None:
        self.place = place
        self._alive = alive

    def leave(self) -> None:
        with locked(_lock(self.place.folder), START_SECONDS):
            self._alive.close()
            if _alone(self.place):
                _stop(self.place)

    @property
    def pids(self) -> dict[str, int]:
        """By service."""
        return {service: int(self.place.pid_file(service).read_text()) for service in SERVICES}


def join(folder: Path) -> Control:
    """The control plane of the folder, started if it does not run. Raises ControlError with a service's last words."""
    if not PYTHON.exists():
        raise ControlError(f"There is no {PYTHON}: `bin/test tests/cloud` makes it, some minutes the first time.")
    with locked(_lock(folder), START_SECONDS):
        if folder.exists():
            place = read_place(folder)
            alive = _hold(place)
            if all(_answers(place, service) for service in SERVICES):
                return Control(place, alive)
            alive.close()
            shutil.rmtree(folder)
        template = _template()
        with free_ports() as ports:
            place = _new(folder, ports)
            alive = _hold(place)
            try:
                databases.restore(place, template)
                _start(place, SERVICES)
                catalogue.furnish(place)
            except BaseException:
                alive.close()
                _stop(place)
                raise
    return Control(place, alive)


def _new(folder: Path, ports: dict[str, int]) -> Place:
    place = Place(folder.resolve(), ports, f"control-{secrets.token_hex(3)}")
    for name in ("locks", "logs", "settings", "troubles", "volumes", "machines", "nova/instances", "neutron", "cinder"):
        (folder / name).mkdir(parents=True)
    plugins = folder / "plugins" / "stand_ins-1.dist-info"
    plugins.mkdir(parents=True)
    for name, text in settings.PLUGINS.items():
        (plugins / name).write_text(text)
    for name, text in settings.files(place, PYTHON.parent.parent).items():
        (place.settings / name).write_text(text)
    place.alive.touch()
    place.write()
    return place


def _template() -> Path:
    """The folder of the databases that every control plane begins with, made once for this computer."""
    texts = [LOCK, *(Path(__file__).with_name(name) for name in _MAKERS)]
    digest = hashlib.sha256(b"\0".join(text.read_bytes() for text in texts)).hexdigest()[:12]
    template = cache_folder() / "control" / digest
    template.parent.mkdir(exist_ok=True)
    with locked(template.with_suffix(".lock"), START_SECONDS):
        if not template.exists():
            with tempfile.TemporaryDirectory(prefix="recettes-control-") as scratch, free_ports() as ports:
                place = _new(Path(scratch, "first"), ports)
                with _hold(place):
                    databases.make_schemas(place, PYTHON, _environment(place))
                    _start(place, ["keystone"])
                    catalogue.seed(place)
                _stop(place)
                databases.save(place, Path(scratch, "template"))
                shutil.copytree(Path(scratch, "template"), template.with_suffix(".new"), dirs_exist_ok=True)
                template.with_suffix(".new").rename(template)
    return template


def _start(place: Place, services: Sequence[str] | Mapping[str, object]) -> None:
    """Start the services side by side, and wait until each answers."""
    for service in services:
        with (place.logs / f"{service}.out").open("ab") as output:
            process = subprocess.Popen(
                (PYTHON, "-m", "tests.cloud.control.service", place.folder, service),
                cwd=ROOT, env=_environment(place), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        place.pid_file(service).write_text(str(process.pid))
    deadline = time.monotonic() + START_SECONDS
    for service in services:
        while not _answers(place, service):
            if _gone(int(place.pid_file(service).read_text())):
                last = (place.logs / f"{service}.out").read_text().splitlines()[-20:]
                raise ControlError("\n".join([f"{service} ended while it started:", *last]))
            if time.monotonic() > deadline:
                raise ControlError(f"{service} has not answered for {START_SECONDS:.0f} s; see {place.logs}.")
            time.sleep(0.05)


def _stop(place: Place) -> None:
    """End the services, and wait until they are gone. Those that another process started end by themselves, being alone."""
    pids = {service: int(file.read_text()) for service in SERVICES if (file := place.pid_file(service)).exists()}
    for pid in pids.values():
        if not _gone(pid) and _child(pid):
            os.kill(pid, signal.SIGTERM)
    for service, pid in pids.items():
        until(lambda pid=pid: _gone(pid), f"{service} (process {pid}) ends")  # type: ignore[misc]
        place.pid_file(service).unlink()
    if place.engine_used.exists():
        remove_labelled(engine(), place.name)
        for folder in (place.folder / "machines").glob("*/plugs"):
            Plugs(folder).clear()


def _environment(place: Place) -> dict[str, str]:
    return {**os.environ, **settings.environment(place, PYTHON.parent.parent)}


def _lock(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.with_name(f"{folder.name}.lock")


def _hold(place: Place) -> IO[bytes]:
    alive = place.alive.open("rb")
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive


def _alone(place: Place) -> bool:
    with place.alive.open("rb") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _answers(place: Place, service: str) -> bool:
    try:
        # One that is gone refuses at once, and one that only has much to do must not be taken for it: others use it.
        with urllib.request.urlopen(place.base(service), timeout=120):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _child(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _gone(pid: int) -> bool:
    """A child that ended is buried; one of another process that does not bury it has ended all the same."""
    if _child(pid):
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
