"""A volume, or a whole machine, as it was in a snapshot; and a machine made anew on its kept data volumes.

What is replaced is kept, under another name, until it is purged by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from recettes.cloud import quota
from recettes.cloud.actual import CloudState, Server, Snapshot, Volume, found
from recettes.cloud.choosing import ChoiceError, choose_flavor, choose_image
from recettes.cloud.life import names
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.life.power import RUNNING
from recettes.cloud.life.sizes import apart, together
from recettes.cloud.life.snapshots import has_own_disk, image_taken, part_of, taken
from recettes.cloud.marks import QUARANTINED, RESTORES, STOPPED, Mark, kept
from recettes.cloud.plan import plan_cloud
from recettes.cloud.steps import Step, reference
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import root_volume

# Of the quota, what making a machine takes. Rules of security groups are for any run to mend.
_TAKEN = (
    quota.SERVERS, quota.VCPUS, quota.MEMORY, quota.VOLUMES, quota.VOLUME_SIZE, quota.GROUPS, quota.PORTS, quota.FLOATING_IPS,
)  # fmt: skip


def plan_restore(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """`name` is a machine, with all that its snapshot has, or one data volume. Options: `label` (the newest), `now`."""
    machines = {one.name: one for one in wanted.machines}
    roots = {root_volume(name) for name in machines}
    if asked.name in machines:
        items = [one.name for one in wanted.volumes if one.machine == asked.name] + [root_volume(asked.name), asked.name]
        machine = asked.name
    elif asked.name in roots:
        draft.refusals.append(f"{asked.name} holds a system: restore its machine, {asked.name.removesuffix('-root')}")
        return
    else:
        items = [asked.name]
        machine = next((one.machine for one in wanted.volumes if one.name == asked.name), "")
    if not machine:
        draft.refusals.append(f"there is no machine or volume {asked.name} declared; {', '.join(sorted(machines))} are machines")
        return
    all_taken = taken(draft.state, draft.estate)
    there = [one for one in all_taken if one.item in items]
    # Of one volume, a part is enough; of a machine, it would be a mixture of two moments.
    parts = {one.label: part for one in there if asked.name in machines and (part := part_of(one, all_taken))}
    label = asked.options.get("label") or max((one.label for one in there if one.label not in parts), default="")
    if label in parts:
        draft.refusals.append(
            f"snapshot {label} of {asked.name} is incomplete, {parts[label]}: what is there can be restored volume by volume"
        )
        return
    chosen = {one.item: one for one in there if one.label == label}
    if not chosen:
        labels = ", ".join(sorted({one.label for one in there})) or "none"
        draft.refusals.append(f"there is no snapshot {label or 'of'} {asked.name}; there is {labels}")
        return
    if bad := [f"{item} is {one.status}" for item, one in chosen.items() if one.status != "available"]:
        draft.refusals.append(f"snapshot {label}: {', '.join(bad)}")
        return
    snapshots = {
        item: snapshot
        for item in chosen
        if (snapshot := found(draft.state.snapshots, draft.mark("snapshot", names.snapshot(item, label))))
    }
    _Exchange(draft, wanted, machine, asked, label).restore(snapshots)


def plan_rebuild(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """The system is made anew from the image; data volumes, address and name stay. Option: `now`."""
    if asked.name not in {one.name for one in wanted.machines}:
        draft.refusals.append(f"machine {asked.name} is not declared")
        return
    _Exchange(draft, wanted, asked.name, asked).rebuild()


class _Exchange:
    """Volumes of one machine, and perhaps its server, for others."""

    def __init__(self, draft: LifeDraft, wanted: WantedCloud, machine: str, asked: Asked, label: str = "") -> None:
        self.draft, self.wanted, self.machine, self.label = draft, wanted, machine, label
        self.asked, self.now = asked.name, asked.options["now"]
        self.server = found(draft.state.servers, draft.mark("server", machine))
        if self.server:
            draft.ids[f"server/{machine}"] = self.server.id

    def restore(self, snapshots: Mapping[str, Snapshot]) -> None:
        draft, root = self.draft, root_volume(self.machine)
        if not self._may(system=root in snapshots):
            return
        if root in snapshots and self._needs_no_volume():
            draft.refusals.append(
                f"the flavour declared for {self.machine} has a disk of its own, and the snapshot's system is a volume: "
                f"declare the flavour that the machine had, then restore"
            )
            return
        made = [self._made(item, snapshot) for item, snapshot in snapshots.items()]
        if root in snapshots:
            gone = self._server_gone(*made)
            self._renewed({item: self._exchanged(item, *made, *gone) for item in snapshots})
            return
        if self.server is None:
            draft.refusals.append(f"machine {self.machine} is not there: a run of deploys/cloud.py makes it first")
            return
        # Of one volume that is asked for, the machine's system is no part.
        disk = image_taken(draft.state.images, draft.mark("image", names.snapshot(self.asked, self.label)))
        if disk is not None and not has_own_disk(draft, self.server):
            draft.refusals.append(
                f"the system of {self.machine} lies on a volume, and the snapshot's is of a flavour's own disk: declare the "
                f"flavour that the machine had, bin/cloud rebuild {self.machine}, then restore"
            )
            return
        if disk is not None and not snapshots:
            self._from_image(disk.id, f"as of {self.label}")
            return
        old = {item: one for item in snapshots if (one := found(draft.state.volumes, draft.mark("volume", item)))}
        draft.ids |= {f"volume/{item}": volume.id for item, volume in old.items()}
        free = apart(draft, self.server, old, *made)
        if disk is not None:  # stopped and without its volumes: the old system is never started on data newer than it
            free = (*free, self._from_image(disk.id, f"as of {self.label}", *made, *free))
        exchanged = [self._exchanged(item, *made, *free) for item in snapshots]
        together(draft, self.server, snapshots, *exchanged)

    def _needs_no_volume(self) -> bool:
        """Whether a server made now would have its system on its flavour's disk."""
        machine = self.wanted.machine(self.machine)
        try:
            image = choose_image(self.draft.state.images, self.wanted.image)
            flavor = choose_flavor(self.draft.state.flavors, machine.flavour, root=machine.root, lasting=machine.until is None)
        except ChoiceError:
            return False  # refused by the plan of the new server, in its own words
        return flavor.disk >= max(machine.root, image.least_disk)

    def rebuild(self) -> None:
        draft, root = self.draft, root_volume(self.machine)
        if not self._may(system=True):
            return
        volume = found(draft.state.volumes, draft.mark("volume", root))
        machine = self.wanted.machine(self.machine)
        try:
            image = choose_image(draft.state.images, self.wanted.image)
            flavor = choose_flavor(draft.state.flavors, machine.flavour, root=machine.root, lasting=machine.until is None)
        except ChoiceError as error:
            draft.refusals.append(str(error))
            return
        if self.server is not None and volume is None and flavor.disk >= max(machine.root, image.least_disk):
            self._from_image(image.id, f"from {image.name}")
            return
        gone = self._server_gone()
        aside = (self._aside(root, volume, *gone),) if volume else gone
        self._renewed({root: aside[0]} if aside else {}, new_system=True)

    def _may(self, *, system: bool) -> bool:
        if self.server is None:
            return True
        if system and QUARANTINED in kept(self.server.metadata):
            self.draft.refusals.append(
                f"{self.machine} is in quarantine and its successor would not be: first bin/cloud quarantine {self.machine} --end"
            )
            return False
        good = (RUNNING, "SHUTOFF", "ERROR") if system else (RUNNING, "SHUTOFF")
        if self.server.status not in good:
            self.draft.refusals.append(f"server {self.machine} is in state {self.server.status}; it can be {' or '.join(good)}")
            return False
        return self.draft.steady(self.server)

    def _made(self, item: str, snapshot: Snapshot) -> str:
        """The volume from the snapshot, under a name of its own at first; there already, where a restore was cut off."""
        draft = self.draft
        mark = draft.mark("volume", names.on_its_way(item, self.label))
        if (begun := found(draft.state.volumes, mark)) is not None:
            draft.ids[f"volume/{mark.item}"] = begun.id
            if begun.status not in ("creating", "available"):
                draft.refusals.append(
                    f"{mark}, of an earlier try, is in state {begun.status}: bin/cloud purge volume:{mark.item}"
                )
            return draft.step("await", mark, wanted="it is made already") if begun.status == "creating" else ""
        draft.needed[quota.VOLUMES] += 1
        draft.needed[quota.VOLUME_SIZE] += snapshot.size
        return draft.step(
            "restore",
            mark,
            wanted=f"{snapshot.size} GB, from its snapshot",
            size=snapshot.size,
            snapshot=snapshot.id,
            metadata={**mark.metadata, RESTORES: self.asked},
        )

    def _exchanged(self, item: str, *before: str) -> str:
        """The old one gives the name away, then the new one takes it. In between there is none, see names.unfinished."""
        draft = self.draft
        old = found(draft.state.volumes, draft.mark("volume", item))
        if old is not None:
            before = (*before, self._aside(item, old, *before))
        new = names.on_its_way(item, self.label)
        return draft.step("rename", draft.mark("volume", new), *before, detail=f"to {item}", id=reference("volume", new), to=item)

    def _aside(self, item: str, volume: Volume, *before: str) -> str:
        to = names.aside(item, self.now)
        return self.draft.step(
            "rename", self.draft.mark("volume", item), *before, wanted="kept", detail=f"to {to}", id=volume.id, to=to
        )

    def _from_image(self, image: str, shown: str, *before: str) -> str:
        """Of a machine whose system lies on its flavour's own disk: what is on it is lost. Nova stops it in order for that."""
        mark = self.draft.mark("server", self.machine)
        return self.draft.step("rebuild", mark, *before, wanted=f"its own disk {shown}; what is on it now is lost", image=image)

    def _server_gone(self, *before: str) -> tuple[str, ...]:
        """The server goes, and its own disk where it has one; its volumes and its port, which has the address, do not."""
        if self.server is None:
            return ()
        lost = has_own_disk(self.draft, self.server)
        if STOPPED in kept(self.server.metadata):
            self.draft.notes.append(
                f"{self.machine} was stopped; the server made anew runs. To stop it: bin/cloud stop {self.machine}"
            )
        mark = self.draft.mark("server", self.machine)
        # To be deleted is to have one's power cut: what a database had not written by then would be lost on the kept volumes.
        if self.server.status == RUNNING:
            before = (*before, self.draft.step("stop", mark, *before, wanted="in order"))
        shown = "its volumes and its address are kept" + ("; what is on its own disk is lost" if lost else "")
        return (self.draft.step("delete", mark, *before, wanted=shown),)

    def _renewed(self, last: Mapping[str, str], *, new_system: bool = False) -> None:
        """The rest is what any run would do, of the cloud as it will be by then. `last` are keys by volume."""
        draft = self.draft
        after = _without(draft.state, self.server, [draft.mark("volume", item) for item in last], new_system=new_system)
        rest = plan_cloud(after, self._alone())
        # Once the server is gone, it is too late: here nothing goes on without what cannot be had.
        draft.refusals += [*rest.refusals, *rest.obstacles]
        steps = {step.key: step for step in rest.steps}
        ours = [step for step in rest.steps if self._is_ours(step)]
        keys = {step.key for step in ours}
        while more := {need for key in keys for need in steps[key].needs if need in steps} - keys:
            keys |= more
        needs = tuple(last.values())
        draft.steps += [replace(step, needs=(*step.needs, *needs)) for step in rest.steps if step.key in keys]
        for name, id_ in rest.ids.items():
            draft.ids.setdefault(name, id_)
        self._count(rest.needed)

    def _alone(self) -> WantedCloud:
        """What is wrong with other machines, their volumes and groups keeps none from being made anew."""
        machine = self.wanted.machine(self.machine)
        return replace(
            self.wanted,
            machines=(machine,),
            volumes=tuple(one for one in self.wanted.volumes if one.machine == self.machine),
            rules={group: self.wanted.rules[group] for group in machine.groups},
        )

    def _is_ours(self, step: Step) -> bool:
        if step.mark.kind == "volume":
            return step.action in ("create", "attach")
        return step.mark.item == self.machine and step.mark.kind in ("server", "port", "floating-ip")

    def _count(self, needed: Mapping[str, int]) -> None:
        """A server takes the place of the one that goes, and of what its flavour has, only what is more counts."""
        room: dict[str, int] = {}
        if self.server is not None:
            old = self.draft.flavor_of(self.server)
            room = {quota.SERVERS: 1, quota.VCPUS: old.vcpus if old else 0, quota.MEMORY: old.memory if old else 0}
        for what in _TAKEN:
            self.draft.needed[what] += max(needed.get(what, 0) - room.get(what, 0), 0)


def _without(state: CloudState, server: Server | None, exchanged: Collection[Mark], *, new_system: bool) -> CloudState:
    """The cloud once the server is gone and the volumes are exchanged. The new ones have no id yet; one of a new system is not
    there at all."""
    gone = server.id if server else "-"
    volumes = [
        replace(volume, servers=(), status="available" if volume.status == "in-use" else volume.status)
        if gone in volume.servers
        else volume
        for volume in state.volumes
        if volume.mark not in exchanged and names.becomes(volume.mark) not in exchanged
    ]
    if not new_system:
        volumes += [Volume("", mark.name, mark, status="available") for mark in exchanged]
    return replace(
        state,
        servers=tuple(one for one in state.servers if one.id != gone),
        ports=tuple(replace(one, device="") if one.device == gone else one for one in state.ports),
        volumes=tuple(volumes),
        quota={},  # what goes makes room, see _count
    )
