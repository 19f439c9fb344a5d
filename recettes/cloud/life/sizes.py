"""A machine gets the flavour that is declared for it, a volume the size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recettes.cloud import quota
from recettes.cloud.actual import Flavor, Server, Volume, found
from recettes.cloud.choosing import ChoiceError, choose_flavor
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.life.power import RUNNING
from recettes.cloud.marks import STOPPED, kept
from recettes.cloud.steps import reference
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import root_volume

# Metadata of a volume whose file system has still to grow: extending, and that, are two things, and either may be cut off.
GROW = "recettes-grow"
_HALF_WAY = "VERIFY_RESIZE"  # moved, and not yet said to be good


def plan_resize(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """To the flavour that is declared. The machine is stopped for it, by the cloud."""
    server = draft.server(asked.name)
    machine = next((one for one in wanted.machines if one.name == asked.name), None)
    if server is None or not draft.steady(server):
        return
    if machine is None:
        draft.refusals.append(f"machine {asked.name} is not declared, so nothing says which flavour it is to have")
        return
    mark = draft.mark("server", asked.name)
    try:
        flavor = choose_flavor(draft.state.flavors, machine.flavour, root=machine.root, lasting=machine.until is None)
    except ChoiceError as error:
        draft.refusals.append(f"machine {asked.name}: {error}")
        return
    current = draft.flavor_of(server)
    if server.status == _HALF_WAY:
        draft.step("confirm", mark, wanted=f"{server.flavor}; a resize was interrupted")
        return
    if current == flavor:
        return
    on_its_own_disk = found(draft.state.volumes, draft.mark("volume", root_volume(asked.name))) is None
    if server.status not in (RUNNING, "SHUTOFF"):
        draft.refusals.append(
            f"server {asked.name} is in state {server.status}; one that runs or is stopped gets another flavour"
        )
    elif current is not None and flavor.disk < current.disk and on_its_own_disk:
        draft.refusals.append(
            f"the system of {asked.name} lies on the disk of {current.name}, {current.disk} GB, and {flavor.name} has "
            f"{f'{flavor.disk} GB' if flavor.disk else 'none'}: bin/cloud rebuild {asked.name} makes it anew, data volumes kept"
        )
    else:
        _need(draft, current, flavor)
        draft.step("resize", mark, wanted=f"{current.name if current else server.flavor} to {flavor.name}", to=flavor.id)


def _need(draft: LifeDraft, current: Flavor | None, flavor: Flavor) -> None:
    """Only what is more; the old flavour counts until the end, but the quota is for the difference."""
    draft.needed[quota.VCPUS] += max(flavor.vcpus - (current.vcpus if current else 0), 0)
    draft.needed[quota.MEMORY] += max(flavor.memory - (current.memory if current else 0), 0)


def plan_extend(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """A volume gets the size that is declared, and then its file system, while it is in use; or, `stopped`, while it is not."""
    volume = draft.volume(asked.name)
    if volume is None:
        return
    declared = {one.name: (one.size, one.machine, one.mount) for one in wanted.volumes}
    declared |= {root_volume(one.name): (one.root, one.name, "/") for one in wanted.machines}
    if asked.name not in declared:
        draft.refusals.append(f"volume {asked.name} is not declared, so nothing says which size it is to have")
        return
    size, machine, mount = declared[asked.name]
    if size < volume.size:
        draft.refusals.append(f"volume {asked.name} has {volume.size} GB, and {size} GB are declared: no volume is made smaller")
    elif volume.status not in ("available", "in-use"):
        draft.refusals.append(f"volume {asked.name} is in state {volume.status}; one that is in use or free can be extended")
    elif volume.servers and (server := draft.server(machine)) and server.id != volume.servers[0]:
        draft.refusals.append(f"volume {asked.name} is attached to another machine than {machine}")
    else:
        _extend(draft, volume, size, machine, mount, stopped="stopped" in asked.options)


def _extend(draft: LifeDraft, volume: Volume, size: int, machine: str, mount: str, *, stopped: bool) -> None:
    mark = draft.mark("volume", volume.mark.item if volume.mark else "")
    holder = next((one for one in draft.state.servers if one.id in volume.servers), None)
    # Where an earlier try was cut off, the machine has let go of it already.
    server = holder or (found(draft.state.servers, draft.mark("server", machine)) if stopped and mount != "/" else None)
    last: tuple[str, ...] = ()
    if size > volume.size:
        if holder is not None and stopped:
            if mount == "/":
                draft.refusals.append(f"{mark} holds the system of {machine}, and is never taken from it: without --stopped")
                return
            last = apart(draft, holder, {mark.item: volume})
        draft.needed[quota.VOLUME_SIZE] += size - volume.size
        online = holder is not None and not stopped
        last = (draft.step("extend", mark, *last, wanted=f"{volume.size} GB to {size} GB", size=size, online=online),)
    if server is not None and stopped and (last or holder is None):
        draft.ids[f"server/{machine}"] = server.id
        last = together(draft, server, [mark.item], *last)
    if size == volume.size and not volume.metadata.get(GROW):
        return
    if server is not None and _runs_then(draft, server):
        draft.step("grow", mark, *last, wanted=f"the file system at {machine}:{mount}", machine=machine, mount=mount)
    else:
        draft.notes.append(f"the file system of volume {mark.item} grows when this is asked again while {machine} runs")


def _runs_then(draft: LifeDraft, server: Server) -> bool:
    """After the steps so far."""
    asked = [step.action for step in draft.steps if step.mark == server.mark and step.action in ("stop", "start")]
    return asked[-1] == "start" if asked else server.status == RUNNING


def apart(draft: LifeDraft, server: Server, volumes: Mapping[str, Volume], *before: str) -> tuple[str, ...]:
    """The machine is stopped and lets go of the volumes; the keys of the steps to wait for."""
    assert server.mark
    if server.status == RUNNING:
        before = (draft.step("stop", server.mark, *before, wanted="until the end"),)
    detached = [
        draft.step("detach", draft.mark("volume", item), *before, wanted=f"from {server.mark.item}", server=server.id)
        for item, volume in volumes.items()
        if server.id in volume.servers
    ]
    return (*before, *detached)


def together(draft: LifeDraft, server: Server, volumes: Iterable[str], *before: str) -> tuple[str, ...]:
    """And the way back; the machine runs again unless it is to be stopped, also where all this was cut off before."""
    assert server.mark
    to = reference("server", server.mark.item)
    keys = [
        draft.step("attach", draft.mark("volume", item), *before, wanted=f"to {server.mark.item}", server=to) for item in volumes
    ]
    if STOPPED not in kept(server.metadata) and not _runs_then(draft, server):
        keys.append(draft.step("start", server.mark, *keys, wanted="again"))
    return tuple(keys)
