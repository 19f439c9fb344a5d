"""The Docker engine: the one that answers, or Debian's, installed and started."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import docker
from docker import DockerClient
from docker.errors import DockerException

from recettes.containers.waiting import ContainersError, until
from recettes.contents.cache import cache_folder
from recettes.durable import locked

log = logging.getLogger(__name__)

PACKAGES = ("docker.io", "iptables")
PID_FILE = Path("/var/run/docker.pid")
LOG_FILE = Path("/var/log/dockerd.log")
START_SECONDS = 900.0  # installing included
REQUEST_SECONDS = 600  # committing or importing an image of some gigabytes is one request


def engine() -> DockerClient:
    """The engine of this computer, started if need be. ContainersError says what to do where that is impossible."""
    client, reason = _answering()
    if client is None:
        _may_start(reason)
        with locked(cache_folder() / "engine.lock", START_SECONDS):  # of two commands at once, one starts it
            client, reason = _answering()
            if client is None:
                _start()
                client, reason = _answering()
    if client is None:
        raise ContainersError(f"The Docker engine was started but does not answer: {reason}. See {LOG_FILE}.")
    return client


def apt_install(packages: Sequence[str]) -> None:
    """Install Debian packages on this computer; root only."""
    log.info("installing %s", " ".join(packages))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
    for command in ((*apt, "update"), (*apt, "install", "-y", "--no-install-recommends", *packages)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ContainersError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def _answering() -> tuple[DockerClient | None, str]:
    # The client binary may be there with no engine behind it, so only the engine's own answer counts.
    try:
        client = docker.from_env(timeout=REQUEST_SECONDS)
        client.ping()
    except DockerException as error:
        return None, str(error)
    return client, ""


def _may_start(reason: str) -> None:
    if host := os.environ.get("DOCKER_HOST"):
        raise ContainersError(
            f"No Docker engine answers at DOCKER_HOST={host}: {reason}. Start it, or unset DOCKER_HOST. Nothing was made."
        )
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ContainersError(
            f"No Docker engine answers: {reason}. On Linux start it (systemctl start docker) and be "
            "a member of group docker, or run this as root: Debian's docker.io is then installed "
            "and started. Container machines need Linux. Nothing was made."
        )


def _start() -> None:
    if shutil.which("dockerd") is None:
        if shutil.which("apt-get") is None:
            raise ContainersError("No Docker engine here, and no apt to install one: install Docker. Nothing was made.")
        apt_install(PACKAGES)
    if Path("/run/systemd/system").is_dir():
        log.info("starting docker.service")
        subprocess.run(("systemctl", "start", "docker"), check=False)
    else:
        _start_without_init()
    try:
        until(lambda: _answering()[0] is not None, "The Docker engine answers")
    except ContainersError as error:
        last = LOG_FILE.read_text(errors="replace").splitlines()[-3:] if LOG_FILE.exists() else []
        raise ContainersError("\n".join([str(error), *last])) from None


def _start_without_init() -> None:
    if _pid_file_says_running():
        return  # it is starting, or somebody else has just started it
    # An engine that was killed leaves its number behind, and a new one refuses to start while any process bears it.
    PID_FILE.unlink(missing_ok=True)
    log.info("starting dockerd, its log is %s", LOG_FILE)
    with LOG_FILE.open("ab") as output:
        subprocess.Popen(("dockerd",), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True)


def _pid_file_says_running() -> bool:
    try:
        return Path("/proc", PID_FILE.read_text().strip(), "comm").read_text().strip() == "dockerd"
    except OSError:
        return False
