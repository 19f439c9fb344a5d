"""From what a cloud has to what an estate wants."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

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
    Subnet,
    Volume,
)
from recettes.cloud.draft import CloudPlan
from recettes.cloud.groups import OUT
from recettes.cloud.marks import GROUPS, KEPT, Mark
from recettes.cloud.plan import plan_cloud
from recettes.cloud.steps import from_json, to_json
from recettes.cloud.wanted import WantedCloud, wanted_cloud
from recettes.declarations.cloud import Cloud, CloudMachine, CloudVolume, Needs
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SITES = Flow(source="world", to="web", port=443, why="the sites")
EDITIONS = Flow(source="web", to="xmldb", port=8984, why="the editions")
WEB = CloudMachine(name="web", groups=("web",), flavour=Needs(vcpus=2, memory=4))
XMLDB = CloudMachine(name="xmldb", groups=("xmldb",), flavour="c4")
TEXTS = CloudVolume(name="texts", machine="xmldb", size=100, mount="/srv/texts")
BARE = CloudState(
    flavors=(Flavor("f1", "p2", 2, 4096, 0), Flavor("f2", "c4", 4, 8192, 40), Flavor("f3", "p8", 8, 30720, 0)),
    images=(Image("i1", "Debian-13-x64", "2026-01-01T00:00:00Z", "debian", "13"),),
    networks=(Network("ext", "public", None, external=True),),
    groups=(SecurityGroup("sg0", "default", None, {Rule("egress", 4): "r1", Rule("ingress", 4, remote="sg0"): "r2"}),),
)


def lab(*machines: CloudMachine, volumes: tuple[CloudVolume, ...] = (TEXTS,), flows: tuple[Flow, ...] = (SITES, EDITIONS)) -> Lab:
    cloud = Cloud(machines=machines or (WEB, XMLDB), volumes=volumes)
    networks = ("192.0.2.0/24",)
    return Lab(name="L", domain="l.test", contact="a@l.test", administrator_networks=networks, flows=flows, cloud=cloud)


def wanted(lab: Lab) -> WantedCloud:
    assert lab.cloud
    return wanted_cloud(lab, lab.cloud.estates[0], NOW)


WANTED = wanted(lab())


def done(plan: CloudPlan) -> list[str]:
    return [step.key for step in plan.steps]


def mark(kind: str, item: str) -> Mark:
    return Mark("production", kind, item)


def converged() -> CloudState:
    """As the cloud is after a run of WANTED."""
    ids = {"web": "gw", "xmldb": "gx"}
    groups = tuple(
        SecurityGroup(
            ids[name],
            f"production-{name}",
            mark("group", name),
            {replace(rule, remote=ids.get(rule.remote, rule.remote)): f"{name}{n}" for n, rule in enumerate(sorted(rules))},
        )
        for name, rules in WANTED.rules.items()
    )
    labels = {one.name: {**mark("server", one.name).metadata, GROUPS: ",".join(one.groups)} for one in (WEB, XMLDB)}
    return replace(
        BARE,
        networks=(*BARE.networks, Network("n", "production-private", mark("network", "private"))),
        subnets=(Subnet("s", "production-private", mark("subnet", "private"), "n", "10.20.0.0/24"),),
        routers=(Router("r", "production-private", mark("router", "private"), "ext", ("s",)),),
        groups=(SecurityGroup("sg0", "default", None), *groups),
        ports=(
            Port("pw", "production-web", mark("port", "web"), "n", "vw", groups=frozenset({"gw"})),
            Port("px", "production-xmldb", mark("port", "xmldb"), "n", "vx", groups=frozenset({"gx"})),
        ),
        floating_ips=(FloatingIP("fw", "203.0.113.7", mark("floating-ip", "web"), "203.0.113.7", "ext", "pw"),),
        servers=(
            Server("vw", "production-web", mark("server", "web"), "ACTIVE", flavor="f1", metadata=labels["web"]),
            Server("vx", "production-xmldb", mark("server", "xmldb"), "ACTIVE", flavor="f2", metadata=labels["xmldb"]),
        ),
        volumes=(
            Volume("wr", "production-web-root", mark("volume", "web-root"), 20, "in-use", ("vw",)),
            Volume("t", "production-texts", mark("volume", "texts"), 100, "in-use", ("vx",)),
        ),
    )


def test_an_empty_project_gets_everything_in_an_order_that_can_be_done() -> None:
    plan = plan_cloud(BARE, WANTED)
    assert not plan.refusals
    assert not plan.obstacles
    keys = done(plan)
    assert "create server web" in keys
    assert "web gets a new address: bin/cloud dns says which DNS records to set" in plan.notes
    assert "create volume web-root" in keys
    assert "create volume xmldb-root" not in keys  # its flavour has a disk
    assert [key for key in keys if "floating-ip" in key] == ["create floating-ip web"]
    assert "attach volume texts" in keys
    assert "empty group default" in keys
    for step in plan.steps:
        assert set(step.needs) <= set(keys[: keys.index(step.key)])
        for value in step.arguments.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and one.startswith("@"):
                    kind, _, item = one[1:].partition("/")
                    assert f"{kind}/{item}" in plan.ids or f"create {kind} {item}" in step.needs
    assert from_json(to_json(plan.steps)) == list(plan.steps)


def test_a_cloud_as_wanted_needs_no_change() -> None:
    plan = plan_cloud(converged(), WANTED)
    assert done(plan) == []
    assert plan.obstacles == plan.notes == plan.refusals == ()


def test_security_groups_are_what_the_flows_say() -> None:
    ssh = Rule("ingress", 4, "tcp", 22, 22, "192.0.2.0/24")
    world = {Rule("ingress", version, "tcp", 443, 443) for version in (4, 6)}
    assert WANTED.rules["web"] == {*OUT, ssh, *world}
    jump = Rule("ingress", 4, "tcp", 22, 22, "web")
    assert WANTED.rules["xmldb"] == {*OUT, ssh, jump, Rule("ingress", 4, "tcp", 8984, 8984, "web")}


def test_an_edited_flow_is_one_rule_that_goes_and_one_that_comes() -> None:
    edited = wanted(lab(flows=(SITES, Flow(source="web", to="xmldb", port=8985, why="moved"))))
    keys = done(plan_cloud(converged(), edited))
    assert [key.split(": ")[0] for key in keys] == [
        "close group xmldb from web IPv4 8984/tcp",
        "open group xmldb from web IPv4 8985/tcp",
    ]


def test_a_rule_that_goes_makes_room_for_the_one_that_comes() -> None:
    edited = wanted(lab(flows=(SITES, Flow(source="web", to="xmldb", port=8985, why="moved"))))
    full = replace(converged(), quota={quota.RULES: Allowance(20, 20)})
    plan = plan_cloud(full, edited)
    assert plan.refusals == ()
    close, opening = plan.steps
    assert close.key in opening.needs
    more = wanted(lab(flows=(SITES, EDITIONS, Flow(source="web", to="xmldb", port=8985, why="also"))))
    assert plan_cloud(full, more).refusals == ("needs 1 security group rules, 0 left of 20",)


def damaged(state: CloudState, **changes: object) -> list[str]:
    return done(plan_cloud(replace(state, **changes), WANTED))  # type: ignore[arg-type]


def test_damage_by_hand_is_named() -> None:
    state = converged()
    web, xmldb = state.servers
    default, group, other = state.groups
    fewer = dict(list(group.rules.items())[1:])
    assert damaged(state, groups=(default, replace(group, rules=fewer), other)) == [f"open group web {sorted(group.rules)[0]}"]
    more = {**group.rules, Rule("ingress", 4, "tcp", 22, 22): "bad"}
    assert damaged(state, groups=(default, replace(group, rules=more), other)) == ["close group web from everywhere IPv4 22/tcp"]
    assert damaged(state, servers=(replace(web, status="SHUTOFF"), xmldb)) == ["start server web"]
    assert damaged(state, volumes=(state.volumes[0], replace(state.volumes[1], status="available", servers=()))) == [
        "attach volume texts"
    ]
    assert damaged(state, floating_ips=(replace(state.floating_ips[0], port=""),)) == ["point floating-ip web"]
    open_port = replace(state.ports[0], groups=frozenset({"sg0"}))
    assert damaged(state, ports=(open_port, state.ports[1])) == ["change port web"]
    assert damaged(state, ports=(replace(state.ports[0], guarded=False), state.ports[1])) == ["change port web"]
    assert damaged(state, routers=(replace(state.routers[0], subnets=()),)) == ["join router private"]
    assert damaged(state, groups=(BARE.groups[0], group, other)) == ["empty group default"]


def test_what_a_person_asked_for_is_left_so() -> None:
    state = converged()
    web, xmldb = state.servers
    stopped = replace(web, status="SHUTOFF", metadata={**web.metadata, KEPT: "stopped"})
    plan = plan_cloud(replace(state, servers=(stopped, xmldb)), WANTED)
    assert done(plan) == []
    assert plan.notes == ("server web is stopped, as it was asked for",)


def test_a_rule_for_a_while_stays_until_its_time() -> None:
    state = converged()
    default, group, other = state.groups
    mine = Rule("ingress", 4, "tcp", 22, 22, "198.51.100.9/32")

    def with_note(note: str) -> list[str]:
        visited = replace(group, rules={**group.rules, mine: "m"}, notes={"m": note})
        return damaged(state, groups=(default, visited, other))

    assert with_note("until 2026-05-04T13:00+00:00") == []
    for note in ("until 2026-05-04T11:00+00:00", "until noon", "until 2026-05-04T13:00", ""):
        assert with_note(note) == ["close group web from 198.51.100.9/32 IPv4 22/tcp"]


def test_a_server_that_never_ran_is_made_anew_and_one_that_ran_is_not() -> None:
    state = converged()
    web, xmldb = state.servers
    failed = replace(web, status="ERROR", launched=False, fault="No valid host")
    plan = plan_cloud(replace(state, servers=(failed, xmldb)), WANTED)
    assert done(plan) == ["replace server web"]
    assert "No valid host" in plan.steps[0].wanted
    plan = plan_cloud(replace(state, servers=(replace(failed, launched=True), xmldb)), WANTED)
    assert done(plan) == []
    assert "It ran before, so it was not made anew" in plan.obstacles[0]


def test_quota_is_counted_before_anything_is_begun() -> None:
    tight = replace(BARE, quota={quota.VCPUS: Allowance(10, 6), quota.VOLUMES: Allowance(None, 3)})
    plan = plan_cloud(tight, WANTED)
    assert plan.refusals == ("needs 6 vCPU, 4 left of 10",)
    assert plan.steps == ()
    assert "6 vCPU of 4 left" in plan.notes[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"flavors": BARE.flavors[:1]}, "machine xmldb: the cloud has no flavour called c4; it has p2"),
        ({"flavors": (Flavor("f2", "c4", 1, 1024, 40),)}, "no flavour with 2 vCPU and 4 GB"),
        ({"images": ()}, "the cloud has no image of debian 13; it has none"),
        ({"networks": ()}, "the cloud has no external network"),
        ({"networks": (*BARE.networks, Network("e2", "other", None, external=True))}, "say which, Cloud(external=…)"),
    ],
)
def test_what_the_cloud_does_not_have_is_named_with_what_it_has(change: dict[str, object], sentence: str) -> None:
    plan = plan_cloud(replace(BARE, **change), WANTED)  # type: ignore[arg-type]
    assert sentence in "; ".join(plan.refusals)
    assert plan.steps == ()


def test_two_with_one_tag_are_refused() -> None:
    state = converged()
    plan = plan_cloud(replace(state, servers=(*state.servers, replace(state.servers[0], id="copy"))), WANTED)
    assert "2 carry the tag of server web of estate production: copy, vw" in plan.refusals[0]


def test_a_taken_name_stops_what_needs_it_and_nothing_else() -> None:
    stranger = Volume("x", "production-texts", None, 5, "available")
    plan = plan_cloud(replace(BARE, volumes=(stranger,)), WANTED)
    assert "there is one of this name that the estate did not make" in plan.obstacles[0]
    assert "openstack volume set --property recettes-estate=production --property recettes-item=texts x" in plan.obstacles[0]
    assert "create server xmldb" in done(plan)
    assert not [key for key in done(plan) if "texts" in key]


def test_a_taken_name_is_told_and_takes_nothing_of_the_quota() -> None:
    stranger = Network("x", "production-private", None)
    full = {quota.NETWORKS: Allowance(1, 1), quota.PORTS: Allowance(0, 0), quota.SERVERS: Allowance(0, 0)}
    plan = plan_cloud(replace(BARE, networks=(*BARE.networks, stranger), quota=full), WANTED)
    assert plan.refusals == ()
    assert "network production-private: there is one of this name that the estate did not make" in plan.obstacles[0]
    assert "create volume texts" in done(plan)
    small = {**full, quota.VOLUMES: Allowance(0, 0)}
    refused = plan_cloud(replace(BARE, networks=(*BARE.networks, stranger), quota=small), WANTED)
    assert (refused.refusals, refused.steps) == (("needs 1 volumes, 0 left of 0",), ())
    assert refused.obstacles == plan.obstacles


def test_a_rename_is_not_a_delete() -> None:
    renamed = XMLDB.model_copy(update={"name": "texts-server", "formerly": "xmldb"})
    volume = TEXTS.model_copy(update={"machine": "texts-server", "name": "corpus", "formerly": "texts"})
    want = wanted(lab(WEB, renamed, volumes=(volume,)))
    assert done(plan_cloud(converged(), want)) == ["rename server xmldb", "rename port xmldb", "rename volume texts"]


def test_a_server_is_plugged_into_its_own_port() -> None:
    state = converged()
    out = replace(state.ports[0], device="")
    assert damaged(state, ports=(out, state.ports[1])) == ["plug server web"]
    gone = plan_cloud(replace(state, ports=state.ports[1:]), WANTED)
    assert done(gone) == ["create port web", "plug server web", "point floating-ip web"]
    assert gone.steps[1].needs == ("create port web",)
    elsewhere = plan_cloud(replace(state, ports=(replace(out, device="vx"), state.ports[1])), WANTED)
    assert "the port of web, pw, is plugged into another server, production-xmldb" in elsewhere.obstacles[0]
    assert done(elsewhere) == []
    without = replace(state, servers=state.servers[1:], ports=(replace(out, device="vx"), state.ports[1]))
    assert "create server web" not in done(plan_cloud(without, WANTED))
    strange = Port("p2", "", None, "n", "vw", addresses=("10.20.0.9",))
    told = plan_cloud(replace(state, ports=(*state.ports, strange)), WANTED)
    assert done(told) == []
    assert "p2 (10.20.0.9), to be taken from it by openstack server remove port vw p2" in told.notes[0]


def test_a_system_smaller_than_declared_is_told() -> None:
    plan = plan_cloud(converged(), wanted(lab(WEB.model_copy(update={"root": 40}), XMLDB)))
    assert done(plan) == []
    assert "20 GB, and 40 GB are declared: it is extended by bin/cloud extend web-root" in plan.notes[0]


def test_a_system_that_is_attached_elsewhere_is_told_and_not_waited_for() -> None:
    state = converged()
    root = replace(state.volumes[0], servers=("rescue",))
    gone = replace(state, servers=state.servers[1:], ports=(replace(state.ports[0], device=""), state.ports[1]))
    plan = plan_cloud(replace(gone, volumes=(root, state.volumes[1])), WANTED)
    assert done(plan) == []
    assert "the system of web, is attached to rescue: detach it there" in plan.obstacles[0]
