"""Snapshots of a machine: its system and its data volumes, of one moment, under one label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from recettes.cloud import quota
from recettes.cloud.actual import CloudState, Image, Server, Volume
from recettes.cloud.life import names
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.life.power import RUNNING
from recettes.cloud.life.quiet import units_of
from recettes.cloud.marks import GROUPS, STOPPED, Mark, kept
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import root_volume


@dataclass(frozen=True)
class Taken:
    """Of one volume; or, with a server's name, of a system on its flavour's own disk. `together` as marks.TOGETHER."""

    item: str
    label: str
    size: int
    status: str
    image: bool = False
    together: str = ""

    @property
    def moment(self) -> datetime:
        return names.moment(self.label)


def taken(state: CloudState, estate: str) -> list[Taken]:
    """All snapshots of the estate, the oldest first."""
    found = []
    for snapshot in state.snapshots:
        if snapshot.mark and snapshot.mark.estate == estate and (parts := names.of_snapshot(snapshot.mark.item)):
            found.append(Taken(*parts, snapshot.size, snapshot.status, together=snapshot.together))
    for image in state.images:
        if image.mark and image.mark.estate == estate and (parts := names.of_snapshot(image.mark.item)):
            status = "available" if image.status == "active" else image.status
            found.append(Taken(*parts, image.least_disk, status, image=True, together=image.together))
    return sorted(found, key=lambda one: (one.label, one.item))


def renamed(state: CloudState, wanted: WantedCloud) -> CloudState:
    """What was taken of a machine or volume while it had another name is called by the one that it has now."""
    there = {thing.mark for thing in (*state.servers, *state.volumes)}
    new = {(one.formerly, "server"): one.name for one in wanted.machines}
    new |= {(root_volume(one.formerly), "volume"): root_volume(one.name) for one in wanted.machines if one.formerly}
    new |= {(one.formerly, "volume"): one.name for one in wanted.volumes}
    by_item = {old: name for (old, kind), name in new.items() if old and Mark(wanted.estate, kind, old) not in there}

    def of(mark: Mark | None) -> Mark | None:
        parts = names.of_snapshot(mark.item) if mark and mark.estate == wanted.estate else None
        if mark is None or parts is None or parts[0] not in by_item:
            return mark
        return Mark(mark.estate, mark.kind, names.snapshot(by_item[parts[0]], parts[1]))

    return replace(
        state,
        snapshots=tuple(replace(one, mark=of(one.mark)) for one in state.snapshots),
        images=tuple(replace(one, mark=of(one.mark)) for one in state.images),
    )


def part_of(one: Taken, found: Iterable[Taken]) -> str:
    """ "1 of 3" where not all is there that was to be taken with it: that was cut off, or some of it was deleted. Else ""."""
    number = int(one.together.rpartition(" ")[2] or 0)
    there = sum((other.label, other.together) == (one.label, one.together) for other in found)
    return f"{there} of {number}" if there < number else ""


def image_taken(images: Iterable[Image], mark: Mark) -> Image | None:
    return next((image for image in images if image.mark == mark), None)


def attached(draft: LifeDraft, server: Server) -> dict[str, Volume]:
    """The estate's volumes that the server has, by name."""
    return {
        volume.mark.item: volume
        for volume in draft.state.volumes
        if volume.mark and volume.mark.estate == draft.estate and server.id in volume.servers
    }


def has_own_disk(draft: LifeDraft, server: Server) -> bool:
    """A system that is on no volume is on the flavour's disk, also where nobody can tell any more that it has one."""
    assert server.mark
    flavor = draft.flavor_of(server)
    return root_volume(server.mark.item) not in attached(draft, server) and (flavor is None or flavor.disk > 0)


