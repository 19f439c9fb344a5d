"""Projects whose servers run: with an image that the hypervisor's stand-in makes containers of."""

from __future__ import annotations

from recettes.containers.engine import engine
from tests.cloud.control.cloud_image import IMAGE_PROPERTY, cloud_image
from tests.cloud.project import Project

IMAGE = "Debian-13.4.0-Trixie-x64-2026-09"  # the newest, and the project's own


def let_servers_run(project: Project) -> None:
    """From now on servers from the newest image of Debian 13 are machines that boot, configure themselves and answer SSH."""
    project.member.image.create_image(
        IMAGE,
        data=b"what boots is at the engine",
        disk_format="raw",
        container_format="bare",
        properties={"os_distro": "debian", "os_version": "13", IMAGE_PROPERTY: cloud_image(engine())},
        wait=True,
    )


def delete_servers(project: Project) -> None:
    """And wait until their containers are gone."""
    compute = project.member.compute
    servers = list(compute.servers(details=False))
    for server in servers:
        compute.delete_server(server)
    for server in servers:
        compute.wait_for_delete(server, interval=0.2)
