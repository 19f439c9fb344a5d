"""What carries the estate's mark and is not declared. Nothing that may hold data, or an address, goes without being named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

from recettes.cloud.actual import Server, Snapshot, Thing, Volume, found
from recettes.cloud.draft import Draft
from recettes.cloud.life.names import becomes
from recettes.cloud.marks import Mark
from recettes.cloud.plan_machines import AWAKE
from recettes.cloud.plan_network import PRIVATE, QUARANTINE
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import root_volume

# In this order they can be deleted; what is not here goes with something else, or by itself.
PURGED = ("server", "snapshot", "volume", "floating-ip", "port", "group", "router", "subnet", "network")


def plan_leftovers(draft: Draft, wanted: WantedCloud, purge: Collection[str]) -> None:
    declared = _declared(draft, wanted)
    left = {thing.mark: thing for thing in draft.state.marked(draft.estate) if thing.mark and thing.mark not in declared}
    named = _named(draft, purge, left, declared)
    for mark, thing in left.items():
        if mark in named or becomes(mark) in draft.blocked:  # what is half restored is finished, not purged
            continue
        if _holds_nothing(draft, thing):
            named.append(mark)
        elif mark.kind in ("port", "group", "snapshot"):
            continue  # in use by something that is named here itself; snapshots are taken by command and listed by one
        elif mark.kind == "server" and mark.item in wanted.ended:
            draft.notes.append(f"{mark} ended on {wanted.ended[mark.item]}: {_how(mark)}")
        else:
            draft.notes.append(f"{mark} is left over: {_shown(thing)}not declared, and kept. To delete it: {_how(mark)}")
    for mark in named:
        server = left[mark]
        if isinstance(server, Server) and server.status == "ACTIVE":  # its volumes stay: what it has in memory is written first
            draft.ids[f"server/{mark.item}"] = server.id
            draft.step("stop", mark, wanted="in order")
    deletions(draft, named)


def deletions(draft: Draft, marks: Collection[Mark]) -> None:
    """Steps that delete these things, each after those that hold it."""
    things = {thing.mark: thing for thing in draft.state.things()}
    marks = sorted(marks, key=lambda mark: PURGED.index(mark.kind))
    holders = {mark: [other for other in marks if _holds(things[other], things[mark])] for mark in marks}
    for mark in TopologicalSorter(holders).static_order():
        thing = things[mark]
        draft.ids[f"{mark.kind}/{mark.item}"] = thing.id
        before = [
            step.key
            for step in draft.steps
            if (step.action == "delete" and step.mark in holders[mark]) or (step.action == "stop" and step.mark == mark)
        ]
        if mark.kind == "router":
            subnets = list(next(router.subnets for router in draft.state.routers if router.id == thing.id))
            draft.step("delete", mark, *before, wanted=thing.name, subnets=subnets)
        else:
            draft.step("delete", mark, *before, wanted=_size(thing))


def _holds(other: Thing, thing: Thing) -> bool:
    """Whether the other has to go first. Of many a storage, a snapshot lives as long as volumes that were made from it."""
    if isinstance(thing, Snapshot) and isinstance(other, Volume):
        return other.source == thing.id
    if isinstance(thing, Volume) and isinstance(other, Snapshot):
        return other.volume == thing.id
    assert other.mark
    assert thing.mark
    return PURGED.index(other.mark.kind) < PURGED.index(thing.mark.kind)


def _declared(draft: Draft, wanted: WantedCloud) -> set[Mark]:
    pairs = [("server", one.name) for one in wanted.machines] + [("port", one.name) for one in wanted.machines]
    pairs += [("volume", root_volume(one.name)) for one in wanted.machines if not _has_another_disk(draft, one.name)]
    pairs += [("volume", one.name) for one in (*wanted.volumes, *wanted.idle_volumes)]
    pairs += [("floating-ip", name) for name in wanted.floating_ips]
    pairs += [("group", name) for name in (*wanted.rules, QUARANTINE)]
    if wanted.network is None:
        pairs += [(kind, PRIVATE) for kind in ("network", "subnet", "router")]
    return {draft.mark(*pair) for pair in pairs}


def _has_another_disk(draft: Draft, machine: str) -> bool:
    """Whether its system lies on its flavour's own disk now: then a volume for it is one of before."""
    server = found(draft.state.servers, draft.mark("server", machine))
    root = found(draft.state.volumes, draft.mark("volume", root_volume(machine)))
    runs = server is not None and server.status in ("ACTIVE", *AWAKE)
    return runs and root is not None and not root.servers


