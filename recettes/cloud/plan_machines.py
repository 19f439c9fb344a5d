"""The estate's machines: ports, floating IPs, servers, volumes."""

from __future__ import annotations

from recettes.cloud import quota
from recettes.cloud.actual import Flavor, Image, Port, Server, Volume, found
from recettes.cloud.choosing import ChoiceError, choose_flavor, choose_image
from recettes.cloud.draft import Draft
from recettes.cloud.life.names import unfinished
from recettes.cloud.marks import GROUPS, HOST_KEY, QUARANTINED, RESTORES, STOPPED, kept
from recettes.cloud.plan_network import PRIVATE, QUARANTINE
from recettes.cloud.steps import reference
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import CloudMachine, CloudVolume, root_volume

# What a server that was stopped in some way is asked for, to run again.
AWAKE = {"SHUTOFF": "start", "PAUSED": "unpause", "SUSPENDED": "resume"}
_UNDER_WAY = ("BUILD", "REBUILD", "REBOOT", "HARD_REBOOT", "PASSWORD", "MIGRATING", "RESIZE", "REVERT_RESIZE")


def plan_machines(draft: Draft, wanted: WantedCloud) -> None:
    for machine in wanted.machines:
        plan_port(draft, machine.name, machine.groups)
    for machine in wanted.machines:
        _block_restores(draft, wanted, machine.name)
    for machine in wanted.machines:
        _plan_server(draft, wanted, machine)
    for machine in wanted.machines:
        if machine.name in wanted.floating_ips:
            _plan_floating_ip(draft, machine.name)
    for volume in wanted.volumes:
        _plan_volume(draft, volume)


def _block_restores(draft: Draft, wanted: WantedCloud, machine: str) -> None:
    """A restore that was cut off: an empty volume would look like the loss of all, an old one beside a new one is of two moments.

    While the machine still has the old one, nothing was exchanged, and it is as it was.
    """
    server = found(draft.state.servers, draft.mark("server", machine))
    for name in (root_volume(machine), *(one.name for one in wanted.volumes if one.machine == machine)):
        mark = draft.mark("volume", name)
        new, old = unfinished(draft.state.volumes, mark), found(draft.state.volumes, mark)
        if new is None or new.mark is None or (old and server and server.id in old.servers):
            continue
        label = new.mark.item.rpartition("-")[2]
        asked = new.metadata.get(RESTORES, name) if server else machine
        draft.obstacle(mark, f"{mark} is being restored, and that was cut off: bin/cloud restore {asked} --from {label}")
        draft.blocked.add(draft.mark("server", machine))


def _server(draft: Draft, name: str) -> Server | None:
    id_ = draft.ids.get(f"server/{name}")
    return next((server for server in draft.state.servers if server.id == id_), None)


def _port(draft: Draft, name: str) -> Port | None:
    id_ = draft.ids.get(f"port/{name}")
    return next((port for port in draft.state.ports if port.id == id_), None)


def plan_port(draft: Draft, machine: str, groups: tuple[str, ...]) -> None:
    """A port of our own: it has the address and the security groups, whatever becomes of the server."""
    mark = draft.mark("port", machine)
    actual = draft.have(draft.state.ports, "port", machine)
    server = found(draft.state.servers, draft.mark("server", machine))
    quarantined = server is not None and QUARANTINED in kept(server.metadata)
    names = (QUARANTINE,) if quarantined else groups
    if draft.is_blocked(("network", PRIVATE), ("subnet", PRIVATE), *(("group", name) for name in names)):
        draft.blocked.add(mark)
        return
    wanted = [reference("group", name) for name in names]
    needs = [draft.making("group", name) for name in names]
    if actual is None:
        needs += [draft.making("network", PRIVATE), draft.making("subnet", PRIVATE)]
        network = reference("network", PRIVATE)
        shown = f"security groups {', '.join(names)}"
        draft.step("create", mark, *needs, wanted=shown, takes={quota.PORTS: 1}, network=network, groups=wanted)
    elif not actual.guarded or actual.groups != {draft.ids.get(f"group/{name}") for name in names}:
        shown = f"security groups {', '.join(names)}" + ("" if actual.guarded else ", which hold again")
        draft.step("change", mark, *needs, wanted=shown, groups=wanted, guard=not actual.guarded)


