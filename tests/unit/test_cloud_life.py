"""What is done to machines and volumes that are there, as plans."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from recettes.cloud import quota
from recettes.cloud.actual import Allowance, CloudState, Image, Rule, Server, Snapshot, Volume
from recettes.cloud.draft import CloudPlan
from recettes.cloud.life.asked import Asked
from recettes.cloud.life.plan import plan_life
from recettes.cloud.life.sizes import GROW
from recettes.cloud.marks import GROUPS, KEPT, SSH_WINDOW, Mark
from recettes.cloud.plan import everything, plan_cloud
from recettes.cloud.understanding import understand
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import CloudMachine, CloudVolume, Needs
from tests.unit.test_cloud_plan import TEXTS, WANTED, WEB, XMLDB, converged, done, lab, mark, wanted

LABEL, LATER = "20260504t110000z", "20260504t120000z"
UNTIL = "2026-05-04T14:00+00:00"


def asked(state: CloudState, command: str, name: str = "", want: WantedCloud = WANTED, **options: str) -> CloudPlan:
    return plan_life(state, want, Asked(**json.loads(Asked(command, name, options).to_json())))


def with_server(state: CloudState, name: str, **changes: Any) -> CloudState:
    return replace(state, servers=tuple(replace(s, **changes) if s.mark == mark("server", name) else s for s in state.servers))


def labelled(state: CloudState, name: str, kept: str) -> CloudState:
    server = next(s for s in state.servers if s.mark == mark("server", name))
    return with_server(state, name, metadata={**server.metadata, KEPT: kept})


def in_order(plan: CloudPlan) -> list[str]:
    """Each step needs only what is before it, or it would never begin; and is done to what is there, or was made by then."""
    keys = done(plan)
    known = set(plan.ids)
    for step in plan.steps:
        assert set(step.needs) - {""} <= set(keys[: keys.index(step.key)]), step
        named = {f"{step.mark.kind}/{step.mark.item}"} if step.action not in ("create", "restore", "rename") else set()
        named |= {value[1:] for value in step.arguments.values() if isinstance(value, str) and value.startswith("@")}
        assert named <= known, step
        known.add(f"{step.mark.kind}/{step.arguments.get('to', step.mark.item)}")
    return keys


def test_a_stopped_machine_stays_stopped_until_it_is_started_by_command() -> None:
    state = converged()
    assert in_order(asked(state, "stop", "web")) == ["label server web", "stop server web"]
    stopped = with_server(labelled(state, "web", "stopped"), "web", status="SHUTOFF")
    assert done(asked(stopped, "stop", "web")) == []
    assert done(plan_cloud(stopped, WANTED)) == []
    assert in_order(asked(stopped, "start", "web")) == ["label server web", "start server web"]
    assert asked(stopped, "start", "web").steps[0].arguments["metadata"] == {KEPT: ""}
    assert "bin/cloud start web" in asked(stopped, "reboot", "web").refusals[0]
    assert done(asked(state, "reboot", "web", hard="1")) == ["reboot server web"]


def test_a_machine_that_is_not_there_or_is_busy_is_named_and_nothing_is_begun() -> None:
    plan = asked(converged(), "stop", "wbe")
    assert plan.refusals == ("estate production has no server wbe in the cloud; it has web, xmldb",)
    assert plan.steps == ()
    busy = with_server(converged(), "web", task="rebuilding")
    assert "is busy: rebuilding" in asked(busy, "stop", "web").refusals[0]


def test_quarantine_outlives_a_stop_and_a_start() -> None:
    state = labelled(converged(), "web", "quarantined")
    plan = asked(state, "stop", "web")
    assert plan.steps[0].arguments["metadata"] == {KEPT: "quarantined,stopped"}
    both = with_server(labelled(state, "web", "quarantined,stopped"), "web", status="SHUTOFF")
    assert asked(both, "start", "web").steps[0].arguments["metadata"] == {KEPT: "quarantined"}
    assert "start server web" not in done(plan_cloud(both, WANTED))
    assert "change port web" in done(plan_cloud(both, WANTED))


def test_a_machine_gets_the_flavour_that_is_declared() -> None:
    bigger = wanted(lab(WEB.model_copy(update={"flavour": Needs(vcpus=8, memory=30)}), XMLDB))
    state = replace(converged(), quota={quota.VCPUS: Allowance(10, 6)})
    assert asked(state, "resize", "web", bigger).refusals == ("needs 6 vCPU, 4 left of 10",)
    plan = asked(converged(), "resize", "web", bigger)
    assert done(plan) == ["resize server web"]
    assert plan.steps[0].wanted == "p2 to p8"
    assert done(asked(converged(), "resize", "web")) == []
    half = with_server(converged(), "web", status="VERIFY_RESIZE", flavor="f3")
    assert done(asked(half, "resize", "web", bigger)) == ["confirm server web"]
    # Its system is on a disk that the other has not.
    other = wanted(lab(WEB, XMLDB.model_copy(update={"flavour": "p8"})))
    assert "bin/cloud rebuild xmldb" in asked(converged(), "resize", "xmldb", other).refusals[0]


def test_a_volume_gets_the_size_that_is_declared_and_then_its_file_system() -> None:
    larger = wanted(lab(volumes=(TEXTS.model_copy(update={"size": 150}),)))
    plan = asked(converged(), "extend", "texts", larger)
    assert in_order(plan) == ["extend volume texts", "grow volume texts"]
    assert plan.steps[0].arguments == {"size": 150, "online": True}
    assert plan.steps[1].wanted == "the file system at xmldb:/srv/texts"
    assert in_order(asked(converged(), "extend", "texts", larger, stopped="1")) == [
        "stop server xmldb",
        "detach volume texts",
        "extend volume texts",
        "attach volume texts",
        "start server xmldb",
        "grow volume texts",
    ]
    # Cut off once it was extended, or before; the machine gets it back and runs.
    for size, first in ((150, []), (100, ["extend volume texts"])):
        root, texts = converged().volumes
        free = replace(texts, size=size, status="available", servers=(), metadata={GROW: "1"})
        cut_off = with_server(replace(converged(), volumes=(root, free)), "xmldb", status="SHUTOFF")
        rest = ["attach volume texts", "start server xmldb", "grow volume texts"]
        assert in_order(asked(cut_off, "extend", "texts", larger, stopped="1")) == [*first, *rest]
        asleep = labelled(cut_off, "xmldb", "stopped")
        assert in_order(asked(asleep, "extend", "texts", larger, stopped="1")) == [*first, "attach volume texts"]
    tight = replace(converged(), quota={quota.VOLUME_SIZE: Allowance(130, 120)})
    assert asked(tight, "extend", "texts", larger).refusals == ("needs 50 GB of volumes, 10 left of 130",)
    smaller = wanted(lab(volumes=(TEXTS.model_copy(update={"size": 50}),)))
    assert "no volume is made smaller" in asked(converged(), "extend", "texts", smaller).refusals[0]


def test_a_file_system_that_did_not_grow_is_not_forgotten() -> None:
    state = converged()
    root, texts = state.volumes
    cut_off = replace(state, volumes=(root, replace(texts, metadata={GROW: "1"})))
    assert done(asked(cut_off, "extend", "texts")) == ["grow volume texts"]
    assert done(asked(state, "extend", "texts")) == []


def test_a_snapshot_takes_all_volumes_of_a_machine_while_what_writes_stands_still() -> None:
    plan = asked(converged(), "snapshot", "xmldb", label=LABEL)
    (step,) = plan.steps
    assert step.key == f"snapshot server xmldb {LABEL}"
    assert step.arguments["volumes"] == {"texts": "t"}
    assert step.arguments["disk"] is True  # its flavour has one
    assert step.arguments["units"] == ("basex.service",)
    assert "basex.service stopped, /srv/texts standing still" in step.wanted
    for metadata, goes_on in ({}, True), ({KEPT: "stopped"}, False):
        cut_off = with_server(converged(), "xmldb", status="SHUTOFF", metadata=metadata)
        (step,) = asked(cut_off, "snapshot", "xmldb", label=LABEL, stopped="1").steps
        assert (step.arguments["running"], step.arguments["goes_on"]) == (False, goes_on)
    # Its flavour is offered no more: what its system lies on is known all the same.
    for machine, disk in ("xmldb", True), ("web", False):
        (step,) = asked(with_server(converged(), machine, flavor="retired"), "snapshot", machine, label=LABEL).steps
        assert step.arguments["disk"] is disk
    full = replace(converged(), quota={quota.SNAPSHOTS: Allowance(10, 10)})
    assert asked(full, "snapshot", "xmldb", label=LABEL).refusals == ("needs 1 volume snapshots, 0 left of 10",)


def taken_of(*items: str) -> CloudState:
    state = converged()
    ids = {volume.mark.item: volume.id for volume in state.volumes if volume.mark}
    snapshots = tuple(
        Snapshot(f"s-{item}", "", mark("snapshot", f"{item}-{LABEL}"), ids[item], 20, "available") for item in items
    )
    return replace(state, snapshots=snapshots)


def test_a_snapshot_is_no_left_over() -> None:
    assert plan_cloud(taken_of("texts"), WANTED).notes == ()


def test_quarantine_leaves_the_administrators_and_nobody_else() -> None:
    plan = asked(converged(), "quarantine", "xmldb")
    assert in_order(plan) == [
        "label server xmldb",
        "create group quarantine",
        "open group quarantine from 192.0.2.0/24 IPv4 22/tcp",
        "open group quarantine from web IPv4 22/tcp",
        "change port xmldb",
    ]
    assert plan.steps[1].arguments["rules"] == []  # nothing goes out
    shut = labelled(converged(), "xmldb", "quarantined")
    assert set(done(plan_cloud(shut, WANTED))) == set(done(plan)) - {"label server xmldb"}
    quarantined = replace(
        shut,
        groups=(*shut.groups, replace(shut.groups[0], id="gq", name="production-quarantine", mark=mark("group", "quarantine"))),
        ports=(shut.ports[0], replace(shut.ports[1], groups=frozenset({"gq"}))),
    )
    ended = asked(quarantined, "quarantine", "xmldb", end="1")
    assert in_order(ended) == ["label server xmldb", "change port xmldb"]
    assert ended.steps[1].arguments["groups"] == ["@group/xmldb"]


def test_a_machine_is_shut_off_whatever_else_is_wrong() -> None:
    nothing_fits = replace(converged(), flavors=(), images=(), quota={quota.VCPUS: Allowance(0, 0)})
    plan = asked(nothing_fits, "quarantine", "web")
    assert not plan.refusals
    assert "change port web" in in_order(plan)


def test_a_machine_that_is_not_declared_any_more_is_shut_off_like_any_other() -> None:
    less = wanted(lab(WEB, XMLDB.model_copy(update={"until": date(2026, 5, 3)}), volumes=()))
    plan = asked(converged(), "quarantine", "xmldb", less)
    assert plan.refusals == ()
    assert in_order(plan) == in_order(asked(converged(), "quarantine", "xmldb"))
    shut = labelled(converged(), "xmldb", "quarantined")
    assert "what to open again is not known" in asked(shut, "quarantine", "xmldb", less, end="1").refusals[0]


def with_window(note: str) -> CloudState:
    state = converged()
    default, web, other = state.groups
    mine = Rule("ingress", 4, "tcp", 22, 22, "198.51.100.9/32")
    return replace(state, groups=(default, replace(web, rules={**web.rules, mine: "m"}, notes={"m": note}), other))


def told(state: CloudState, note: str) -> CloudState:
    server = next(s for s in state.servers if s.mark == mark("server", "web"))
    return with_server(state, "web", metadata={**server.metadata, SSH_WINDOW: note})


def test_ssh_is_open_to_one_address_until_a_time() -> None:
    key = "open group web from 198.51.100.9/32 IPv4 22/tcp"
    plan = asked(converged(), "open-ssh", "web", address="198.51.100.9", until=UNTIL)
    assert done(plan) == ["label server web", key]
    assert plan.steps[0].arguments["metadata"] == {SSH_WINDOW: f"198.51.100.9 {UNTIL}"}
    assert plan.steps[1].arguments["description"] == f"until {UNTIL}"
    there = told(with_window(f"until {UNTIL}"), f"198.51.100.9 {UNTIL}")
    assert done(asked(there, "open-ssh", "web", address="198.51.100.9", until=UNTIL)) == []
    longer = asked(there, "open-ssh", "web", address="198.51.100.9", until="2026-05-04T15:00+00:00")
    assert in_order(longer) == ["label server web", key.replace("open", "close", 1), key]
    assert (
        "reached through another machine: open SSH to web"
        in asked(converged(), "open-ssh", "xmldb", address="198.51.100.9", until=UNTIL).refusals[0]
    )
    for late in ("2026-05-04T11:00+00:00", "2026-05-06T12:00+00:00"):
        assert (
            "is not within the next 24 hours"
            in asked(converged(), "open-ssh", "web", address="198.51.100.9", until=late).refusals[0]
        )


@pytest.mark.parametrize(("note", "closed"), [("until 2026-05-04T11:59+00:00", 1), (f"until {UNTIL}", 0), ("mine", 0)])
def test_only_what_is_over_is_closed_by_itself(note: str, closed: int) -> None:
    assert len(asked(with_window(note), "close-ssh").steps) == closed
    over = told(converged(), "198.51.100.9 " + note.removeprefix("until "))
    assert len(asked(over, "close-ssh").steps) == (note != f"until {UNTIL}")


def test_all_windows_are_closed_by_command() -> None:
    assert len(asked(with_window(f"until {UNTIL}"), "close-ssh", all="1").steps) == 1


def test_a_snapshot_is_deleted_by_machine_and_label() -> None:
    image = Image("im", "", "", snapshot=True, mark=Mark("production", "image", f"xmldb-{LABEL}"))
    state = taken_of("texts", "web-root")
    state = replace(state, images=(*state.images, image))
    assert done(asked(state, "drop-snapshot", "xmldb", label=LABEL)) == [
        f"delete snapshot texts-{LABEL}",
        f"delete image xmldb-{LABEL}",
    ]
    assert f"delete image xmldb-{LABEL}" in in_order(plan_cloud(state, WANTED, [everything("production")]))
    assert "there is no snapshot" in asked(state, "drop-snapshot", "apps", label=LABEL).refusals[0]


def test_a_disk_that_is_uploaded_still_is_a_snapshot_that_can_go_and_not_yet_one_to_restore_from() -> None:
    image = Image("im", "", "", snapshot=True, mark=Mark("production", "image", f"xmldb-{LABEL}"), status="saving")
    state = replace(converged(), images=(*converged().images, image))
    assert asked(state, "restore", "xmldb", now=LATER).refusals == (f"snapshot {LABEL}: xmldb is saving",)
    assert f"delete image xmldb-{LABEL}" in done(plan_cloud(state, WANTED, [everything("production")]))
    assert done(asked(state, "drop-snapshot", "xmldb", label=LABEL)) == [f"delete image xmldb-{LABEL}"]


def test_a_machine_whose_day_has_passed_stands_still_for_its_snapshot_like_any_other() -> None:
    task = CloudMachine(name="vips", groups=("compute",), flavour="c4", until=date(2026, 5, 3))
    scans = CloudVolume(name="scans", machine="vips", size=50, mount="/srv/scans")
    vips = Server("v", "", mark("server", "vips"), "ACTIVE", flavor="f2", metadata={GROUPS: "compute"})
    volume = Volume("sc", "", mark("volume", "scans"), 50, "in-use", ("v",))
    state = replace(converged(), servers=(*converged().servers, vips), volumes=(*converged().volumes, volume))
    want = wanted(lab(WEB, XMLDB, task, volumes=(TEXTS, scans)))
    assert asked(state, "snapshot", "vips", want, label=LATER).steps[0].arguments["mounts"] == ["/srv/scans"]
    undeclared = asked(state, "snapshot", "vips", label=LATER)
    assert "volume scans is not declared, so nobody knows where it is mounted" in " ".join(undeclared.notes)
    taken = Snapshot("s", "", mark("snapshot", f"scans-{LABEL}"), "sc", 50, "available", together="vips 2")
    image = Image("im", "", "", snapshot=True, mark=mark("image", f"vips-{LABEL}"), together="vips 2")
    both = replace(state, snapshots=(taken,), images=(*state.images, image))
    dropped = done(asked(both, "drop-snapshot", "vips", want, label=LABEL))
    assert dropped == [f"delete snapshot scans-{LABEL}", f"delete image vips-{LABEL}"]


def test_an_address_that_was_declared_meanwhile_is_not_shut_out_at_the_end_of_its_window() -> None:
    declared = lab().model_copy(update={"administrator_networks": ("192.0.2.0/24", "198.51.100.9/32")})
    later = replace(wanted(declared), now=datetime(2026, 5, 4, 15, 0, tzinfo=UTC))
    assert done(asked(with_window(f"until {UNTIL}"), "close-ssh", want=later)) == []


def test_what_runs_is_not_told_to_be_stopped() -> None:
    (note,) = plan_cloud(labelled(converged(), "web", "stopped"), WANTED).notes
    assert note.startswith("server web runs, although it was asked to be stopped: bin/cloud stop web")


def test_an_image_that_inherited_the_mark_of_another_and_what_others_share_are_not_the_estates() -> None:
    name = f"production-xmldb-{LABEL}"
    ours = {
        "id": "im",
        "name": name,
        "owner": "p",
        "status": "active",
        "created_at": "",
        **mark("image", f"xmldb-{LABEL}").metadata,
    }
    network = {"id": "n", "name": "x", "subnets": [], "project_id": "q", "description": mark("network", "private").description}
    images = [ours, {**ours, "id": "by-hand", "name": "before the upgrade"}, {**ours, "id": "shared", "owner": "q"}]
    state = understand({"project": "p", "images": images, "networks": [network]})
    assert [one.id for one in state.images if one.mark] == ["im"]
    assert state.marked("production") == []
