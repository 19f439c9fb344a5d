"""One test machine: a container that boots systemd, answers SSH, and can be rebooted, broken, kept and started anew."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.utils.socket import consume_socket_output, demux_adaptor, frames_iter

from recettes.containers.identity import Identity, login_archive
from recettes.containers.waiting import ContainersError, until

ESTATE_LABEL = "recettes.estate"
IDENTITY_LABEL = "recettes.identity"
SSH_PORT = 22
# What a script says before the client has read the engine's "switching protocols" to its end is lost in the client's buffer, on
# a busy computer: so the script waits for a line.
_WHEN_TOLD = 'read -r go; exec /bin/sh -c "$0" </dev/null'


@dataclass(frozen=True)
class Answer:
    """What a script run inside gave: exit status, and its two outputs as text."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """Where a machine lives: its name in the estate and its address in the estate's network."""

    estate: str
    name: str
    network: str
    address: str

    @property
    def container(self) -> str:
        return f"{self.network}-{self.name}"


class Machine:
    def __init__(self, client: DockerClient, place: Place, identity: Identity, labels: dict[str, str]) -> None:
        self._client = client
        self.place = place
        self.identity = identity
        self._labels = labels

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def address(self) -> str:
        return self.place.address

    @property
    def container(self) -> Container:
        """The container as the engine has it now; docker.errors.NotFound if it was not made."""
        return self._client.containers.get(self.place.container)

    @property
    def exists(self) -> bool:
        try:
            return self.container.labels.get(ESTATE_LABEL) == self.place.estate
        except NotFound:
            return False

    def make(self, image: str, *, user: str, public_key: str) -> None:
        """Make the machine, stopped, from the bare image; `user` (root or debian) logs in with the key."""
        self._create(image, [self.identity.archive(), login_archive(user, public_key)])

    def remake(self, snapshot: str) -> None:
        """Put the snapshot of a machine of this estate in this one's place: same name, address, keys. Boots it."""
        if self.exists:
            self.remove()
        # Who may log in is in the snapshot: another key put in would be a difference that no run has made.
        self._create(snapshot, [self.identity.archive()])
        self.start()

    def snapshot(self, label: str) -> str:
        """Keep the machine's disk, not its memory, as an image, and return its name. Its tmpfs are not in it."""
        repository = self.place.container
        self.container.commit(repository=repository, tag=label)
        return f"{repository}:{label}"

    def start(self) -> None:
        """Start it if it is stopped, and wait until it has booted and SSH answers."""
        self.container.start()
        self.wait_booted()
        self.wait_ssh()

    def stop(self) -> None:
        """Shut down in order."""
        self.container.stop(timeout=60)

    def kill(self) -> None:
        """As a power cut: every process ends at once, and it stays down until `start`."""
        self.container.kill()

    def reboot(self) -> None:
        """Reboot from inside, and wait until it has booted and SSH answers."""
        before = self._started()
        with suppress(APIError):  # the reboot may end this very command
            self.run("systemctl reboot", check=False)
        until(lambda: self._started() != before, f"{self.name} goes down and up")
        self.wait_booted()
        self.wait_ssh()

    def wait_booted(self) -> None:
        until(self._booted, f"systemd in {self.name} has booted")

    def wait_ssh(self) -> None:
        until(self._ssh_answers, f"SSH of {self.name} answers at {self.address}")

    def run(self, script: str, *, check: bool = True) -> Answer:
        """Run a POSIX sh script inside as root, not by way of SSH. With `check` a failure raises ContainersError."""
        api = self._client.api
        job = api.exec_create(self.container.id, ["/bin/sh", "-c", _WHEN_TOLD, script], stdin=True)["Id"]
        stream = cast("socket.SocketIO", api.exec_start(job, socket=True))
        try:
            os.write(stream.fileno(), b"\n")
            frames = (demux_adaptor(*frame) for frame in frames_iter(stream, tty=False))  # type: ignore[no-untyped-call]
            out, err = consume_socket_output(frames, demux=True)
        finally:
            stream.close()
        answer = Answer(int(api.exec_inspect(job)["ExitCode"]), _text(out), _text(err))
        if check and answer.code:
            raise ContainersError(f"on {self.name}, exit status {answer.code} of:\n{script}\n{answer.out}{answer.err}")
        return answer

    def disconnect(self) -> None:
        """Pull the network cable."""
        self._client.networks.get(self.place.network).disconnect(self.place.container)

    def reconnect(self) -> None:
        network = self._client.networks.get(self.place.network)
        network.connect(self.place.container, aliases=[self.name], ipv4_address=self.address)

    @contextmanager
    def full_disk(self, folder: str) -> Iterator[None]:
        """While it lasts, `folder` is a file system without a free byte, holding what it held. Undone afterwards."""
        path, brim = shlex.quote(folder), "/run/full-disk"
        self.run(f"""set -e
            mkdir -p {brim}
            mount -t tmpfs -o "size=$(( $(du -sk {path} | cut -f1) + 1024 ))k" tmpfs {brim}
            chmod --reference={path} {brim}; chown --reference={path} {brim}
            cp -a {path}/. {brim}/
            mount --bind {brim} {path}; umount {brim}""")
        try:
            self.run(f"! cat /dev/zero 2>/dev/null > {path}/.brim")
            yield
        finally:
            self.run(f"umount -l {path}")

    def remove(self) -> None:
        self.container.remove(force=True, v=True)

    def _create(self, image: str, archives: list[bytes]) -> None:
        endpoint = self._client.api.create_endpoint_config(aliases=[self.name], ipv4_address=self.address)
        container = self._client.containers.create(
            image,
            name=self.place.container,
            hostname=self.name,
            labels={**self._labels, ESTATE_LABEL: self.place.estate, IDENTITY_LABEL: self.identity.machine_id},
            network=self.place.network,
            networking_config={self.place.network: endpoint},
            **whole_system(),
        )
        for archive in archives:
            container.put_archive("/", archive)

    def _started(self) -> str:
        state = self.container.attrs["State"]
        return str(state["StartedAt"]) if state["Running"] else ""

    def _booted(self) -> bool:
        try:
            state = self.run("systemctl is-system-running", check=False).out.strip()
        except APIError:  # between going down and coming up there is nothing to run it in
            return False
        return state in ("running", "degraded")

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, SSH_PORT), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def whole_system() -> dict[str, Any]:
    """The arguments of `containers.create` that let systemd, sshd and a firewall work inside as on a machine."""
    return {
        "environment": {"container": "docker"},  # tells systemd what it runs in
        "cap_add": ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
        "cgroupns": "host",
        "volumes": {"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}},
        # /tmp as on a real Debian 13, where programs may be run from it; Docker's own default is noexec.
        "tmpfs": {"/run": "", "/run/lock": "", "/tmp": "exec,mode=1777"},  # noqa: S108
        "sysctls": _ipv6(),
        "stop_signal": "SIGRTMIN+3",  # systemd's for "shut down"; any other takes ten seconds and kills databases
        "restart_policy": {"Name": "unless-stopped"},  # what makes `systemctl reboot` a reboot
    }


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def _ipv6() -> dict[str, str]:
    # Docker switches IPv6 off in a network without it, and then even ::1 is missing, which a cloud machine has.
    return {"net.ipv6.conf.all.disable_ipv6": "0"} if Path("/proc/sys/net/ipv6").exists() else {}
