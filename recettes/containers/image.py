"""The image of a bare Debian 13 machine, near to Debian's cloud image, made from a Debian mirror with mmdebstrap."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from recettes.containers.engine import apt_install
from recettes.containers.waiting import ContainersError
from recettes.contents.cache import cache_folder
from recettes.durable import locked

log = logging.getLogger(__name__)

SUITE = "trixie"
BUILD_SECONDS = 1800.0  # over a slow line
REPOSITORY = "recettes-debian"
IMAGE_LABEL = "recettes.image"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "ca-certificates",
    "python3",
    "sudo",
    "iproute2",
    "nftables",
    "openssh-server",
    "curl",
)
HOOKS = (
    # Debian's cloud images have this account; whether it may do anything is decided when a machine is made.
    'chroot "$1" useradd --create-home --shell /bin/bash --comment Debian debian',
    # Identity belongs to one machine. Without these two systemd takes the boot for a first one and makes both.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id',
)
# LoadCredential= and SetCredential= of systemd need the root mount to be shared.
# Its own network's sysctls are the machine's to set; without this systemd-sysctl would have nothing to do.
ENTRYPOINT = (
    "/bin/sh",
    "-c",
    "mount --make-rshared / && mount --bind /proc/sys/net /proc/sys/net && mount -o remount,rw,bind /proc/sys/net && "
    "exec /sbin/init",
)
# How this computer reaches its mirror holds for the machines on it too.
APT_OPTIONS = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")


def image(client: DockerClient, packages: Sequence[str] = (), hooks: Sequence[str] = ()) -> str:
    """Name of the image, built if the engine has none of this recipe (about half a minute).

    `packages` and `hooks` (commands that find the root in "$1", as mmdebstrap has them) come on top of a bare machine's.
    """
    with locked(cache_folder() / "image.lock", BUILD_SECONDS):  # of two commands at once, one builds it
        return _image(client, _mmdebstrap((*PACKAGES, *packages), (*HOOKS, *hooks)))


def _image(client: DockerClient, command: list[str]) -> str:
    if shutil.which("mmdebstrap") is None and shutil.which("apt-get") and os.geteuid() == 0:
        apt_install(("mmdebstrap", "debian-archive-keyring"))
    changes = [f"ENTRYPOINT {json.dumps(ENTRYPOINT)}"]
    digest = hashlib.sha256(json.dumps([command, changes]).encode()).hexdigest()[:12]
    name = f"{REPOSITORY}:{SUITE}-{digest}"
    try:
        client.images.get(name)
    except ImageNotFound:
        log.info("building the image %s from Debian's mirror", name)
        _build(client, command, [*changes, f"LABEL {IMAGE_LABEL}={digest}"], name)
    return name


def _build(client: DockerClient, command: list[str], changes: list[str], name: str) -> None:
    if shutil.which("mmdebstrap") is None:
        raise ContainersError("mmdebstrap is not installed: apt-get install mmdebstrap. Nothing was made.")
    with tempfile.TemporaryDirectory(prefix="recettes-image-") as folder:
        tar = Path(folder, "root.tar")
        with tar.open("wb") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
            raise ContainersError("\n".join(["mmdebstrap failed, no image was made:", *words]))
        repository, tag = name.split(":")
        client.api.import_image_from_file(str(tar), repository=repository, tag=tag, changes=changes)


def _mmdebstrap(packages: Sequence[str], hooks: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in _apt_options()),
        *(f"--customize-hook={hook}" for hook in hooks),
        SUITE,
        "-",
        *_sources(),
    ]


def _sources() -> list[str]:
    """Lines of sources.list; none leaves the choice to mmdebstrap, which then adds updates and security itself."""
    found = dict(
        line.split("|", 1)
        for line in _apt("apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages", "Origin: Debian")
    )
    main = os.environ.get("DEBIAN_MIRROR") or found.get("Debian")
    security = found.get("Debian-Security")
    if not main:
        return []
    lines = [f"deb {main} {suite} main" for suite in (SUITE, f"{SUITE}-updates")]
    return [*lines, f"deb {security} {SUITE}-security main"] if security else lines


def _apt_options() -> list[str]:
    return sorted(line for line in _apt("apt-config", "dump") if line.split(" ", 1)[0] in APT_OPTIONS)


def _apt(*command: str) -> list[str]:
    if shutil.which(command[0]) is None:  # not Debian: mmdebstrap's own choices hold
        return []
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