def _named(draft: Draft, purge: Collection[str], left: Mapping[Mark, Thing], declared: set[Mark]) -> list[Mark]:
    """What is to be deleted, of what may be."""
    named = []
    for word in sorted(purge):
        kind, _, item = word.partition(":")
        mark = draft.mark(kind, item)
        if mark in declared:
            draft.refusals.append(f"{mark} is declared: take it out there first, then purge it. Nothing was deleted")
        elif mark not in left:
            known = ", ".join(f"{one.kind}:{one.item}" for one in left) or "nothing"
            draft.refusals.append(f"there is no {word} to purge; left over is {known}. Nothing was deleted")
        elif why := _in_use(draft, left[mark], purge):
            draft.refusals.append(f"{mark} {why}. Nothing was deleted")
        else:
            named.append(mark)
            if kind == "server" and (port := draft.mark("port", item)) in left:
                named.append(port)  # it held the server's address, and nothing else
    return list(dict.fromkeys(named))


def _in_use(draft: Draft, thing: Thing, purge: Collection[str]) -> str | None:
    if thing.mark and thing.mark.kind in ("network", "subnet", "router"):
        return _connects(draft, purge)
    if not isinstance(thing, Volume):
        return None
    servers = {server.id: server for server in draft.state.servers}
    for id_ in thing.servers:
        holder = servers.get(id_)
        if holder is None or holder.mark is None or f"server:{holder.mark.item}" not in purge:
            return f"is attached to {holder.name if holder else id_}: purge that as well, or detach the volume"
    for snapshot in draft.state.snapshots:
        if snapshot.volume == thing.id and (snapshot.mark is None or f"snapshot:{snapshot.mark.item}" not in purge):
            how = f"purge snapshot:{snapshot.mark.item} as well" if snapshot.mark else "delete that first"
            return f"has the snapshot {snapshot.name}: {how}"
    return None


def _connects(draft: Draft, purge: Collection[str]) -> str | None:
    """Whether machines that stay are on the private network: they would lose their way out, and who comes in by it."""
    network = found(draft.state.networks, draft.mark("network", PRIVATE))
    there = {port.mark.item for port in draft.state.ports if port.mark and network and port.network == network.id}
    if stay := sorted(item for item in there if f"server:{item}" not in purge):
        return f"still connects {', '.join(stay)}: purge server:{stay[0]} and so on as well"
    return None


def _holds_nothing(draft: Draft, thing: Thing) -> bool:
    """A port that no server has, a group that no port is in."""
    if not thing.mark:
        return False
    if thing.mark.kind == "port":
        return any(port.id == thing.id and not port.device for port in draft.state.ports) and not any(
            address.port == thing.id for address in draft.state.floating_ips
        )
    return thing.mark.kind == "group" and not any(thing.id in port.groups for port in draft.state.ports)


def _how(mark: Mark) -> str:
    return f"bin/cloud purge {mark.kind}:{mark.item}"


def _shown(thing: Thing) -> str:
    size = _size(thing)
    return f"{size}, " if size else ""


def _size(thing: Thing) -> str:
    if isinstance(thing, Volume):
        return f"{thing.size} GB"
    return thing.status if isinstance(thing, Server) else ""
