"""What is in every new control plane: the catalogue and the services' account; then flavours and images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import openstack
from openstack.connection import Connection
from openstack.identity.v3._proxy import Proxy as Identity

from tests.cloud.control.place import ADMIN, REGION, SERVICE, SERVICES, Place

# Name -> vCPU, MB of memory, GB of disk: as on the clouds of the Alliance, where p flavours have no disk of their own.
FLAVOURS = {
    "p1-2gb": (1, 2048, 0),
    "p2-3gb": (2, 3072, 0),
    "p2-4gb": (2, 4096, 0),
    "p4-8gb": (4, 8192, 0),
    "p8-16gb": (8, 16384, 0),
    "c2-7.5gb-31": (2, 7680, 31),
    "c8-30gb-186": (8, 30720, 186),
}
# Name -> distribution, release. Two of Debian 13, made in this order: the second is to be preferred, and was made in the same
# second, as glance tells times.
IMAGES = {
    "Debian-12.8.0-Bookworm-x64-2024-11": ("debian", "12"),
    "Debian-13.0.0-Trixie-x64-2025-08": ("debian", "13"),
    "Debian-13.2.0-Trixie-x64-2026-01": ("debian", "13"),
    "Ubuntu-24.04-Noble-x64-2026-02": ("ubuntu", "24.04"),
}


def administrator(place: Place) -> Connection:
    """A connection of the cloud's own administrator."""
    return connection(place, user=ADMIN, password=ADMIN, project=ADMIN)


def connection(place: Place, *, user: str, password: str, project: str) -> Connection:
    return openstack.connect(
        auth_url=place.endpoint("keystone"),
        username=user,
        password=password,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
        load_yaml_config=False,
        load_envvars=False,
    )


def identity_of(cloud: Connection) -> Identity:
    """Keystone speaks the third version of its interface, which the connection cannot know."""
    return cast(Identity, cloud.identity)


def seed(place: Place) -> None:
    """With keystone alone running."""
    with administrator(place) as admin:
        identity = identity_of(admin)
        for name, (kind, _) in SERVICES.items():
            if name == "keystone":
                continue
            service = identity.create_service(name=name, type=kind)
            for interface in ("public", "internal"):
                identity.create_endpoint(service_id=service.id, interface=interface, region_id=REGION, url=place.endpoint(name))
        project = identity.create_project(name=SERVICE, domain_id="default")
        user = identity.create_user(name=SERVICE, password=SERVICE, domain_id="default", default_project_id=project.id)
        for role in identity.roles():
            if role.name in ("admin", "service"):
                identity.assign_project_role_to_user(project, user, role)


def furnish(place: Place) -> None:
    """With all services running."""
    with administrator(place) as admin, ThreadPoolExecutor(2) as together:
        for done in [together.submit(make, admin) for make in (_flavours, _images)]:
            done.result()


def _flavours(admin: Connection) -> None:
    for name, (cores, memory, disk) in FLAVOURS.items():
        admin.compute.create_flavor(name=name, vcpus=cores, ram=memory, disk=disk)


def _images(admin: Connection) -> None:
    for name, (distribution, release) in IMAGES.items():
        admin.image.create_image(
            name,
            data=b"nothing boots from this",
            disk_format="raw",
            container_format="bare",
            visibility="public",
            os_distro=distribution,
            os_version=release,
            wait=True,
        )
