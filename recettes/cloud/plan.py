"""From what there is in the cloud to what the estate wants."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from recettes.cloud import quota
from recettes.cloud.actual import CloudState, Thing
from recettes.cloud.draft import CloudPlan, Draft
from recettes.cloud.leftovers import deletions, plan_leftovers
from recettes.cloud.marks import Mark
from recettes.cloud.plan_machines import plan_machines
from recettes.cloud.plan_network import plan_groups, plan_network
from recettes.cloud.steps import Step
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import root_volume

T = TypeVar("T", bound=Thing)
# With the estate's name: all that carries its mark is deleted, declared or not. The end of an estate, and of no other by mistake.
EVERYTHING = "everything"


def plan_cloud(state: CloudState, wanted: WantedCloud, purge: Collection[str] = ()) -> CloudPlan:
    """Exact: a run does just these steps. `purge` names what is to be deleted, as "volume:old", and nothing else is done then."""
    if doubles := twice(state, wanted.estate):
        return CloudPlan(refusals=tuple(doubles))
    if everything(wanted.estate) in purge:
        draft = Draft(wanted.estate, state)
        deletions(draft, [thing.mark for thing in state.marked(wanted.estate) if thing.mark])
        for image in state.images:
            if image.mark and image.mark.estate == wanted.estate:
                draft.ids[f"image/{image.mark.item}"] = image.id
                draft.step("delete", image.mark, wanted="a snapshot")
        return draft.plan()
    state, renames = _renamed(state, wanted)
    draft = Draft(wanted.estate, state)
    if purge:  # it may be what makes room for the rest, which must not keep it from being done
        plan_leftovers(draft, wanted, purge)
        return draft.plan()
    draft.steps += renames
    plan_network(draft, wanted)
    if not draft.refusals:
        plan_groups(draft, wanted)
        plan_machines(draft, wanted)
        plan_leftovers(draft, wanted, purge)
    draft.refusals += quota.too_much(draft.needed, state.quota)
    if any(draft.needed.values()):
        draft.notes.insert(0, quota.told(+draft.needed, state.quota))
    return draft.plan()


def everything(estate: str) -> str:
    """The word for all of it, among those that are to be purged."""
    return f"{EVERYTHING}:{estate}"


def twice(state: CloudState, estate: str) -> list[str]:
    by_mark: defaultdict[Mark, list[str]] = defaultdict(list)
    for thing in state.marked(estate):
        if thing.mark:
            by_mark[thing.mark].append(thing.id)
    return [
        f"{len(ids)} carry the tag of {mark} of estate {estate}: {', '.join(sorted(ids))}. "
        f"Take it from all but one: {_untag(mark)}"
        for mark, ids in sorted(by_mark.items())
        if len(ids) > 1
    ]


def _untag(mark: Mark) -> str:
    if mark.kind in ("server", "volume", "snapshot"):
        return f"openstack {'volume snapshot' if mark.kind == 'snapshot' else mark.kind} unset --property recettes-item ID"
    return "change its description"


def _renamed(state: CloudState, wanted: WantedCloud) -> tuple[CloudState, list[Step]]:
    """What had another name is the same thing: the state as it is after the renaming, and the steps that rename."""
    names: dict[Mark, Mark] = {}
    there = Counter(thing.mark for thing in state.marked(wanted.estate))
    for machine in wanted.machines:
        if machine.formerly:
            for kind in ("server", "port", "floating-ip"):
                names[Mark(wanted.estate, kind, machine.formerly)] = Mark(wanted.estate, kind, machine.name)
            root, new_root = root_volume(machine.formerly), root_volume(machine.name)
            names[Mark(wanted.estate, "volume", root)] = Mark(wanted.estate, "volume", new_root)
    for volume in wanted.volumes:
        if volume.formerly:
            names[Mark(wanted.estate, "volume", volume.formerly)] = Mark(wanted.estate, "volume", volume.name)
    names = {old: new for old, new in names.items() if old in there and new not in there}

    def of(things: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(replace(one, mark=names.get(one.mark, one.mark) if one.mark else None) for one in things)

    new_state = replace(
        state, servers=of(state.servers), ports=of(state.ports), floating_ips=of(state.floating_ips), volumes=of(state.volumes)
    )
    ids = {thing.mark: thing.id for thing in state.things()}
    return new_state, [Step("rename", old, (), {"id": ids[old], "to": new.item}, f"to {new.item}") for old, new in names.items()]
