"""From the listings of a cloud's services to what there is. Field names are those of the OpenStack API references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any, Literal

from recettes.cloud import quota
from recettes.cloud.actual import (
    Allowance,
    CloudState,
    Flavor,
    FloatingIP,
    Image,
    Network,
    Port,
    Router,
    Rule,
    SecurityGroup,
    Server,
    Snapshot,
    Subnet,
    Volume,
)
from recettes.cloud.marks import mark_in_description, mark_in_metadata, together

Entry = Mapping[str, Any]
_ROUTER_PORTS = "network:router_interface"
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp"}
_COMPUTE = {quota.SERVERS: ("maxTotalInstances", "totalInstancesUsed"), quota.VCPUS: ("maxTotalCores", "totalCoresUsed"),
            quota.MEMORY: ("maxTotalRAMSize", "totalRAMUsed")}  # fmt: skip
_STORAGE = {quota.VOLUMES: ("maxTotalVolumes", "totalVolumesUsed"), quota.SNAPSHOTS: ("maxTotalSnapshots", "totalSnapshotsUsed"),
            quota.VOLUME_SIZE: ("maxTotalVolumeGigabytes", "totalGigabytesUsed")}  # fmt: skip
_NETWORK = {quota.NETWORKS: "network", quota.SUBNETS: "subnet", quota.ROUTERS: "router", quota.PORTS: "port",
            quota.FLOATING_IPS: "floatingip", quota.GROUPS: "security_group", quota.RULES: "security_group_rule"}  # fmt: skip


def understand(raw: Mapping[str, Any]) -> CloudState:
    """Of the project that was read, whatever else its credentials let them see. Listings may be missing.

    Raises ValueError, KeyError.
    """

    def of(listing: str) -> list[Entry]:
        return [one for one in raw.get(listing, ()) if one.get("project_id", raw["project"]) == raw["project"]]

    routed = [port for port in of("ports") if str(port.get("device_owner")).startswith(_ROUTER_PORTS)]
    return CloudState(
        flavors=tuple(_flavor(one) for one in raw.get("flavors", ())),
        images=tuple(_image(one, raw["project"]) for one in raw.get("images", ())),
        networks=tuple(_network(one, raw["project"]) for one in raw.get("networks", ())),
        subnets=tuple(_subnet(one) for one in of("subnets")),
        routers=tuple(_router(one, routed) for one in of("routers")),
        groups=tuple(_group(one) for one in of("security_groups")),
        ports=tuple(_port(one) for one in of("ports")),
        floating_ips=tuple(_floating_ip(one) for one in of("floatingips")),
        servers=tuple(_server(one) for one in raw.get("servers", ())),
        volumes=tuple(_volume(one) for one in raw.get("volumes", ())),
        snapshots=tuple(_snapshot(one) for one in raw.get("snapshots", ())),
        quota=_quota(raw),
    )


def _flavor(one: Entry) -> Flavor:
    return Flavor(one["id"], one["name"], int(one["vcpus"]), int(one["ram"]), int(one["disk"]))


def _image(one: Entry, project: str) -> Image:
    """Nova gives the properties of a server's image to all images that are made of the server: only the name is an image's own.

    Of another project's, shared with this one, none is ours.
    """
    mark = mark_in_metadata("image", one)
    ours = mark is not None and one.get("name") == mark.name and one.get("owner", project) == project
    return Image(
        id=one["id"],
        name=one.get("name") or "",
        created=one["created_at"],
        distribution=str(one.get("os_distro") or one.get("os_distribution") or ""),
        release=str(one.get("os_version") or ""),
        architecture=str(one.get("architecture") or one.get("hw_architecture") or ""),
        least_disk=max(int(one.get("min_disk") or 0), -(-int(one.get("virtual_size") or 0) // 2**30)),
        snapshot=one.get("image_type") == "snapshot" or bool(one.get("base_image_ref")),
        mark=mark if ours else None,
        together=together(one),
        status=one["status"],
    )


def _network(one: Entry, project: str) -> Network:
    """One that another project shares carries the mark of that project's estate, if any."""
    external = bool(one.get("router:external"))
    mark = mark_in_description(one.get("description")) if one.get("project_id", project) == project else None
    return Network(one["id"], one["name"], mark, external, tuple(one["subnets"]))


def _subnet(one: Entry) -> Subnet:
    return Subnet(one["id"], one["name"], mark_in_description(one.get("description")), one["network_id"], one["cidr"])


