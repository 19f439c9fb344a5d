"""The same no-op by Ansible's openstack.cloud modules: bench/cloud_playbook.yml of an estate as it is in the cloud."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cloud.lab import CloudLab
from tests.cloud.project import EXTERNAL, Project
from tests.harness import ROOT

PLAYBOOK = ROOT / "bench" / "cloud_playbook.yml"
LOCK = ROOT / "requirements" / "bench.txt"


def installed(folder: Path) -> Path:
    """Ansible in a virtual environment of its own, 600 MB; made there if it is not."""
    if not (folder / "bin" / "ansible-playbook").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--require-hashes", "-r", LOCK], check=True)
    return folder / "bin"


def stated(project: Project) -> dict[str, Any]:
    """The estate for the playbook, as an independent client sees it."""
    cloud, mine = project.member, {"project_id": project.id}
    groups = {one.id: one for one in cloud.network.security_groups(**mine)}
    ports = {one.name: one for one in cloud.network.ports(**mine) if one.name}
    servers = {one.id: one for one in cloud.compute.servers()}
    volumes = list(cloud.block_storage.volumes())
    (subnet,) = cloud.network.subnets(**mine)
    (floating,) = cloud.network.ips(**mine)
    return {
        "network": "production-private",
        "cidr": subnet.cidr,
        "external": EXTERNAL,
        "groups": [{"name": one.name, "rules": [_rule(rule) for rule in one.security_group_rules]} for one in groups.values()],
        "machines": [
            {
                "name": one.name,
                "flavor": one.flavor["original_name"],
                "metadata": dict(one.metadata),
                "groups": [groups[id_].name for id_ in ports[one.name].security_group_ids],
                "image": (one.image or {}).get("id"),
                "boot_volume": next((volume.name for volume in volumes if volume.name == f"{one.name}-root"), None),
            }
            for one in servers.values()
        ],
        "volumes": [
            {
                "name": one.name,
                "size": one.size,
                "server": None if one.name.endswith("-root") else servers[one.attachments[0]["server_id"]].name,
            }
            for one in volumes
        ],
        "public": next(servers[one.device_id].name for one in ports.values() if one.id == floating.port_id),
    }


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    keys = {"direction": "direction", "ethertype": "ether_type", "protocol": "protocol", "port_range_min": "port_range_min",
            "port_range_max": "port_range_max", "remote_ip_prefix": "remote_ip_prefix", "remote_group_id": "remote_group",
            "description": "description"}  # fmt: skip
    return {ours: rule[theirs] for theirs, ours in keys.items() if rule.get(theirs)}


def no_op(lab: CloudLab, programs: Path, estate: dict[str, Any]) -> None:
    """Run the playbook. Ends the benchmark where it is no no-op."""
    ran = subprocess.run(
        [programs / "ansible-playbook", PLAYBOOK, "--extra-vars", json.dumps({"estate": estate})],
        env={**lab.environment, "ANSIBLE_PYTHON_INTERPRETER": str(programs / "python"), "ANSIBLE_LOCALHOST_WARNING": "false"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode or not re.search(r"changed=0 .*failed=0", ran.stdout):
        raise SystemExit(f"the playbook is no no-op:\n{ran.stdout}{ran.stderr}")
