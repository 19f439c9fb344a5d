"""An image whose servers run: the project's own bare machine with cloud-init, as a cloud's Debian image has it."""

from __future__ import annotations

import json

from docker import DockerClient

from recettes.containers.image import image

IMAGE_PROPERTY = "container_image"  # of an image in glance: what the engine calls it
SEED = "/var/lib/cloud/seed/config_drive"
_PACKAGES = ("cloud-init", "e2fsprogs")
_FILE = "/etc/cloud/cloud.cfg.d/90-container.cfg"
_SETTINGS = {
    "datasource_list": ["ConfigDrive"],
    "network": {"config": "disabled"},  # the engine has given the addresses
    "apt": {"preserve_sources_list": True},  # how this computer reaches its mirror holds for its machines
    "growpart": {"mode": "off"},
    "resize_rootfs": False,
}


def cloud_image(client: DockerClient) -> str:
    """Name of the image, built if the engine has none of this recipe (a minute)."""
    hook = f"""printf '%s\\n' '{json.dumps(_SETTINGS)}' > "$1"{_FILE}"""
    return image(client, packages=_PACKAGES, hooks=(hook,))
