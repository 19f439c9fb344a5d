"""Stands in for cinder's storage: every volume and every snapshot is a sparse file in one folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from cinder import interface
from cinder.volume import configuration, driver
from oslo_config import cfg

GIB = 1 << 30
_OPTIONS = [cfg.StrOpt("volumes_folder", help="where the files are")]
cfg.CONF.register_opts(_OPTIONS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class Volumes(driver.VolumeDriver):
    VERSION = "1.0"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(_OPTIONS)
        self.folder = Path(self.configuration.volumes_folder)

    @staticmethod
    def get_driver_options() -> list[Any]:
        return _OPTIONS

    def check_for_setup_error(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def local_path(self, volume: Any) -> str:
        return str(self._volume(volume))

    def create_volume(self, volume: Any) -> None:
        with self._volume(volume).open("wb") as file:
            file.truncate(volume["size"] * GIB)

    def delete_volume(self, volume: Any) -> None:
        self._volume(volume).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        os.truncate(self._volume(volume), new_size * GIB)

    def create_snapshot(self, snapshot: Any) -> None:
        _copy(self._volume(snapshot.volume), self._snapshot(snapshot))

    def delete_snapshot(self, snapshot: Any) -> None:
        self._snapshot(snapshot).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        _copy(self._snapshot(snapshot), self._volume(volume), volume["size"])

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        _copy(self._volume(src_vref), self._volume(volume), volume["size"])

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: Any, image_service: Any
    ) -> tuple[dict[str, Any], bool]:
        with self._volume(volume).open("wb") as file:
            image_service.download(context, image_meta["id"], file)
        _at_least(self._volume(volume), volume["size"])
        return {}, True

    def copy_image_to_volume(self, context: Any, volume: Any, image_service: Any, image_id: str, **_: Any) -> None:
        self.clone_image(context, volume, None, {"id": image_id}, image_service)

    def copy_volume_to_image(self, context: Any, volume: Any, image_service: Any, image_meta: Any) -> None:
        with self._volume(volume).open("rb") as file:
            image_service.update(context, image_meta["id"], {}, file)

    def ensure_export(self, context: Any, volume: Any) -> None:
        pass

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        pass

    def remove_export(self, context: Any, volume: Any) -> None:
        pass

    def initialize_connection(self, volume: Any, connector: Any) -> dict[str, Any]:
        return {
            "driver_volume_type": "local",
            "data": {"device_path": self.local_path(volume), "access_mode": "rw"},
        }

    def terminate_connection(self, volume: Any, connector: Any, **_: Any) -> None:
        pass

    def _update_volume_stats(self) -> None:
        name = self.configuration.volume_backend_name
        pool = {
            "pool_name": name,
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
            "provisioned_capacity_gb": 0,
            "reserved_percentage": 0,
            "QoS_support": False,
            "multiattach": False,
        }
        self._stats = {
            "volume_backend_name": name,
            "vendor_name": "stand-in",
            "driver_version": self.VERSION,
            "storage_protocol": "local",
            "pools": [pool],
        }

    def _volume(self, volume: Any) -> Path:
        return self.folder / f"volume-{volume['id']}"

    def _snapshot(self, snapshot: Any) -> Path:
        return self.folder / f"snapshot-{snapshot['id']}"


def _copy(source: Path, target: Path, gib: int = 0) -> None:
    subprocess.run(("cp", "--sparse=always", "--reflink=auto", source, target), check=True)
    _at_least(target, gib)


def _at_least(file: Path, gib: int) -> None:
    if file.stat().st_size < gib * GIB:
        os.truncate(file, gib * GIB)
