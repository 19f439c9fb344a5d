"""Where one control plane lives: its folder, and a port on loopback for every service."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
REGION = "RegionOne"
ADMIN = "admin"  # user, project and password of the one who may do everything
SERVICE = "service"  # what the services are among themselves: user, project and password
# Service -> its type in the catalogue, and the path of its interface there.
SERVICES = {
    "keystone": ("identity", "/v3"),
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "neutron": ("network", ""),
    "nova": ("compute", "/v2.1"),
    "cinder": ("block-storage", "/v3"),
}
FOLDER_VARIABLE = "CONTROL_FOLDER"  # in the environment of every service
_FILE = "place.json"


@dataclass(frozen=True)
class Place:
    """`name` is this control plane's alone: the estate of whatever containers belong to it."""

    folder: Path
    ports: dict[str, int]
    name: str

    def base(self, service: str) -> str:
        return f"http://{HOST}:{self.ports[service]}"

    def endpoint(self, service: str) -> str:
        """What the catalogue says of the service."""
        return self.base(service) + SERVICES[service][1]

    def database(self, name: str) -> Path:
        return self.folder / "databases" / f"{name}.sqlite"

    def connection(self, name: str) -> str:
        """For SQLAlchemy. A writer waits up to a minute for another."""
        return f"sqlite:///{self.database(name)}?timeout=60"

    @property
    def settings(self) -> Path:
        return self.folder / "settings"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def alive(self) -> Path:
        """Whoever uses the control plane holds a shared lock on this file; without any, the services end by themselves."""
        return self.folder / "alive"

    @property
    def troubles(self) -> Path:
        """Files here tell the drivers what is to go wrong; see `tests.cloud.troubles`."""
        return self.folder / "troubles"

    def machine(self, server: str) -> Path:
        """What the hypervisor's stand-in keeps of a server that runs in a container; others have no such folder."""
        return self.folder / "machines" / server

    @property
    def engine_used(self) -> Path:
        """Is there once something of this control plane has been made at the Docker engine."""
        return self.folder / "engine-used"

    def pid_file(self, service: str) -> Path:
        return self.folder / f"{service}.pid"

    def write(self) -> None:
        (self.folder / _FILE).write_text(json.dumps({**asdict(self), "folder": str(self.folder)}))


def read_place(folder: Path) -> Place:
    """The place that `Place.write` noted in the folder."""
    noted = json.loads((folder / _FILE).read_text())
    return Place(Path(noted["folder"]), noted["ports"], noted["name"])


@contextmanager
def free_ports() -> Iterator[dict[str, int]]:
    """A port for every service that nobody listens on, and that the system gives to nobody else meanwhile."""
    with ExitStack() as stack:
        sockets = {service: stack.enter_context(socket.socket()) for service in SERVICES}
        for each in sockets.values():
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the service, which says so too, may listen there
            each.bind((HOST, 0))
        yield {service: each.getsockname()[1] for service, each in sockets.items()}


def place_of_this_service() -> Place:
    """For what runs inside a service."""
    return read_place(Path(os.environ[FOLDER_VARIABLE]))
