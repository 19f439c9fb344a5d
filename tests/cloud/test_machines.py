"""A server that runs: reached by SSH as cloud-init made it, with its volumes. Packets are filtered by nobody here."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from openstack.compute.v2.server import Server

from recettes.containers.identity import kept_key
from recettes.containers.waiting import until
from tests.cloud.machines import IMAGE
from tests.cloud.project import Project

USER_DATA = """#cloud-config
ssh_authorized_keys: ["{administrator}"]
ssh_keys:
  ed25519_public: {public}
  ed25519_private: |
    {private}
"""


def test_a_server_is_configured_by_cloud_init_and_keeps_its_volumes(running_project: Project, tmp_path: Path) -> None:
    project, cloud = running_project, running_project.member
    network = cloud.network.create_network(name="private")
    subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.237.41.0/24")
    router = cloud.network.create_router(name="out", external_gateway_info={"network_id": project.external.network_id})
    cloud.network.add_interface_to_router(router, subnet=subnet.id)
    port = cloud.network.create_port(network_id=network.id)
    floating = cloud.network.create_ip(floating_network_id=project.external.network_id, port_id=port.id)
    address = floating.floating_ip_address
    image = next(cloud.image.images(name=IMAGE))
    root = cloud.block_storage.create_volume(name="root", size=20, image_id=image.id)
    data = cloud.block_storage.create_volume(name="data", size=1)
    for volume in (root, data):
        cloud.block_storage.wait_for_status(volume, interval=0.1)

    def server() -> Server:
        disk = {"uuid": root.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        made = cloud.compute.create_server(
            name="web", flavor_id=cloud.compute.find_flavor("p2-4gb", ignore_missing=False).id,
            networks=[{"port": port.id}], block_device_mapping=[disk], config_drive=True,
            user_data=base64.b64encode(user_data.encode()).decode(),
        )  # fmt: skip
        return cloud.compute.wait_for_server(made, interval=0.2)

    def volume_becomes(status: str, volume: str) -> None:
        # Asked anew: the client waits for nothing where what it heard before was that already.
        cloud.block_storage.wait_for_status(cloud.block_storage.get_volume(volume), status=status, interval=0.1)

    administrator, host = kept_key(tmp_path / "administrator"), kept_key(tmp_path / "ssh_host_ed25519_key")
    private = "\n    ".join(host.private.decode().splitlines())
    user_data = USER_DATA.format(administrator=administrator.public, public=host.public, private=private)
    known = tmp_path / "known_hosts"
    known.write_text(f"{address} {host.public}\n")

    def ssh(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["timeout", "60", "ssh", "-i", tmp_path / "administrator", "-o", f"UserKnownHostsFile={known}",
             "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", f"debian@{address}", command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def said(command: str) -> str:
        until(lambda: ssh("true").returncode == 0, f"SSH at {address}, with the host key given to it")
        done = ssh(command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    first = server()
    assert said("cloud-init status --wait | tail -1; hostname; sudo id -u") == "status: done\nweb\n0"
    cloud.compute.create_volume_attachment(first, volume_id=data.id)
    volume_becomes("in-use", data.id)
    disk = f"/dev/disk/by-id/virtio-{data.id[:20]}"
    said(
        f"set -e; sudo mkfs.ext4 -q {disk}; sudo mkdir /data; echo '{disk} /data ext4 nofail 0 2' | sudo tee -a /etc/fstab;"
        "sudo mount /data; echo kept | sudo tee /data/file"
    )
    cloud.compute.reboot_server(first, "SOFT")
    cloud.compute.wait_for_server(cloud.compute.get_server(first.id), interval=0.2)
    # In a container systemd mounts no device of fstab by itself.
    assert said("sudo mount /data && cat /data/file") == "kept"
    assert "cloud-init" in cloud.compute.get_server_console_output(first)["output"]

    cloud.compute.delete_server(first)
    cloud.compute.wait_for_delete(first, interval=0.2)
    volume_becomes("available", root.id)
    second = server()
    cloud.compute.create_volume_attachment(second, volume_id=data.id)
    volume_becomes("in-use", data.id)
    assert said("sudo mount /data && cat /data/file") == "kept"
