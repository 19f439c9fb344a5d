"""Removing what an estate left at the engine, by label; and finding estates whose maker died before removing them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from docker import DockerClient
from docker.errors import NotFound

from recettes.containers.machine import ESTATE_LABEL
from recettes.contents.cache import cache_folder
from recettes.durable import locked

log = logging.getLogger(__name__)

OWNER_LABEL = "recettes.owner"
REMOVAL_SECONDS = 600.0


def owner() -> str:
    """This process, as no other is or will be called until the computer restarts: number and time of start."""
    return f"{os.getpid()}/{_started(os.getpid())}"


def remove_dead(client: DockerClient) -> None:
    """Remove every estate that a process owned which is no more. Estates without an owner are meant to last."""
    owned: dict[str, str | list[str] | bool] = {"label": OWNER_LABEL}
    with locked(cache_folder() / "leftovers.lock", REMOVAL_SECONDS):  # of two processes at once, one removes them
        labels = [container.labels for container in client.containers.list(all=True, filters=owned, ignore_removed=True)]
        # Not asked for one by one: another process's image may go in between.
        labels += [image["Labels"] for image in client.api.images(filters=owned)]
        labels += [network.attrs["Labels"] for network in client.networks.list(filters=owned)]
        for estate in {each[ESTATE_LABEL] for each in labels if not _alive(each[OWNER_LABEL])}:
            log.info("removing the estate %s of a process that died", estate)
            remove_labelled(client, estate)


def remove_labelled(client: DockerClient, estate: str) -> None:
    """Remove the containers, networks and images of the estate."""
    label = f"{ESTATE_LABEL}={estate}"
    for container in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": label}):
        network.remove()
    # A snapshot made of a snapshot goes first: the engine keeps an image that another one stands on.
    images = client.images.list(filters={"label": label})
    for image in sorted(images, key=lambda each: str(each.attrs["Created"]), reverse=True):
        try:
            client.images.remove(str(image.id), force=True)
        except NotFound:  # it went with the one above it
            continue


def _alive(label: str) -> bool:
    pid, started = label.split("/")
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Clock ticks since boot at which the process started; empty if there is none."""
    try:
        # The name of the program, in parentheses, may itself hold blanks and parentheses: proc(5), field 22.
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
