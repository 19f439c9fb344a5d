"""A computer without any rights on the lab's machines, with the tools by which one looks at a machine from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from recettes.containers.engine import engine
from recettes.containers.image import image
from recettes.containers.leftovers import OWNER_LABEL, owner
from recettes.containers.machine import ESTATE_LABEL, Machine

TOOLS = ("nmap", "testssl.sh", "bsdextrautils")


class Scanner:
    """`run` runs bash there: at an address of the machine's network, or with `here` at this computer's, the administrator's."""

    def __init__(self, client: DockerClient, kept: str, machine: Machine, labels: dict[str, str]) -> None:
        self._client = client
        self._image = kept
        self._machine = machine
        self._labels = labels

    def run(self, script: str, *, here: bool = False, given: Path | None = None) -> str:
        """Standard output. `given` is a folder seen as /given. ContainerError at an exit status other than 0."""
        printed = self._client.containers.run(
            self._image,
            ["-c", script],
            entrypoint="/bin/bash",
            network_mode="host" if here else self._machine.place.network,
            volumes={str(given): {"bind": "/given", "mode": "ro"}} if given else None,
            labels=self._labels,
            remove=True,
        )
        return printed.decode()

    def open_ports(self, *, here: bool = False) -> set[int]:
        """All TCP ports of the machine that answer."""
        # Closed ones do not answer at all, so nmap is told not to wait long, in a network where an answer takes no millisecond.
        scan = f"nmap -Pn -n -p- --min-rate 3000 --max-retries 2 -oG - {self._machine.address}"
        greppable = self.run(scan, here=here)
        assert "1 host up" in greppable, greppable
        return {int(port) for port in re.findall(r"(\d+)/open/tcp", greppable)}


@contextmanager
def scanner_of(machine: Machine) -> Iterator[Scanner]:
    """A scanner in the machine's network; nothing is left of it."""
    client = engine()
    labels = {OWNER_LABEL: owner(), ESTATE_LABEL: machine.place.estate}
    install = f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {' '.join(TOOLS)}"
    bare = client.containers.create(
        image(client), ["-c", install], entrypoint="/bin/sh", network=machine.place.network, labels=labels
    )
    try:
        bare.start()
        ended = bare.wait()
        assert ended["StatusCode"] == 0, bare.logs().decode()
        kept = bare.commit(repository=f"{machine.place.container}-scanner")
    finally:
        bare.remove(force=True)
    try:
        yield Scanner(client, str(kept.id), machine, labels)
    finally:
        client.images.remove(str(kept.id), force=True)
