"""A running lab from an empty project by one command, on servers that boot; then what its machines need of the cloud."""

from __future__ import annotations

import json
import secrets
import subprocess
from pathlib import Path

from recettes.authority import AUTHORITY_FILE
from recettes.containers.waiting import until
from tests.cloud.lab import group_rules, listed, refusals, steps
from tests.cloud.project import Project
from tests.cloud.typed import Typed
from tests.harness import ROOT, Run

# A network of the engine as well: that of another run of this test is another.
NETWORK = f"private = '10.238.{secrets.randbelow(256)}.0/24'; machines[:] = [machines[0], machines[2]]; flows[2:] = []\n"
SITE = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import StaticSite
from recettes.declarations.sources import Folder
home = Project(
    name="home", title="Home", answers="The administrator",
    sites=(StaticSite(name="home", host="lab.test", source=Folder(path="samples/home")),),
)
"""
FLOW = "flows.append(Flow(source='apps', to='web', port=8443, why='news'))\n"
NO_VOLUME, VOLUME = (
    "volumes[:] = []\n",
    "volumes[:] = [CloudVolume(name='data', machine='apps', size=1, mount='/srv/data')]\n",
)
DEPLOY = """
from pyinfra import host
from operations.mounts import mounts
mounts(name="Data volumes", wanted=host.data.lab.machine(host.name).volumes)
"""


class Lab(Typed):
    def ssh(self, machine: str, command: str) -> subprocess.CompletedProcess[str]:
        config = ["-F", str(self.folder / "ssh_config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        return subprocess.run(["timeout", "60", "ssh", *config, machine, command], capture_output=True, text=True, check=False)

    def stamp(self, machine: str) -> str:
        return str(json.loads(self.ssh(machine, "cat /etc/recettes/machine.json").stdout)["commit"])


def test_one_command_makes_a_running_lab_of_an_empty_project(running_project: Project, tmp_path: Path) -> None:
    lab = Lab(running_project, tmp_path, running_project.environment())
    lab.declare(NETWORK + NO_VOLUME)
    (lab.group_data / "projects").mkdir()
    (lab.group_data / "projects" / "home.py").write_text(SITE)
    up = lab.cloud("up")
    assert up.returncode == 0, up.stdout + up.stderr
    (address,) = listed(running_project)["floating"]
    page = ["--resolve", f"lab.test:443:{address}", "--cacert", str(lab.folder / AUTHORITY_FILE), "https://lab.test/"]
    curl = ["curl", "--silent", "--show-error", "--max-time", "20"]
    got = subprocess.run([*curl, *page], capture_output=True, text=True, check=False)
    assert got.returncode == 0, got.stderr
    assert got.stdout == (ROOT / "samples/home/index.html").read_text()
    assert "deploys/lab.py" in up.stderr
    assert "tcp dport" in lab.ssh("apps", "sudo nft list ruleset").stdout  # reached through web; its own firewall stands
    compared = lab.cloud("compare", "production", "production").stdout
    for machine in ("apps", "web"):
        assert f"recipes of {machine}\n  production: {lab.stamp(machine)}\n" in compared

    a_private_machine_has_its_volume(lab)
    what_fails_on_one_machine_keeps_no_other(lab)


def a_private_machine_has_its_volume(lab: Lab) -> None:
    lab.declare(NETWORK + VOLUME)
    attached = lab.apply()
    assert attached.status == 0, attached.output
    deploy = lab.scratch / "mounts.py"
    deploy.write_text(DEPLOY)

    def ssh(command: str) -> subprocess.CompletedProcess[str]:
        return lab.ssh("apps", command)

    def run(*words: str) -> Run:
        return lab.pyinfra(*words, "--limit", "apps", deploy=str(deploy))

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

    lab.declare(NETWORK + NO_VOLUME)
    assert steps(run("-y"), "run") == ["release /srv/data"]
    assert ssh("mountpoint -q /srv/data || grep UUID /etc/fstab").returncode == 1
    assert "production-data" in listed(lab.project)["volumes"]


def what_fails_on_one_machine_keeps_no_other(lab: Lab) -> None:
    """Cloud-init goes wrong on one when it boots again: `up` says so, and an edited flow comes to the cloud and the other."""
    broken = "echo 'bootcmd: [[false]]' | sudo tee /etc/cloud/cloud.cfg.d/99-broken.cfg; sudo touch /run/before"
    assert lab.ssh("apps", broken).returncode == 0
    rebooted = lab.cloud("reboot", "apps", "--yes")
    assert rebooted.returncode == 0, rebooted.stderr
    until(lambda: lab.ssh("apps", "test ! -e /run/before").returncode == 0, "apps has booted again")
    lab.declare(NETWORK + NO_VOLUME + FLOW)
    assert "8443" not in lab.ssh("web", "sudo nft list ruleset").stdout
    up = lab.cloud("up")
    assert up.returncode == 1
    assert "apps: cloud-init did not come through: " in up.stderr
    assert "-- apps is ACTIVE" in up.stderr  # and its console
    assert "deploys/lab.py" in up.stderr
    assert "[web]" in up.stderr.partition("deploys/lab.py")[2]
    assert "[apps]" not in up.stderr.partition("deploys/lab.py")[2]
    assert ("IPv4", "tcp", 8443, "a group") in group_rules(lab.project, "production-web")
    assert "8443" in lab.ssh("web", "sudo nft list ruleset").stdout