def _plan_server(draft: Draft, wanted: WantedCloud, machine: CloudMachine) -> None:
    mark = draft.mark("server", machine.name)
    actual = draft.have(draft.state.servers, "server", machine.name)
    try:
        flavor = choose_flavor(draft.state.flavors, machine.flavour, root=machine.root, lasting=machine.until is None)
        image = choose_image(draft.state.images, wanted.image) if actual is None or _never_ran(actual) else None
    except ChoiceError as error:
        draft.refusals.append(f"machine {machine.name}: {error}")
        return
    if draft.is_blocked(("port", machine.name), ("server", machine.name)):
        draft.blocked.add(mark)
        return
    port = _port(draft, machine.name)
    other = next((one for one in draft.state.servers if port and one.id == port.device and one is not actual), None)
    if port and other:
        draft.obstacle(
            mark, f"the port of {machine.name}, {port.id}, is plugged into another server, {other.name}: it was left there"
        )
        return
    if image is not None:
        _plan_new(draft, machine, flavor, image, actual)
    elif actual is not None:
        _plan_old(draft, machine, flavor, actual)


def _never_ran(server: Server) -> bool:
    return server.status == "ERROR" and not server.launched


def _plan_new(draft: Draft, machine: CloudMachine, flavor: Flavor, image: Image, failed: Server | None) -> None:
    mark = draft.mark("server", machine.name)
    on_volume = flavor.disk < max(machine.root, image.least_disk)
    volume = root_volume(machine.name)
    if on_volume:
        size = max(machine.root, image.least_disk)
        there = draft.have(draft.state.volumes, "volume", volume)
        if other := next((one for one in there.servers if failed is None or one != failed.id), None) if there else None:
            name = next((one.name for one in draft.state.servers if one.id == other), other)
            draft.obstacle(
                mark, f"volume {volume}, the system of {machine.name}, is attached to {name}: detach it there, then run again"
            )
            return
        if there is None:
            takes, shown = {quota.VOLUMES: 1, quota.VOLUME_SIZE: size}, f"{size} GB, from {image.name}"
            draft.step("create", draft.mark("volume", volume), wanted=shown, takes=takes, size=size, image=image.id)
        if draft.is_blocked(("volume", volume)):
            draft.blocked.add(mark)
            return
    shown = f"{flavor.name}, {image.name}" + (f", {draft.mark('volume', volume)}" if on_volume else "")
    draft.step(
        "replace" if failed else "create",
        mark,
        draft.making("port", machine.name),
        draft.making("volume", volume) if on_volume else "",
        wanted=f"{shown}; it failed while it was made: {failed.fault or 'no reason was given'}" if failed else shown,
        flavor=flavor.id,
        image="" if on_volume else image.id,
        volume=reference("volume", volume) if on_volume else "",
        port=reference("port", machine.name),
        takes={} if failed else {quota.SERVERS: 1, quota.VCPUS: flavor.vcpus, quota.MEMORY: flavor.memory},
        metadata={**mark.metadata, GROUPS: ",".join(machine.groups), HOST_KEY: f"host-key/{machine.name}"},
    )


def _plan_old(draft: Draft, machine: CloudMachine, flavor: Flavor, actual: Server) -> None:
    mark = draft.mark("server", machine.name)
    asked_for = kept(actual.metadata)
    if STOPPED in asked_for and actual.status == "ACTIVE":
        how = f"bin/cloud stop {machine.name}, or bin/cloud start {machine.name} if it is to run"
        draft.notes.append(f"server {machine.name} runs, although it was asked to be stopped: {how}")
    elif asked_for:
        draft.notes.append(f"server {machine.name} is {' and '.join(sorted(asked_for))}, as it was asked for")
    if actual.task == "deleting" or actual.status in ("DELETED", "SOFT_DELETED"):
        draft.obstacle(mark, f"server {machine.name} is being deleted; once it is gone, a run makes it anew")
        return
    if actual.status in AWAKE and STOPPED not in asked_for:
        draft.step(AWAKE[actual.status], mark, wanted=f"it is {actual.status}")
    elif actual.status in _UNDER_WAY:
        draft.step("await", mark, wanted=f"it is {actual.status}")
    elif actual.status not in ("ACTIVE", *AWAKE):
        said = f": {actual.fault}" if actual.fault else ""
        draft.obstacle(mark, f"server {machine.name} is in state {actual.status}{said}. It ran before, so it was not made anew")
        return
    _plan_plug(draft, machine.name, actual)
    if actual.metadata.get(GROUPS) != ",".join(machine.groups):
        draft.step("label", mark, wanted=f"groups {', '.join(machine.groups)}", metadata={GROUPS: ",".join(machine.groups)})
    if actual.flavor not in (flavor.id, flavor.name):
        other = next((one.name for one in draft.state.flavors if actual.flavor in (one.id, one.name)), actual.flavor)
        draft.notes.append(f"server {machine.name} is {other}, and {flavor.name} is declared; a run does not stop it for that")
    root = found(draft.state.volumes, draft.mark("volume", root_volume(machine.name)))
    if root is not None and root.size < machine.root:
        how = f"it is extended by bin/cloud extend {root_volume(machine.name)}"
        draft.notes.append(f"the system of {machine.name} has {root.size} GB, and {machine.root} GB are declared: {how}")


