"""Who gets in for a while: nobody but the administrators, or somebody at one address until a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address

from recettes.cloud import quota
from recettes.cloud.actual import Rule, SecurityGroup, found
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.life.power import keep
from recettes.cloud.marks import KEPT, QUARANTINED, SSH_WINDOW, kept
from recettes.cloud.plan_machines import plan_port, strange_ports
from recettes.cloud.plan_network import UNTIL, arguments, plan_groups
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.flows import SSH_PORT
from recettes.estate import GROUPS

LONGEST = 24 * 3600  # seconds; who needs longer is an administrator, and declares the network


def plan_quarantine(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """All flows of a machine are shut but the administrators'; with the option `end`, they are opened again.

    Whatever else may be wrong with the declared cloud, flavours or quota, does not keep a machine from being shut off.
    """
    server = draft.server(asked.name)
    machine = next((one for one in wanted.machines if one.name == asked.name), None)
    if server is None:
        return
    if machine is None and "end" in asked.options:
        draft.refusals.append(f"machine {asked.name} is not declared, or its day has passed: what to open again is not known")
        return
    words = kept(server.metadata)
    words = words - {QUARANTINED} if "end" in asked.options else words | {QUARANTINED}
    noted = keep(draft, server, words)
    changed = replace(server, metadata={**server.metadata, KEPT: ",".join(sorted(words))})
    draft.state = replace(draft.state, servers=tuple(changed if one is server else one for one in draft.state.servers))
    for name in wanted.rules:
        draft.have(draft.state.groups, "group", name)
    # A jump through web, where there is such a group.
    shut = frozenset(rule for rule in wanted.quarantine if rule.remote not in GROUPS or f"group/{rule.remote}" in draft.ids)
    plan_groups(draft, replace(wanted, rules=wanted.rules if "end" in asked.options else {}, quarantine=shut))
    plan_port(draft, asked.name, machine.groups if machine else ())
    if "end" not in asked.options:
        draft.obstacles += [f"{other}: it is not shut" for other in strange_ports(draft, asked.name, server)]
    draft.steps = [
        replace(step, needs=(*step.needs, noted)) if step.mark.kind == "port" and noted else step
        for step in draft.steps
        if step.action != "empty"
    ]


def plan_window(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """SSH from one `address` `until` a time; both are options."""
    group = _group_of(draft, wanted, asked.name)
    if group is None:
        return
    address, until = ip_address(asked.options["address"]), datetime.fromisoformat(asked.options["until"])
    if not 0 < (until - wanted.now).total_seconds() <= LONGEST:
        draft.refusals.append(f"{until} is not within the next {LONGEST // 3600} hours")
        return
    server = draft.server(asked.name)
    told = f"{address} {until.isoformat(timespec='minutes')}"
    if server and server.mark and server.metadata.get(SSH_WINDOW) != told:
        before = server.metadata.get(SSH_WINDOW, "")
        if before and not _is_over(before, wanted.now) and not before.startswith(f"{address} "):
            draft.notes.append(f"the machine itself lets in one address for a while: {before.partition(' ')[0]} not any more")
        draft.step("label", server.mark, wanted=f"SSH from {address} until {until:%H:%M} UTC", metadata={SSH_WINDOW: told})
    rule = Rule("ingress", 4 if address.version == 4 else 6, "tcp", SSH_PORT, SSH_PORT, f"{address}/{address.max_prefixlen}")
    mark = draft.mark("group", group.mark.item if group.mark else "")
    note = f"{UNTIL} {until.isoformat(timespec='minutes')}"
    last = ""
    if id_ := group.rules.get(rule):
        there = group.notes.get(id_, "")
        if there == note or not there.startswith(f"{UNTIL} "):
            return  # open so long already, or for good
        last = draft.step("close", mark, wanted=there, detail=str(rule), rule=id_)
    else:
        draft.needed[quota.RULES] += 1
    draft.step("open", mark, last, wanted=note, detail=str(rule), **arguments(rule), remote_prefix=rule.remote, description=note)


def plan_window_end(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """Rules for a while are closed: those whose time is over, or with the option `all`, every one; not what is declared since."""
    for group in draft.state.groups:
        if group.mark and group.mark.estate == draft.estate:
            draft.ids[f"group/{group.mark.item}"] = group.id
            declared = wanted.rules.get(group.mark.item, frozenset())
            for rule, id_, until in windows(group):
                if rule not in declared and ("all" in asked.options or until <= wanted.now):
                    draft.step("close", group.mark, wanted=f"it was open {group.notes[id_]}", detail=str(rule), rule=id_)
    for server in draft.state.servers:
        note = server.metadata.get(SSH_WINDOW, "")
        if note and server.mark and server.mark.estate == draft.estate and ("all" in asked.options or _is_over(note, wanted.now)):
            draft.ids[f"server/{server.mark.item}"] = server.id
            draft.step("label", server.mark, wanted="SSH for nobody for a while", metadata={SSH_WINDOW: ""})


def _is_over(note: str, now: datetime) -> bool:
    """What is no note of ours is over, too: the machine does nothing of it."""
    try:
        return datetime.fromisoformat(note.partition(" ")[2]) <= now
    except (ValueError, TypeError):
        return True


def windows(group: SecurityGroup) -> Iterator[tuple[Rule, str, datetime]]:
    """The rules of a group that are for a while, with their ids."""
    for rule, id_ in sorted(group.rules.items()):
        word, _, until = group.notes.get(id_, "").partition(" ")
        if word == UNTIL:
            try:
                moment = datetime.fromisoformat(until)
            except ValueError:
                continue
            if moment.tzinfo:
                yield rule, id_, moment


def _group_of(draft: LifeDraft, wanted: WantedCloud, name: str) -> SecurityGroup | None:
    """The security group of the machine's first type, refused where nobody could come in by it."""
    server = draft.server(name)
    if server is None:
        return None
    machine = next((one for one in wanted.machines if one.name == name), None)
    front = ", ".join(sorted(wanted.floating_ips))
    if machine is None or name not in wanted.floating_ips:
        draft.refusals.append(f"{name} has no floating IP and is reached through another machine: open SSH to {front}")
    elif QUARANTINED in kept(server.metadata):
        draft.refusals.append(f"{name} is in quarantine: only the administrators' declared networks get in")
    else:
        port = found(draft.state.ports, draft.mark("port", name))
        for type_ in machine.groups:
            group = found(draft.state.groups, draft.mark("group", type_))
            if group is not None and (port is None or group.id in port.groups):
                draft.ids[f"group/{type_}"] = group.id
                return group
        draft.refusals.append(f"{name} is in no security group of the estate: a run of deploys/cloud.py puts it there first")
    return None
