"""An estate of test machines in a folder: keys, machines.toml, known_hosts and ssh_config beside its containers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from docker import DockerClient

from recettes.containers.cluster.image import cluster_image
from recettes.containers.cluster.settings import HOST as CLUSTER
from recettes.containers.cluster.settings import USER as CLUSTER_USER
from recettes.containers.engine import engine
from recettes.containers.identity import HOMES, HOST_KEYS, Identity, keep, kept_key
from recettes.containers.image import image
from recettes.containers.leftovers import OWNER_LABEL, owner, remove_dead, remove_labelled
from recettes.containers.machine import ESTATE_LABEL, IDENTITY_LABEL, Machine, Place
from recettes.containers.network import make_network, subnet
from recettes.containers.waiting import ContainersError
from recettes.listing import Listed, known_hosts, machines_toml, read_machines, ssh_config

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


class ContainersEstate:
    """Machines `names`, one of each, in `folder`; `user` (root, or debian with sudo) is who logs in.

    A machine is in the group of its name, or in those that `groups` says. The one called `hpc` is somebody else's cluster.

    The folder's path decides the names of containers and network, so two estates never meet.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        *,
        user: str = "root",
        groups: Mapping[str, Sequence[str]] | None = None,
        client: DockerClient | None = None,
        labels: dict[str, str] | None = None,
    ) -> None:
        if wrong := [name for name in names if not NAME.fullmatch(name)]:
            raise ContainersError(
                f"Not a machine's name: {', '.join(map(repr, wrong))}. Lower-case letters, digits "
                "and hyphens, a letter first, at most 32. Nothing was made."
            )
        if user not in HOMES:
            raise ContainersError(f"No user {user!r} on a bare machine, only {' or '.join(HOMES)}. Nothing was made.")
        self.folder = folder.resolve()
        self.name = f"{self.folder.name}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]}"
        self._names = list(names)
        self._user = user
        self._groups = dict(groups or {})
        self._client = client or engine()
        self._labels = {**(labels or {}), ESTATE_LABEL: self.name}
        self._network = f"recettes-{self.name}"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def machines_toml(self) -> Path:
        return self.folder / "machines.toml"

    @property
    def administrator_key(self) -> Path:
        """The administrator's private SSH key."""
        return self.folder / "administrator"

    def make(self) -> dict[str, Machine]:
        """Make what is missing, start what is stopped, change nothing else; return the machines by name, all up."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            public_key = kept_key(self.administrator_key).public
            listed = self._list(subnet(self._client, self._network) or make_network(self._client, self._network, self._labels))
            machines = {name: self._machine(name, listed[name]) for name in self._names}
            self._check_ours(machines)
            for name, machine in machines.items():
                if not machine.exists:
                    bare = cluster_image(self._client) if name == CLUSTER else image(self._client)
                    machine.make(bare, user=listed[name].user, public_key=public_key)
            for machine in machines.values():  # together: each boots while the others do
                machine.container.start()
            for machine in machines.values():
                machine.start()
        return machines

    def machine(self, name: str) -> Machine:
        """A machine that `make` has made."""
        return self._machine(name, read_machines(self.machines_toml)[name])

    def remove(self) -> None:
        """Remove the containers, their snapshots, the network, and the folder with all in it."""
        remove_labelled(self._client, self.name)
        if self.administrator_key.exists():  # else the folder is not one that `make` made
            shutil.rmtree(self.folder)

    def _machine(self, name: str, listed: Listed) -> Machine:
        place = Place(estate=self.name, name=name, network=self._network, address=listed.address)
        return Machine(self._client, place, self._identity(name), self._labels)

    def _identity(self, name: str) -> Identity:
        return Identity({key: kept_key(self.folder / "host_keys" / name / key) for key in HOST_KEYS})

    def _list(self, network: IPv4Network) -> dict[str, Listed]:
        """Give every machine an address, write the three files, and return all machines of the folder."""
        machines = {
            name: machine
            for name, machine in read_machines(self.machines_toml).items()
            if IPv4Address(machine.address) in network
        }  # the folder may have moved, and with it the network
        taken = {machine.address for machine in machines.values()}
        free = (str(address) for address in list(network.hosts())[1:] if str(address) not in taken)  # the first: gateway
        for name in self._names:
            if name not in machines:
                user = CLUSTER_USER if name == CLUSTER else self._user
                machines[name] = Listed(next(free), tuple(self._groups.get(name, (name,))), user)
        keys = {name: self._identity(name).public_keys for name in machines}
        keep(self.known_hosts, known_hosts(machines, keys).encode(), 0o644)
        keep(self.ssh_config, ssh_config(machines, key=self.administrator_key, hosts=self.known_hosts).encode(), 0o644)
        keep(self.machines_toml, machines_toml(machines).encode(), 0o644)
        return machines

    def _check_ours(self, machines: dict[str, Machine]) -> None:
        for machine in machines.values():
            if machine.exists and machine.container.labels[IDENTITY_LABEL] != machine.identity.machine_id:
                raise ContainersError(
                    f"The container {machine.place.container} has other keys than {self.folder}: the "
                    f"folder was removed and not the container. Remove the estate, then make it again."
                )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def temporary_estate(
    names: Sequence[str], *, user: str = "root", groups: Mapping[str, Sequence[str]] | None = None
) -> Iterator[ContainersEstate]:
    """An estate made for this process and removed at the end; first, those of processes that died are removed."""
    client = engine()
    remove_dead(client)
    with tempfile.TemporaryDirectory(prefix="recettes-") as parent:
        estate = ContainersEstate(
            Path(parent, "test"), names, user=user, groups=groups, client=client, labels={OWNER_LABEL: owner()}
        )
        try:
            estate.make()
            yield estate
        finally:
            estate.remove()