def _plan_plug(draft: Draft, machine: str, server: Server) -> None:
    """Its own port is the server's only way to the network."""
    mark = draft.mark("server", machine)
    port = _port(draft, machine)
    for other in strange_ports(draft, machine, server):
        draft.notes.append(f"{other}: what comes by it does not go by the declared flows")
    if port is not None and port.device == server.id:
        return
    awake = next((step.key for step in draft.steps if step.mark == mark and step.action in (*AWAKE.values(), "await")), "")
    draft.step("plug", mark, draft.making("port", machine), awake, wanted="its port", port=reference("port", machine))


def strange_ports(draft: Draft, machine: str, server: Server) -> list[str]:
    """What else the server is plugged into, in words: somebody did that by hand."""
    return [
        f"server {machine} has a port that is not the estate's, {port.id} ({', '.join(port.addresses) or 'no address'}), "
        f"to be taken from it by openstack server remove port {server.id} {port.id}"
        for port in draft.state.ports
        if port.device == server.id and port.mark != draft.mark("port", machine)
    ]


def _plan_floating_ip(draft: Draft, machine: str) -> None:
    mark = draft.mark("floating-ip", machine)
    actual = draft.have(draft.state.floating_ips, "floating-ip", machine)
    if draft.is_blocked(("port", machine), ("router", PRIVATE)):
        draft.blocked.add(mark)
        return
    port = _port(draft, machine)
    # The address is given to the port: what comes by it needs the router, and no server yet.
    joined = next((step.key for step in draft.steps if step.mark == draft.mark("router", PRIVATE) and step.action == "join"), "")
    needs = (draft.making("port", machine), joined)
    if actual is not None:
        if port is None or actual.port != port.id:
            draft.step("point", mark, *needs, wanted=f"{actual.address} at {machine}", port=reference("port", machine))
        return
    given = next((one for one in draft.state.floating_ips if port and one.port == port.id and one.mark is None), None)
    if given:
        draft.ids[f"floating-ip/{machine}"] = given.id
        draft.step("adopt", mark, wanted=given.address)
        return
    network, port_id = reference("network", "external"), reference("port", machine)
    takes = {quota.FLOATING_IPS: 1}
    draft.step("create", mark, *needs, wanted=f"for {machine}", takes=takes, network=network, port=port_id)
    draft.notes.append(f"{machine} gets a new address: bin/cloud dns says which DNS records to set")


def _plan_volume(draft: Draft, volume: CloudVolume) -> None:
    mark = draft.mark("volume", volume.name)
    actual = draft.have(draft.state.volumes, "volume", volume.name)
    if mark in draft.blocked:
        return
    if actual is None:
        takes = {quota.VOLUMES: 1, quota.VOLUME_SIZE: volume.size}
        draft.step("create", mark, wanted=f"{volume.size} GB", takes=takes, size=volume.size, image="")
    elif actual.status.startswith("error"):
        draft.obstacle(
            mark, f"volume {volume.name} is in state {actual.status}. It was not touched: the cloud's people can mend it"
        )
        return
    elif actual.size != volume.size:
        how = "it is extended by bin/cloud extend" if actual.size < volume.size else "a volume is never made smaller"
        draft.notes.append(f"volume {volume.name} has {actual.size} GB, and {volume.size} GB are declared: {how}")
    if draft.is_blocked(("server", volume.machine)):
        return
    _plan_attachment(draft, volume, actual)


def _plan_attachment(draft: Draft, volume: CloudVolume, actual: Volume | None) -> None:
    server = _server(draft, volume.machine)
    others = [one for one in (actual.servers if actual else ()) if server is None or one != server.id]
    if others:
        name = next((one.name for one in draft.state.servers if one.id == others[0]), others[0])
        draft.obstacle(
            draft.mark("volume", volume.name),
            f"volume {volume.name} is attached to {name}, not to {volume.machine}. It was left there: "
            f"unmount and detach it, then run again",
        )
        return
    made = draft.making("server", volume.machine)
    if actual is None or not actual.servers or made:
        awaited = next((step.key for step in draft.steps if step.mark == draft.mark("server", volume.machine)), "")
        draft.step(
            "attach",
            draft.mark("volume", volume.name),
            draft.making("volume", volume.name),
            made or awaited,
            wanted=f"to {volume.machine}",
            server=reference("server", volume.machine),
        )
