"""A project on the control plane as a lab gets it: a quota, a member's application credential in clouds.yaml, nothing else."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import yaml
from openstack.connection import Connection
from openstack.network.v2.subnet import Subnet

from recettes.durable import locked
from tests.cloud.control.catalogue import administrator, connection, identity_of
from tests.cloud.control.place import REGION, Place

CLOUD = "lab"
PROJECT_SECONDS = 120.0
EXTERNAL = "external"  # the name of the network that a project sees as the way out
_OUTSIDE = list(IPv4Network("198.18.0.0/15").subnets(new_prefix=24))  # RFC 2544: for tests, and routed by nobody
# Quota by name -> the service that keeps it.
_COMPUTE = ("cores", "instances", "ram")
_VOLUMES = ("gigabytes", "snapshots", "volumes")
_NETWORK = ("floating_ips", "networks", "ports", "routers", "security_group_rules", "security_groups", "subnets")


@dataclass(frozen=True)
class Project:
    """`member` is what the application credential may do; `admin` is the cloud's administrator, for what a test arranges."""

    name: str
    id: str
    place: Place
    folder: Path
    external: Subnet = field(repr=False)
    member: Connection = field(repr=False)
    admin: Connection = field(repr=False)

    @property
    def clouds(self) -> Path:
        """clouds.yaml, whose one cloud is called CLOUD."""
        return self.folder / "clouds.yaml"

    def environment(self, clouds: Path | None = None) -> dict[str, str]:
        """For a command run as the project's member; `clouds` may be that of a proxy."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return {**others, "OS_CLOUD": CLOUD, "OS_CLIENT_CONFIG_FILE": str(clouds or self.clouds)}

    def quota(self, **limits: int) -> None:
        """Set limits; -1 is none. Names as nova, cinder and neutron (in its new spelling) have them; ram in MB."""
        for names, change in (
            (_COMPUTE, self.admin.set_compute_quotas),
            (_VOLUMES, self.admin.set_volume_quotas),
            (_NETWORK, self._network_quotas),
        ):
            if mine := {name: limits.pop(name) for name in names if name in limits}:
                change(self.id, **mine)
        if limits:
            raise ValueError(f"no such quota: {', '.join(limits)}")

    def free_addresses(self, number: int) -> None:
        """From now on the external network has just so many addresses left, for routers and floating ones together."""
        network = self.admin.network
        ports = network.ports(network_id=self.external.network_id)
        taken = {fixed["ip_address"] for port in ports for fixed in port.fixed_ips}
        if not taken:
            ours = network.create_port(network_id=self.external.network_id)
            taken = {fixed["ip_address"] for fixed in ours.fixed_ips}
        addresses = [str(address) for address in list(IPv4Network(self.external.cidr).hosts())[1:]]  # the first: gateway
        free = [address for address in addresses if address not in taken][:number]
        pools = [{"start": address, "end": address} for address in free or sorted(taken)[:1]]  # no pool is the default one
        network.update_subnet(self.external, allocation_pools=pools)

    def _network_quotas(self, project: str, **limits: int) -> None:
        self.admin.network.update_quota(project, **limits)


def make_project(place: Place, folder: Path) -> Project:
    """A project with one member, whose application credential goes to clouds.yaml in the folder."""
    # Of roles that are given and looked at in the same moment, keystone's cache forgets one.
    with locked(place.folder / "project.lock", PROJECT_SECONDS):
        return _make_project(place, folder)


def _make_project(place: Place, folder: Path) -> Project:
    name = f"lab-{secrets.token_hex(4)}"
    admin = administrator(place)
    identity = identity_of(admin)
    project = identity.create_project(name=name, domain_id="default")
    password = secrets.token_hex(8)
    user = identity.create_user(name=name, password=password, domain_id="default", default_project_id=project.id)
    member = identity.find_role("member", ignore_missing=False)
    identity.assign_project_role_to_user(project, user, member)
    with connection(place, user=name, password=password, project=name) as person:
        credential = identity_of(person).create_application_credential(user.id, "recettes")
    auth = {
        "auth_url": place.endpoint("keystone"),
        "application_credential_id": credential.id,
        "application_credential_secret": credential.secret,
    }
    cloud = {"auth_type": "v3applicationcredential", "auth": auth, "region_name": REGION, "interface": "public"}
    external = _way_out(admin, project.id)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "clouds.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump({"clouds": {CLOUD: cloud}}))
    return Project(name, project.id, place, folder, external, connect(file), admin)


def _way_out(admin: Connection, project: str) -> Subnet:
    """An external network that this project alone sees, so that no test is in another's way."""
    network = admin.network.create_network(name=EXTERNAL, provider_network_type="flat", provider_physical_network=project)
    admin.network.create_rbac_policy(
        object_type="network", object_id=network.id, action="access_as_external", target_project_id=project
    )
    taken = {subnet.cidr for subnet in admin.network.subnets(name=EXTERNAL)}  # two could not both be the engine's
    cidr = secrets.choice([each for each in _OUTSIDE if str(each) not in taken])
    return admin.network.create_subnet(name=EXTERNAL, network_id=network.id, ip_version=4, cidr=str(cidr), is_dhcp_enabled=False)


def connect(clouds: Path) -> Connection:
    """As whoever reads that clouds.yaml."""
    from openstack.config import OpenStackConfig

    config = OpenStackConfig(config_files=[str(clouds)], load_envvars=False).get_one(CLOUD)
    return Connection(config=config)
