"""What a machine is told for a snapshot, and for a volume that has grown, does what it says: on a server that runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.cloud.life.quiet import LEASE, end_script, quiet_script
from recettes.containers.waiting import until
from recettes.shell import whole
from tests.cloud.control.drivers.plugs import file_systems_grow
from tests.cloud.project import Project
from tests.cloud.typed import Typed

ONE = """
from functools import partial
Cloud = partial(Cloud, private="10.237.43.0/24")  # a network of the engine as well: no other test has it
machines[:] = [CloudMachine(name="web", groups=("web",), flavour=Needs(vcpus=2, memory=3))]
volumes[:] = [CloudVolume(name="files", machine="web", size={size}, mount="/srv/files")]
flows[:] = flows[:1]
"""
# Something that writes all the time, as a database does.
WRITER = """
disk=$(ls /dev/disk/by-id/virtio-*)
mkfs.ext4 -q "$disk"
mkdir -p /srv/files
mount "$disk" /srv/files
cat >/etc/systemd/system/writer.service <<'END'
[Service]
ExecStart=/bin/sh -c 'while :; do date +%%s.%%N >>/srv/files/log; sleep 0.05; done'
END
systemctl daemon-reload
systemctl start writer.service
"""


class Machine:
    """By SSH, as bin/cloud reaches it."""

    def __init__(self, lab: Typed) -> None:
        self.lab = lab

    def run(self, script: str, *, status: int = 0) -> str:
        config = self.lab.folder / "ssh_config"
        ran = subprocess.run(
            ["ssh", "-F", config, "-o", "BatchMode=yes", "web", "sudo -n sh -s"],
            input=whole(script), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ran.returncode == status, ran.stdout + ran.stderr
        return ran.stdout.strip()

    def lines(self) -> int:
        return int(self.run("wc -l </srv/files/log"))

    def goes_on(self) -> None:
        before = self.lines()
        until(lambda: self.lines() > before, "the writer goes on", seconds=30)

    @property
    def still(self) -> bool:
        """Whether nothing can be written: a write hangs, and cannot even be killed."""
        probe = "(echo >/srv/files/probe; touch /run/probed.$$) >/dev/null 2>&1 &\nsleep 1\n"
        return self.run(probe + "[ -e /run/probed.$$ ] && echo no || echo yes") == "yes"


@pytest.fixture
def machine(running_project: Project, tmp_path: Path) -> Iterator[Machine]:
    lab = Typed(running_project, tmp_path, running_project.environment())
    lab.declare(ONE.format(size=1))
    made = lab.apply()
    assert made.status == 0, made.output
    listed = lab.pyinfra(deploy="debug-inventory")
    assert listed.status == 0, listed.output
    machine = Machine(lab)
    config = ["-F", str(lab.folder / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    ssh = ["timeout", "60", "ssh", *config, "web", "true"]
    until(lambda: subprocess.run(ssh, capture_output=True, check=False).returncode == 0, "SSH answers")
    machine.run(WRITER)
    yield machine
    machine.run("systemctl stop writer.service; umount /srv/files")


def test_a_machine_stands_still_for_its_snapshot_and_a_volume_grows_in_use(machine: Machine) -> None:
    lab, place = machine.lab, machine.lab.project.place
    taken = lab.cloud("snapshot", "web")
    assert taken.returncode == 0, taken.stderr
    machine.goes_on()
    snapshot = next(one for one in lab.project.member.block_storage.snapshots() if "files" in one.name)
    file = place.folder / "volumes" / f"snapshot-{snapshot.id}"
    # A file system that stood still has nothing in its journal to be made good.
    features = subprocess.run(["dumpe2fs", "-h", file], capture_output=True, text=True, check=True).stdout
    assert "needs_recovery" not in features
    assert subprocess.run(["e2fsck", "-fn", file], capture_output=True, check=False).returncode == 0

    lab.declare(ONE.format(size=2))
    grown = lab.cloud("extend", "files")
    if file_systems_grow():
        assert grown.returncode == 0, grown.stderr
        assert int(machine.run("df --output=size -B1M /srv/files | tail -1")) > 1800
        assert "There is nothing to do" in lab.cloud("extend", "files").stdout
    else:
        assert "web did not do it: resize2fs: Permission denied to resize filesystem" in grown.stderr
        assert "grow volume files" in lab.cloud("extend", "files", "--dry").stdout
    assert int(machine.run("blockdev --getsize64 /dev/disk/by-id/virtio-*")) == 2 << 30

    # Whoever asked for it is gone: the machine goes on by itself, and says so to who comes too late.
    quiet = quiet_script(["writer.service"], ["/srv/files"])
    machine.run(quiet.replace(f"--on-active={LEASE}", "--on-active=40"))
    assert machine.run("systemctl is-active writer.service || true") == "inactive"
    assert machine.still
    machine.run(quiet, status=1)
    until(lambda: not machine.still, "the machine goes on by itself")
    until(lambda: machine.run("systemctl is-active writer.service || true") == "active", "the writer runs again")
    machine.run(end_script(), status=1)
    machine.goes_on()

    # A disk that is slower than the lease: it does not freeze what nobody would let go.
    late = quiet.replace(f"--on-active={LEASE}", "--on-active=1").replace("\nsync\n", "\nsync; sleep 5\n")
    machine.run(late, status=1)
    until(lambda: machine.run("systemctl is-active writer.service || true") == "active", "the writer runs again")
    machine.goes_on()

    # What cannot stand still is not left half way.
    machine.run(quiet_script(["writer.service"], ["/srv/files", "/proc"]), status=1)
    until(lambda: machine.run("systemctl is-active writer.service || true") == "active", "the writer runs again")
    machine.goes_on()