def plan_snapshot(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """One step takes all, so that all are of one moment. Options: `label`, and `stopped` to stop the machine meanwhile."""
    server = draft.server(asked.name)
    if server is None or not draft.steady(server):
        return
    if server.status not in (RUNNING, "SHUTOFF"):
        draft.refusals.append(f"server {asked.name} is in state {server.status}; one that runs or is stopped can be taken")
        return
    label, stopped = asked.options["label"], "stopped" in asked.options
    volumes = attached(draft, server)
    if bad := [f"{item} is {one.status}" for item, one in volumes.items() if one.status != "in-use"]:
        draft.refusals.append(f"of server {asked.name}, volume {', '.join(bad)}: nothing can be taken of it")
        return
    if all(Mark(draft.estate, "snapshot", names.snapshot(item, label)) in _marks(draft) for item in volumes) and volumes:
        return
    _note_parts(draft, asked.name)
    own_disk = has_own_disk(draft, server)
    draft.needed[quota.SNAPSHOTS] += len(volumes)
    draft.needed[quota.VOLUME_SIZE] += sum(volume.size for volume in volumes.values())
    places = {one.name: one.mount for one in (*wanted.volumes, *wanted.idle_volumes)}
    mounts = sorted(places[item] for item in volumes if item in places)
    for item in sorted(volumes.keys() - places.keys() - {root_volume(asked.name)}):
        draft.notes.append(
            f"volume {item} is not declared, so nobody knows where it is mounted: it does not stand still meanwhile"
        )
    units = units_of(server.metadata.get(GROUPS, "").split(","))
    how = _how(server, units, mounts, stopped=stopped)
    shown = ", ".join([*sorted(volumes), *(["its own disk"] if own_disk else [])])
    draft.step(
        "snapshot",
        draft.mark("server", asked.name),
        wanted=f"{shown}; {how}",
        detail=label,
        label=label,
        volumes={item: volume.id for item, volume in sorted(volumes.items())},
        disk=own_disk,
        running=server.status == RUNNING,
        stopped=stopped,
        # Stopped by an earlier try, it is started as any run would.
        goes_on=server.status == RUNNING or (stopped and STOPPED not in kept(server.metadata)),
        units=units,
        mounts=mounts,
    )


def _note_parts(draft: LifeDraft, machine: str) -> None:
    """An earlier try that was cut off counts in the quota, and is good for nothing."""
    there = [one for one in taken(draft.state, draft.estate) if one.together.rpartition(" ")[0] == machine]
    for label in sorted({one.label for one in there if part_of(one, there)}):
        draft.notes.append(f"snapshot {label} is incomplete: bin/cloud drop-snapshot {machine} --from {label}")


def plan_drop(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """All of one label is deleted: of a machine, or of one volume. Option: `label`."""
    label = asked.options["label"]
    items = {one.name for one in wanted.volumes if one.machine == asked.name} | {asked.name, root_volume(asked.name)}
    for one in taken(draft.state, draft.estate):
        # Of a machine whose day has passed, or that is not declared any more, only the note says what was taken with it.
        if one.label == label and (one.item in items or one.together.rpartition(" ")[0] == asked.name):
            mark = draft.mark("image" if one.image else "snapshot", names.snapshot(one.item, label))
            things = draft.state.images if one.image else draft.state.snapshots
            draft.ids[f"{mark.kind}/{mark.item}"] = next(thing.id for thing in things if thing.mark == mark)
            draft.step("delete", mark, wanted=f"{one.size} GB")
    if not draft.steps:
        draft.refusals.append(f"there is no snapshot {label} of {asked.name}; bin/cloud snapshots lists them")


def _marks(draft: LifeDraft) -> set[Mark | None]:
    return {snapshot.mark for snapshot in draft.state.snapshots}


def _how(server: Server, units: Iterable[str], mounts: Iterable[str], *, stopped: bool) -> str:
    if server.status != RUNNING:
        return "it is stopped already"
    if stopped:
        return "it is stopped meanwhile"
    still = [*(f"{unit} stopped" for unit in units), *(f"{mount} standing still" for mount in mounts)]
    return f"meanwhile {', '.join(still) or 'nothing is stopped: it has no data volume'}"
