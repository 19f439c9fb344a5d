"""Stands in for nova's hypervisor where a server is to run: each is a container with systemd, sshd and real cloud-init.

A server runs if its image has the property IMAGE_PROPERTY; all others are as `servers` has them. Real are the config drive,
which cloud-init reads, the fixed and the floating address, the power, the console's log, snapshots, and volumes, as loop
devices. Not real are the kernel, limits other than memory, a resize, a second MAC, and above all packets: security groups
are rows that filter nothing, so no test may claim a firewall of the cloud's. A root volume keeps what the server had on its
disk when it was deleted, and a new server on the same volume finds it; a snapshot of that volume holds nothing.
"""

from __future__ import annotations

import io
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from nova import exception
from nova.api.metadata import base
from nova.compute import power_state, task_states
from nova.image import glance
from nova.network import neutron
from nova.virt import configdrive, hardware

from recettes.containers.image import ENTRYPOINT
from recettes.containers.machine import whole_system
from tests.cloud.control.cloud_image import IMAGE_PROPERTY, SEED
from tests.cloud.control.drivers import engine
from tests.cloud.control.drivers.plugs import INSIDE, PLUG, Plugs, file_systems_grow
from tests.cloud.control.drivers.servers import Servers

_STOP_SECONDS = 30


class Machines(Servers):
    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        super().spawn(
            context, instance, image_meta, injected_files, admin_password, allocations,
            network_info, block_device_info, power_on, accel_info,
        )  # fmt: skip
        # Nova keeps the properties of the image, or of the image that a root volume was made from, with the server.
        image = instance.system_metadata.get(f"image_{IMAGE_PROPERTY}")
        if image is None:
            return
        try:
            self._make(instance, image, injected_files, network_info or [], block_device_info)
            for interface in network_info or []:
                _give_addresses(context, instance, interface["id"])
            if power_on:
                _container(instance).start()
        except (DockerException, OSError) as error:
            self._remove(instance)
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=str(error)) from error

    def destroy(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any = None, *more: Any, **also: Any
    ) -> None:
        if _runs(instance):
            if (root := _root(block_device_info)) and not root["delete_on_termination"]:
                _container(instance).commit(repository=_kept(root), tag="latest")
            self._remove(instance)
        super().destroy(context, instance, network_info, block_device_info, *more, **also)

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        if _runs(instance):
            _container(instance).stop(timeout=_STOP_SECONDS)
        super().power_off(instance, timeout, retry_interval)

    def power_on(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        if _runs(instance):
            _container(instance).start()
        super().power_on(context, instance, *args, **kwargs)

    def reboot(self, context: Any, instance: Any, network_info: Any, reboot_type: str, *args: Any, **kwargs: Any) -> None:
        if _runs(instance):
            _container(instance).restart(timeout=0 if reboot_type == "HARD" else _STOP_SECONDS)
        super().reboot(context, instance, network_info, reboot_type, *args, **kwargs)

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:
        if not _runs(instance):
            return super().get_info(instance, use_cache)
        running = _container(instance).status == "running"
        return hardware.InstanceInfo(state=power_state.RUNNING if running else power_state.SHUTDOWN)

    def get_console_output(self, context: Any, instance: Any) -> Any:
        if not _runs(instance):
            return super().get_console_output(context, instance)
        if _container(instance).status != "running":
            return ""
        return _inside(instance, "journalctl --no-pager --boot --lines=500")

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        if not _runs(instance):
            super().snapshot(context, instance, image_id, update_task_state)
            return
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        name = f"{engine.place.name}-snapshot:{image_id}"
        _container(instance).commit(repository=name.partition(":")[0], tag=image_id)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        about = {"disk_format": "raw", "container_format": "bare", "properties": {IMAGE_PROPERTY: name}}
        glance.API().update(context, image_id, about, io.BytesIO(name.encode()), purge_props=False)

    def attach_volume(self, context: Any, connection_info: Any, instance: Any, mountpoint: str, *more: Any, **also: Any) -> None:
        super().attach_volume(context, connection_info, instance, mountpoint, *more, **also)
        if _runs(instance):
            _plugs(instance).add(mountpoint, _file(connection_info))
            _inside(instance, f"sh {PLUG}")

    def detach_volume(self, context: Any, connection_info: Any, instance: Any, mountpoint: str, encryption: Any = None) -> None:
        if _runs(instance):
            _inside(instance, _plugs(instance).drop(_file(connection_info)))
        super().detach_volume(context, connection_info, instance, mountpoint, encryption)

    def extend_volume(self, context: Any, connection_info: Any, instance: Any, requested_size: int) -> None:
        if _runs(instance):
            _plugs(instance).grow(_file(connection_info))
        super().extend_volume(context, connection_info, instance, requested_size)

    def _make(self, instance: Any, image: str, injected_files: Any, network_info: Any, block_device_info: Any) -> None:
        plugs = _plugs(instance)
        plugs.make()
        for each in (block_device_info or {}).get("block_device_mapping", []):
            if each["boot_index"] != 0:
                plugs.add(each["mount_device"], _file(each["connection_info"]))
        drive = engine.place.machine(instance.uuid) / "config_drive"
        metadata = base.InstanceMetadata(instance, content=injected_files, network_info=network_info)
        with configdrive.ConfigDriveBuilder(instance_md=metadata) as builder:
            builder._write_md_files(str(drive))
        client = engine.client()
        settings = whole_system()
        if file_systems_grow():
            settings["cap_add"] = [*settings["cap_add"], "SYS_RESOURCE"]
        settings["volumes"] = {
            **settings["volumes"],
            str(drive): {"bind": SEED, "mode": "ro"},
            str(plugs.folder): {"bind": INSIDE, "mode": "ro"},
        }
        if not network_info:
            settings["network_mode"] = "none"
        else:
            settings.update(engine.interface(*_address(network_info[0]), network_info[0]["address"]))
        client.containers.create(
            self._disk(image, _root(block_device_info)),
            name=engine.container_name(instance.uuid),
            hostname=instance.hostname,
            labels=engine.labels(),
            entrypoint=[*ENTRYPOINT[:2], f"sh {PLUG}; {ENTRYPOINT[2]}"],
            device_cgroup_rules=["b 7:* rwm"],  # loop devices
            mem_limit=instance.flavor.memory_mb << 20,
            **settings,
        )
        for network, address in map(_address, network_info[1:]):
            client.networks.get(network).connect(engine.container_name(instance.uuid), ipv4_address=address)

    def _disk(self, image: str, root: Any) -> str:
        """What an earlier server left on the root volume, else the image."""
        if root is None:
            return image
        try:
            engine.client().images.get(_kept(root))
        except ImageNotFound:
            return image
        return _kept(root)

    def _remove(self, instance: Any) -> None:
        with suppress(NotFound):
            _container(instance).remove(force=True, v=True)
        folder = engine.place.machine(instance.uuid)
        if (folder / "plugs").exists():
            _plugs(instance).clear()
        shutil.rmtree(folder, ignore_errors=True)


def _runs(instance: Any) -> bool:
    return engine.place.machine(instance.uuid).exists()


def _container(instance: Any) -> Container:
    return engine.client().containers.get(engine.container_name(instance.uuid))


def _plugs(instance: Any) -> Plugs:
    return Plugs(engine.place.machine(instance.uuid) / "plugs")


def _inside(instance: Any, script: str) -> str:
    """What the script says; nothing if the server is off."""
    container = _container(instance)
    if container.status != "running":
        return ""
    said = container.exec_run(["/bin/sh", "-c", script]).output
    return (said if isinstance(said, bytes) else b"".join(said)).decode(errors="replace")


def _root(block_device_info: Any) -> Any:
    """The volume that the server boots from, None if it has a disk of its own."""
    mapped = (block_device_info or {}).get("block_device_mapping", [])
    return next((each for each in mapped if each["boot_index"] == 0), None)


def _kept(root: Any) -> str:
    """The image that holds what is on a root volume."""
    return f"{engine.place.name}-root-{_file(root['connection_info']).name}"


def _file(connection_info: Any) -> Path:
    return Path(connection_info["data"]["device_path"])


def _address(interface: Any) -> tuple[str, str]:
    """The engine's network of an interface, and the address there."""
    subnet = interface["network"]["subnets"][0]
    network = engine.ensure_network(
        interface["network"]["id"], {"cidr": subnet["cidr"], "gateway_ip": subnet["gateway"]["address"]}
    )
    return network, next(fixed["address"] for fixed in interface.fixed_ips() if fixed["version"] == 4)


def _give_addresses(context: Any, instance: Any, port: str) -> None:
    """The floating addresses that the port had before there was a server."""
    client = neutron.get_client(context, admin=True)
    for given in client.list_floatingips(port_id=port)["floatingips"]:
        network = given["floating_network_id"]
        subnet = client.list_subnets(network_id=network)["subnets"][0]
        engine.give_address(instance.uuid, network, subnet, given["floating_ip_address"])
