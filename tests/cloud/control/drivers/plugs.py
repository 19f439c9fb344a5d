"""Volumes in a server that is a container: its file on a loop device of this computer, whose node is made inside."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

INSIDE = "/var/lib/hypervisor"  # where the server's folder `plugs` is seen from within
PLUG = f"{INSIDE}/plug"
_BY_ID = "/dev/disk/by-id"
_SYS_RESOURCE = 24  # linux/capability.h


def file_systems_grow() -> bool:
    """Whether this computer lets anybody resize an ext4 that is mounted: a container in which this runs may not."""
    bounding = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding.split()[1], 16) >> _SYS_RESOURCE & 1)


class Plugs:
    """What is plugged in is kept in the folder, with the script that makes the nodes: /dev is empty at every start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._list = folder / "volumes.json"

    def make(self) -> None:
        self.folder.mkdir(parents=True)
        self._write({})

    def add(self, device: str, volume: Path) -> None:
        """`device` is /dev/vdb, or another that nova chose."""
        self._write({**self._read(), device: str(volume)})

    def drop(self, volume: Path) -> str:
        """The script to run inside."""
        gone = [device for device, file in self._read().items() if file == str(volume)]
        self._write({device: file for device, file in self._read().items() if file != str(volume)})
        _release(volume)
        return f"rm -f {' '.join([*gone, _link(volume)])}"

    def grow(self, volume: Path) -> None:
        if loop := _loop(volume):
            subprocess.run(("losetup", "--set-capacity", loop), check=True)

    def clear(self) -> None:
        for volume in self._read().values():
            _release(Path(volume))

    def _read(self) -> dict[str, str]:
        return dict(json.loads(self._list.read_text()))

    def _write(self, volumes: dict[str, str]) -> None:
        lines = [f"mkdir -p {_BY_ID}"]
        for device, volume in volumes.items():
            number = Path(_loop(Path(volume)) or _take(Path(volume))).stat().st_rdev
            lines.append(f"[ -b {device} ] || mknod -m 660 {device} b {os.major(number)} {os.minor(number)}")
            lines.append(f"ln -sf {device} {_link(Path(volume))}")
        (self.folder / Path(PLUG).name).write_text("\n".join([*lines, ""]))
        self._list.write_text(json.dumps(volumes))


def _link(volume: Path) -> str:
    """A disk's serial number is as much of the volume's id as fits into 20 characters, as with KVM."""
    return f"{_BY_ID}/virtio-{volume.name.removeprefix('volume-')[:20]}"


def _loop(volume: Path) -> str:
    """The loop device of the file, empty if it has none."""
    return subprocess.run(
        ("losetup", "--noheadings", "--output", "NAME", "--associated", volume), capture_output=True, text=True, check=True
    ).stdout.strip()


def _take(volume: Path) -> str:
    return subprocess.run(("losetup", "--find", "--show", volume), capture_output=True, text=True, check=True).stdout.strip()


def _release(volume: Path) -> None:
    if loop := _loop(volume):
        subprocess.run(("losetup", "--detach", loop), check=True)
