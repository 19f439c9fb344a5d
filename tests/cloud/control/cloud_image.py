"""An image whose servers run: the project's own bare machine with cloud-init, as a cloud's Debian image has it."""

from __future__ import annotations

from docker import DockerClient

from recettes.containers.image import image

IMAGE_PROPERTY = "container_image"  # of an image in glance: what the engine calls it
SEED = "/var/lib/cloud/seed/config_drive"
_PACKAGES = ("cloud-init", "e2fsprogs")
# Line by line: what of cloud-init finds the data source reads YAML with sed.
_SETTINGS = """datasource_list: [ConfigDrive]
network: {config: disabled}  # the engine has given the addresses
apt: {preserve_sources_list: true}  # how this computer reaches its mirror holds for its machines
growpart: {mode: "off"}
resize_rootfs: false
"""
_HOOKS = (
    f"""cat >"$1"/etc/cloud/cloud.cfg.d/90-container.cfg <<'EOF'\n{_SETTINGS}EOF""",
    # As in a cloud's image: empty, so that each machine makes its own and no first boot is made of it.
    ': >"$1"/etc/machine-id',
)


def cloud_image(client: DockerClient) -> str:
    """Name of the image, built if the engine has none of this recipe (a minute)."""
    return image(client, packages=_PACKAGES, hooks=_HOOKS)
