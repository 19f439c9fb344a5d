"""The estate's network, router and security groups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from recettes.cloud import quota
from recettes.cloud.actual import Rule, SecurityGroup
from recettes.cloud.choosing import ChoiceError, choose_external, choose_network
from recettes.cloud.draft import Draft
from recettes.cloud.groups import OUT
from recettes.cloud.marks import QUARANTINED, kept
from recettes.cloud.steps import reference
from recettes.cloud.wanted import WantedCloud
from recettes.estate import GROUPS

PRIVATE = "private"
# The group of a machine that is shut off from all but the administrators.
QUARANTINE = "quarantine"
DEFAULT_GROUP = "default"
# The description of a rule for a while: "until 2026-11-23T15:00+00:00".
UNTIL = "until"


def plan_network(draft: Draft, wanted: WantedCloud) -> None:
    """The private network, its subnet and its router; or those that the cloud gave."""
    try:
        external = choose_external(draft.state.networks, wanted.external)
        draft.ids["network/external"] = external.id
        if wanted.network is not None:
            draft.ids[f"network/{PRIVATE}"] = choose_network(draft.state.networks, wanted.network).id
            return
    except ChoiceError as error:
        draft.refusals.append(str(error))
        return
    state = draft.state
    network = draft.mark("network", PRIVATE)
    if draft.have(state.networks, "network", PRIVATE) is None:
        draft.step("create", network, wanted=network.name, takes={quota.NETWORKS: 1})
    subnet = draft.mark("subnet", PRIVATE)
    actual = draft.have(state.subnets, "subnet", PRIVATE)
    if actual is None:
        if network in draft.blocked:
            draft.blocked.add(subnet)
        made = draft.making("network", PRIVATE)
        to = reference("network", PRIVATE)
        draft.step("create", subnet, made, wanted=wanted.private, takes={quota.SUBNETS: 1}, network=to, cidr=wanted.private)
    elif actual.cidr != wanted.private:
        draft.notes.append(
            f"subnet {PRIVATE} is {actual.cidr}; {wanted.private} is declared, and a network in use is not changed"
        )
    _plan_router(draft)


def _plan_router(draft: Draft) -> None:
    router = draft.mark("router", PRIVATE)
    actual = draft.have(draft.state.routers, "router", PRIVATE)
    if actual is None:
        external = reference("network", "external")
        draft.step("create", router, wanted="to the external network", takes={quota.ROUTERS: 1}, external=external)
    elif actual.external != draft.ids["network/external"]:
        draft.step("open", router, wanted="to the external network", external=reference("network", "external"))
    if (actual is None or draft.ids.get(f"subnet/{PRIVATE}") not in actual.subnets) and not draft.is_blocked(("subnet", PRIVATE)):
        draft.step(
            "join",
            router,
            draft.making("router", PRIVATE),
            draft.making("subnet", PRIVATE),
            wanted="the private network",
            takes={quota.PORTS: 1},
            subnet=reference("subnet", PRIVATE),
        )


def plan_groups(draft: Draft, wanted: WantedCloud) -> None:
    """A security group for each machine type, with just the rules that the flows make; and none in the default group."""
    all_rules = dict(wanted.rules)
    ours = [server for server in draft.state.servers if server.mark and server.mark.estate == draft.estate]
    if any(QUARANTINED in kept(server.metadata) for server in ours):
        all_rules[QUARANTINE] = wanted.quarantine
    for name in all_rules:
        draft.have(draft.state.groups, "group", name)
    for name, rules in all_rules.items():
        if f"group/{name}" not in draft.ids:
            first = sorted(OUT & rules)
            draft.step(
                "create",
                draft.mark("group", name),
                wanted=f"for machines of {name}",
                takes={quota.GROUPS: 1, quota.RULES: len(first)},
                rules=[arguments(rule) for rule in first],
            )
    groups = {group.id: group for group in draft.state.groups}
    for name, rules in all_rules.items():
        _plan_rules(draft, name, groups.get(draft.ids.get(f"group/{name}", "")), rules, wanted.now)
    _plan_default(draft)


def _for_now(group: SecurityGroup, now: datetime) -> set[Rule]:
    """The rules that say themselves until when they are, and are still."""
    kept = set()
    for rule, id_ in group.rules.items():
        word, _, until = group.notes.get(id_, "").partition(" ")
        try:
            if word == UNTIL and datetime.fromisoformat(until) > now:
                kept.add(rule)
        except (ValueError, TypeError):
            continue  # not a time with its zone: a rule like any other
    return kept


def _plan_rules(draft: Draft, name: str, actual: SecurityGroup | None, wanted: frozenset[Rule], now: datetime) -> None:
    mark = draft.mark("group", name)
    names = _ours(draft)
    is_there = {_named(rule, names): id_ for rule, id_ in actual.rules.items()} if actual else dict.fromkeys(OUT & wanted, "")
    kept = _for_now(actual, now) if actual else set()
    # Each rule that goes makes room for one that comes.
    room = [
        draft.step("close", mark, detail=str(rule), rule=is_there[rule])
        for rule in sorted(is_there.keys() - wanted - {_named(rule, names) for rule in kept})
    ]
    for rule in sorted(wanted - is_there.keys()):
        remote = draft.mark("group", rule.remote) if rule.remote in GROUPS else None
        if remote in draft.blocked:
            continue
        takes = {} if room else {quota.RULES: 1}
        needs = (draft.making("group", name), draft.making("group", rule.remote) if remote else "", room.pop(0) if room else "")
        to = {"remote_group": reference("group", rule.remote)} if remote else {"remote_prefix": rule.remote}
        draft.step("open", mark, *needs, detail=str(rule), takes=takes, **arguments(rule), **to)


def _ours(draft: Draft) -> dict[str, str]:
    """By id, the machine types of the estate's groups."""
    return {group.id: group.mark.item for group in draft.state.groups if group.mark and group.mark.estate == draft.estate}


def _named(rule: Rule, names: dict[str, str]) -> Rule:
    """With the name of a group of ours as remote, as flows have it."""
    return Rule(rule.direction, rule.version, rule.protocol, rule.first, rule.last, names.get(rule.remote, rule.remote))


def arguments(rule: Rule) -> dict[str, Any]:
    return {
        "direction": rule.direction,
        "version": rule.version,
        "protocol": rule.protocol,
        "first": rule.first,
        "last": rule.last,
    }


def _plan_default(draft: Draft) -> None:
    """Whatever is in the default group would be open on every machine that somebody makes without saying otherwise."""
    default = next((group for group in draft.state.groups if group.name == DEFAULT_GROUP and group.mark is None), None)
    if default is None or not default.rules:
        return
    ours = {port.id for port in draft.state.ports if port.mark and port.mark.estate == draft.estate}
    others = [port for port in draft.state.ports if default.id in port.groups and port.id not in ours]
    if others:
        draft.notes.append(
            f"the project's default security group has {len(default.rules)} rules; it was left so, as {len(others)} "
            "network ports that are not this estate's are in it"
        )
        return
    draft.step(
        "empty", draft.mark("group", DEFAULT_GROUP), wanted=f"{len(default.rules)} rules", rules=sorted(default.rules.values())
    )
