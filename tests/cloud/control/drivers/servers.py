"""Stands in for nova's hypervisor: servers that are only said to run, and fail where a test wants them to."""

from __future__ import annotations

import io
import time
from typing import Any, ClassVar

from nova.image import glance
from nova.virt import fake

from tests.cloud.control.place import place_of_this_service
from tests.cloud.control.trouble import ATTACHING, SPAWNING, troubled

_place = place_of_this_service()


class Servers(fake.FakeDriverWithoutFakeNodes):
    """Upstream's driver for its own tests, with snapshots that have content."""

    capabilities: ClassVar = {**fake.FakeDriver.capabilities, "supports_migrate_to_same_host": True}

    def spawn(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        if troubled(_place, SPAWNING, instance.project_id, instance.display_name):
            raise RuntimeError("the hypervisor has no space left")
        super().spawn(context, instance, *args, **kwargs)

    def attach_volume(self, context: Any, connection_info: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        while troubled(_place, ATTACHING, instance.project_id, instance.display_name):
            time.sleep(0.1)
        super().attach_volume(context, connection_info, instance, *args, **kwargs)

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        super().snapshot(context, instance, image_id, update_task_state)
        about = {"disk_format": "raw", "container_format": "bare", "properties": {"instance_uuid": instance.uuid}}
        content = io.BytesIO(f"snapshot of {instance.uuid}".encode())
        glance.API().update(context, image_id, about, content, purge_props=False)
