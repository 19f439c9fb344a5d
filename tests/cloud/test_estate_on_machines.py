"""The estate's machines as they boot: reached from the first connection on, one through the other, with their volumes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from recettes.containers.waiting import until
from tests.cloud.lab import CloudLab, listed, refusals, steps
from tests.cloud.project import Project
from tests.harness import Run

NETWORK = "private = '10.237.45.0/24'; machines[:] = [machines[0], machines[2]]; flows[2:] = []\n"
VOLUME = "volumes[:] = [CloudVolume(name='data', machine='apps', size=1, mount='/srv/data')]\n"
DEPLOY = """
from pyinfra import host
from operations.mounts import mounts
mounts(name="Data volumes", wanted=host.data.lab.machine(host.name).volumes)
"""


def test_a_private_machine_is_reached_at_once_and_has_its_volume(running_project: Project, tmp_path: Path) -> None:
    lab = CloudLab(running_project, tmp_path, running_project.environment())
    lab.declare(NETWORK + VOLUME)
    made = lab.apply()
    assert made.status == 0, made.output
    assert lab.pyinfra(deploy="debug-inventory").status == 0
    deploy = tmp_path / "mounts.py"
    deploy.write_text(DEPLOY)

    def ssh(command: str) -> subprocess.CompletedProcess[str]:
        config = ["-F", str(lab.folder / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        return subprocess.run(["ssh", *config, "apps", command], capture_output=True, text=True, check=False)

    def run(*words: str) -> Run:
        return lab.pyinfra(*words, "--limit", "apps", deploy=str(deploy))

    until(lambda: ssh("true").returncode == 0, "SSH to apps through web", seconds=120)
    done = ssh("cloud-init status --wait --long")
    assert done.returncode == 0, done.stdout
    assert ssh("sudo true").stderr == ""

    planned = run("--dry")
    first = run("-y")
    assert first.status == 0, first.output
    assert steps(first, "run") == steps(planned, "plan") == ["format /srv/data", "enter /srv/data", "mount /srv/data"]
    assert ssh("echo kept | sudo tee /srv/data/file").returncode == 0
    assert run("-y").changes == []

    assert ssh("sudo umount /srv/data && sudo sed -i /UUID/d /etc/fstab").returncode == 0
    assert ssh("sudo touch /srv/data/in-the-way").returncode == 0
    assert "/srv/data has files, which the volume would hide" in refusals(run("-y"))
    assert ssh("sudo rm /srv/data/in-the-way").returncode == 0
    healed = run("-y")
    assert steps(healed, "run") == ["enter /srv/data", "mount /srv/data"]
    assert ssh("cat /srv/data/file").stdout == "kept\n"

    lab.declare(NETWORK + "volumes[:] = []\n")
    assert steps(run("-y"), "run") == ["release /srv/data"]
    assert ssh("mountpoint -q /srv/data || grep UUID /etc/fstab").returncode == 1
    assert "production-data" in listed(running_project)["volumes"]