def _router(one: Entry, ports: Sequence[Entry]) -> Router:
    subnets = [fixed["subnet_id"] for port in ports if port["device_id"] == one["id"] for fixed in port["fixed_ips"]]
    external = (one.get("external_gateway_info") or {}).get("network_id") or ""
    return Router(one["id"], one["name"], mark_in_description(one.get("description")), external, tuple(subnets))


def _group(one: Entry) -> SecurityGroup:
    rules = {_rule(rule): rule["id"] for rule in one["security_group_rules"]}
    notes = {rule["id"]: rule.get("description") or "" for rule in one["security_group_rules"]}
    return SecurityGroup(one["id"], one["name"], mark_in_description(one.get("description")), rules, notes)


def _rule(one: Entry) -> Rule:
    version: Literal[4, 6] = 6 if one["ethertype"] == "IPv6" else 4
    prefix = str(ip_network(one["remote_ip_prefix"], strict=False)) if one.get("remote_ip_prefix") else ""
    everybody = prefix in ("0.0.0.0/0", "::/0")
    protocol = str(one.get("protocol") or "").lower()
    return Rule(
        one["direction"],
        version,
        _PROTOCOLS.get(protocol, "" if protocol in ("any", "0") else protocol),
        int(one.get("port_range_min") or 0),
        int(one.get("port_range_max") or 0),
        one.get("remote_group_id") or one.get("remote_address_group_id") or ("" if everybody else prefix),
    )


def _port(one: Entry) -> Port:
    return Port(
        id=one["id"],
        name=one["name"],
        mark=mark_in_description(one.get("description")),
        network=one["network_id"],
        device=one.get("device_id") or "",
        owner=one.get("device_owner") or "",
        addresses=tuple(fixed["ip_address"] for fixed in one["fixed_ips"]),
        subnets=tuple(fixed["subnet_id"] for fixed in one["fixed_ips"]),
        groups=frozenset(one.get("security_groups") or ()),
        guarded=bool(one.get("port_security_enabled", True)),
    )


def _floating_ip(one: Entry) -> FloatingIP:
    address = one["floating_ip_address"]
    mark = mark_in_description(one.get("description"))
    return FloatingIP(one["id"], address, mark, address, one["floating_network_id"], one.get("port_id") or "")


def _server(one: Entry) -> Server:
    metadata = one.get("metadata") or {}
    flavor = one["flavor"]
    return Server(
        id=one["id"],
        name=one["name"],
        mark=mark_in_metadata("server", metadata),
        status=one["status"],
        task=one.get("OS-EXT-STS:task_state") or "",
        # A cloud that does not tell is taken at its word: a server that ran is never made anew.
        launched=bool(one.get("OS-SRV-USG:launched_at", True)),
        flavor=flavor.get("id") or flavor.get("original_name") or "",
        metadata=metadata,
        fault=str((one.get("fault") or {}).get("message") or "")[:300],
    )


def _volume(one: Entry) -> Volume:
    metadata = one.get("metadata") or {}
    servers = tuple(attachment["server_id"] for attachment in one["attachments"] if attachment.get("server_id"))
    mark = mark_in_metadata("volume", metadata)
    source = one.get("snapshot_id") or ""
    return Volume(one["id"], one.get("name") or "", mark, int(one["size"]), one["status"], servers, metadata, source)


def _snapshot(one: Entry) -> Snapshot:
    metadata = one.get("metadata") or {}
    return Snapshot(
        id=one["id"],
        name=one.get("name") or "",
        mark=mark_in_metadata("snapshot", metadata),
        volume=one["volume_id"],
        size=int(one["size"]),
        status=one["status"],
        created=one["created_at"],
        together=together(metadata),
    )


def _quota(raw: Mapping[str, Any]) -> dict[str, Allowance]:
    found: dict[str, Allowance] = {}
    for listing, words in (("compute", _COMPUTE), ("storage", _STORAGE)):
        absolute = (raw.get(listing) or {}).get("limits", {}).get("absolute", {})
        for what, (limit, used) in words.items():
            if limit in absolute:
                found[what] = _allowance(absolute[limit], absolute.get(used, 0))
    told = (raw.get("network") or {}).get("quota", {})
    for what, word in _NETWORK.items():
        if isinstance(told.get(word), dict):
            # What is reserved is being made at this moment.
            found[what] = _allowance(told[word]["limit"], int(told[word]["used"]) + int(told[word].get("reserved", 0)))
    return found


def _allowance(limit: Any, used: Any) -> Allowance:
    return Allowance(None if int(limit) < 0 else int(limit), int(used))
