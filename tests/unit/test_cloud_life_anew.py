"""A volume, or a whole machine, as it was in a snapshot; and a machine made anew, as plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recettes.cloud import quota
from recettes.cloud.actual import Allowance, CloudState, Image, SecurityGroup, Volume
from recettes.cloud.plan import plan_cloud
from recettes.declarations.cloud import Needs
from tests.unit.test_cloud_life import LABEL, LATER, asked, in_order, labelled, taken_of, with_server
from tests.unit.test_cloud_plan import TEXTS, WANTED, WEB, XMLDB, converged, done, lab, mark, wanted


def test_a_machine_is_not_restored_from_a_part_of_what_was_taken() -> None:
    (first,) = taken_of("texts").snapshots
    part = replace(first, together="xmldb 2")
    whole = replace(taken_of("texts"), snapshots=(replace(part, together="xmldb 1"),))
    state = replace(whole, snapshots=(part,))
    refused = f"snapshot {LABEL} of xmldb is incomplete, 1 of 2: what is there can be restored volume by volume"
    assert asked(state, "restore", "xmldb", label=LABEL, now=LATER).refusals == (refused,)
    assert asked(state, "restore", "texts", label=LABEL, now=LATER).refusals == ()
    assert asked(whole, "restore", "xmldb", label=LABEL, now=LATER).refusals == ()
    note = f"snapshot {LABEL} is incomplete: bin/cloud drop-snapshot xmldb --from {LABEL}"
    assert note in asked(state, "snapshot", "xmldb", label=LATER).notes
    assert note not in asked(whole, "snapshot", "xmldb", label=LATER).notes
    later = replace(part, id="s2", mark=mark("snapshot", f"texts-{LATER}"))
    both = replace(whole, snapshots=(*whole.snapshots, later))
    assert f"from-{LABEL}" in done(asked(both, "restore", "xmldb", now=LATER))[0]  # the newest that is whole


def test_a_machine_that_was_stopped_is_said_to_run_once_its_system_is_made_anew() -> None:
    stopped = with_server(labelled(converged(), "web", "stopped"), "web", status="SHUTOFF")
    told = "web was stopped; the server made anew runs. To stop it: bin/cloud stop web"
    assert told in asked(stopped, "rebuild", "web", now=LATER).notes
    assert told not in asked(converged(), "rebuild", "web", now=LATER).notes


def test_a_restored_volume_takes_the_place_of_the_old_one_which_is_kept() -> None:
    plan = asked(taken_of("texts"), "restore", "texts", now=LATER)
    assert in_order(plan) == [
        f"restore volume texts-from-{LABEL}",
        "stop server xmldb",
        "detach volume texts",
        f"rename volume texts to texts-until-{LATER}",
        f"rename volume texts-from-{LABEL} to texts",
        "attach volume texts",
        "start server xmldb",
    ]
    assert (
        "there is no snapshot 20200101t000000z texts; there is " + LABEL
        in asked(taken_of("texts"), "restore", "texts", now=LATER, label="20200101t000000z").refusals[0]
    )


def test_a_restore_that_was_cut_off_goes_on_and_no_empty_volume_is_made_meanwhile() -> None:
    state = taken_of("texts")
    root, texts = state.volumes
    aside = replace(texts, name="aside", mark=mark("volume", f"texts-until-{LATER}"), status="available", servers=())
    made = Volume("new", "", mark("volume", f"texts-from-{LABEL}"), 20, "available")
    between = with_server(replace(state, volumes=(root, aside, made)), "xmldb", status="SHUTOFF")
    plan = plan_cloud(between, WANTED)
    assert not [key for key in done(plan) if "volume texts" in key]
    assert f"bin/cloud restore texts --from {LABEL}" in plan.obstacles[0]
    assert in_order(asked(between, "restore", "texts", label=LABEL, now=LATER)) == [
        f"rename volume texts-from-{LABEL} to texts",
        "attach volume texts",
        "start server xmldb",
    ]


def test_a_machine_restored_by_half_is_not_made_of_an_old_volume_and_a_new_one() -> None:
    files = TEXTS.model_copy(update={"machine": "web", "name": "files"})
    want = wanted(lab(WEB, XMLDB, volumes=(TEXTS, files)))
    state = taken_of("web-root")
    (root, texts), (taken,) = state.volumes, state.snapshots
    old = Volume("f", "", mark("volume", "files"), 100, "in-use", ("vw",))
    taken = replace(taken, id="s-files", mark=mark("snapshot", f"files-{LABEL}"), volume="f")
    state = replace(state, volumes=(root, texts, old), snapshots=(*state.snapshots, taken))
    made = asked(state, "restore", "web", want, now=LATER).steps[0]
    assert made.key == f"restore volume files-from-{LABEL}"
    new = Volume("nf", "", made.mark, 100, "available", metadata=made.arguments["metadata"])

    # The system's volume was exchanged, and the other was not.
    apart = replace(root, status="available", servers=()), texts, replace(old, status="available", servers=()), new
    half = replace(state, servers=state.servers[1:], ports=(replace(state.ports[0], device=""), state.ports[1]), volumes=apart)
    plan = plan_cloud(half, want)
    assert done(plan) == []
    assert plan.obstacles == (f"volume files is being restored, and that was cut off: bin/cloud restore web --from {LABEL}",)
    assert "purge" not in " ".join(plan.notes)
    assert in_order(asked(half, "restore", "web", want, now=LATER))[-2:] == ["create server web", "attach volume files"]

    # Where the machine is there still, all of it was asked for, too.
    there = replace(half, servers=state.servers, ports=state.ports)
    assert plan_cloud(with_server(there, "web", status="SHUTOFF"), want).obstacles == plan.obstacles
    # Nothing was exchanged yet: it is as it was, and the new volume is one too many.
    begun = plan_cloud(with_server(replace(state, volumes=(root, texts, old, new)), "web", status="SHUTOFF"), want)
    assert (done(begun), begun.obstacles) == (["start server web"], ())
    assert f"bin/cloud purge volume:files-from-{LABEL}" in begun.notes[0]


def test_a_machine_whose_system_is_restored_is_made_anew_with_its_address_and_its_volumes() -> None:
    plan = asked(taken_of("web-root"), "restore", "web", now=LATER)
    assert in_order(plan) == [
        f"restore volume web-root-from-{LABEL}",
        "stop server web",
        "delete server web",
        f"rename volume web-root to web-root-until-{LATER}",
        f"rename volume web-root-from-{LABEL} to web-root",
        "create server web",
    ]
    created = plan.steps[-1].arguments
    assert (created["volume"], created["port"], plan.ids["port/web"]) == ("@volume/web-root", "@port/web", "pw")
    assert plan.ids["server/web"] == "vw"


def with_its_disk(state: CloudState) -> CloudState:
    """The system of xmldb, which lies on its flavour's disk, was taken at the same moment."""
    image = Image("im", "", "", snapshot=True, mark=mark("image", f"xmldb-{LABEL}"))
    return replace(state, images=(*state.images, image))


def test_a_system_on_its_own_disk_is_restored_while_the_machine_has_no_volume() -> None:
    plan = asked(with_its_disk(taken_of("texts")), "restore", "xmldb", now=LATER)
    assert in_order(plan) == [
        f"restore volume texts-from-{LABEL}",
        "stop server xmldb",
        "detach volume texts",
        "rebuild server xmldb",
        f"rename volume texts to texts-until-{LATER}",
        f"rename volume texts-from-{LABEL} to texts",
        "attach volume texts",
        "start server xmldb",
    ]
    (rebuilt,) = (step for step in plan.steps if step.action == "rebuild")
    assert "detach volume texts" in rebuilt.needs
    assert all("rebuild server xmldb" in step.needs for step in plan.steps if step.action == "rename")
    alone = with_its_disk(replace(taken_of(), volumes=converged().volumes[:1]))
    assert done(asked(alone, "restore", "xmldb", now=LATER)) == ["rebuild server xmldb"]
    gone = replace(alone, servers=alone.servers[:1])
    assert "machine xmldb is not there" in asked(gone, "restore", "xmldb", now=LATER).refusals[0]


def test_where_one_volume_is_asked_for_the_system_stays_as_it_is() -> None:
    plan = asked(with_its_disk(taken_of("texts")), "restore", "texts", now=LATER)
    assert "rebuild server xmldb" not in done(plan)


def test_the_system_of_a_volume_is_not_restored_where_the_new_server_would_not_use_it() -> None:
    flavors = tuple(replace(one, disk=80) for one in converged().flavors)
    plan = asked(replace(taken_of("web-root"), flavors=flavors), "restore", "web", now=LATER)
    assert "the flavour declared for web has a disk of its own" in plan.refusals[0]


def test_a_machine_is_rebuilt_on_its_kept_data_volume() -> None:
    volume = TEXTS.model_copy(update={"machine": "web", "name": "files"})
    want = wanted(lab(WEB, XMLDB, volumes=(TEXTS, volume)))
    files = Volume("f", "", mark("volume", "files"), 100, "in-use", ("vw",))
    state = replace(converged(), volumes=(*converged().volumes, files))
    plan = asked(state, "rebuild", "web", want, now=LATER)
    assert in_order(plan) == [
        "stop server web",
        "delete server web",
        f"rename volume web-root to web-root-until-{LATER}",
        "create volume web-root",
        "create server web",
        "attach volume files",
    ]
    no_room = replace(state, quota={quota.SERVERS: Allowance(2, 2), quota.VOLUMES: Allowance(3, 3)})
    assert asked(no_room, "rebuild", "web", want, now=LATER).refusals == ("needs 1 volumes, 0 left of 3",)
    # One whose flavour has a disk keeps its server.
    assert done(asked(state, "rebuild", "xmldb", want, now=LATER)) == ["rebuild server xmldb"]
    # Unless another kind of flavour is declared.
    other = wanted(lab(WEB, XMLDB.model_copy(update={"flavour": "p8"})))
    plan = asked(converged(), "rebuild", "xmldb", other, now=LATER)
    first = ["stop server xmldb", "delete server xmldb"]
    assert in_order(plan) == [*first, "create volume xmldb-root", "create server xmldb", "attach volume texts"]
    assert "what is on its own disk is lost" in plan.steps[1].wanted
    assert all("delete server xmldb" in step.needs for step in plan.steps[2:])


def test_a_machine_in_quarantine_is_not_replaced_by_an_open_one() -> None:
    state = labelled(converged(), "web", "quarantined")
    assert "first bin/cloud quarantine web --end" in asked(state, "rebuild", "web", now=LATER).refusals[0]


def test_a_machine_is_stopped_in_order_before_its_server_goes() -> None:
    want = wanted(lab(WEB, XMLDB.model_copy(update={"flavour": "p8"})))
    for plan in (
        asked(converged(), "rebuild", "xmldb", want, now=LATER),
        asked(taken_of("web-root"), "restore", "web", now=LATER),
    ):
        keys = in_order(plan)
        delete = next(step for step in plan.steps if step.action == "delete")
        assert f"stop {delete.mark}" in delete.needs
        assert keys.index(f"stop {delete.mark}") < keys.index(delete.key)
    # Cut off in between, it is stopped: what is typed again goes on, and any other run starts it as it was.
    cut_off = with_server(converged(), "web", status="SHUTOFF")
    assert in_order(asked(cut_off, "rebuild", "web", now=LATER))[0] == "delete server web"
    assert done(plan_cloud(cut_off, WANTED)) == ["start server web"]
    # One in ERROR cannot be stopped.
    assert "stop server web" not in done(asked(with_server(converged(), "web", status="ERROR"), "rebuild", "web", now=LATER))


@pytest.mark.parametrize("command", ["rebuild", "restore"])
def test_no_server_goes_for_one_that_the_quota_does_not_allow(command: str) -> None:
    bigger = wanted(lab(WEB.model_copy(update={"flavour": Needs(vcpus=8, memory=30)}), XMLDB))
    tight = {quota.SERVERS: Allowance(2, 2), quota.VCPUS: Allowance(10, 6), quota.MEMORY: Allowance(40000, 12288)}
    state = replace(taken_of("web-root"), quota=tight)
    plan = asked(state, command, "web", bigger, now=LATER)
    assert plan.refusals == ("needs 6 vCPU, 4 left of 10",)
    assert plan.steps == ()
    enough = replace(state, quota={**tight, quota.VCPUS: Allowance(12, 6)})
    assert asked(enough, command, "web", bigger, now=LATER).refusals == ()
    # As large as before, or smaller, it takes the place of the old one.
    full = {quota.SERVERS: Allowance(2, 2), quota.VCPUS: Allowance(6, 6), quota.MEMORY: Allowance(12288, 12288)}
    assert asked(replace(state, quota=full), command, "web", now=LATER).refusals == ()
    # Where there is no server any more, none makes room.
    gone = replace(state, servers=state.servers[1:], quota=full)
    refused = ("needs 4096 MB of memory, 0 left of 12288", "needs 1 servers, 0 left of 2", "needs 2 vCPU, 0 left of 6")
    assert asked(gone, command, "web", now=LATER).refusals == refused


@pytest.mark.parametrize("command", ["rebuild", "restore"])
def test_what_is_wrong_with_other_machines_keeps_none_from_being_made_anew(command: str) -> None:
    state = taken_of("web-root")
    healthy = asked(state, command, "web", now=LATER)
    root, texts = state.volumes
    default, web, _ = state.groups
    broken = replace(
        with_server(state, "xmldb", status="ERROR", fault="the host is down"),
        flavors=tuple(one for one in state.flavors if one.name != "c4"),
        groups=(default, web, SecurityGroup("other", "production-xmldb", None)),
        ports=(state.ports[0], replace(state.ports[1], device="")),
        volumes=(root, replace(texts, status="error")),
    )
    plan = asked(broken, command, "web", now=LATER)
    assert (plan.refusals, plan.obstacles, plan.notes) == ((), (), healthy.notes)
    assert plan.steps == healthy.steps
    # Both are in ERROR: one after the other.
    both = with_server(broken, "web", status="ERROR")
    assert in_order(asked(both, command, "web", now=LATER)) == [one for one in done(healthy) if one != "stop server web"]


def test_no_server_goes_that_could_not_be_made_again_with_all_that_it_has() -> None:
    files = TEXTS.model_copy(update={"machine": "web", "name": "files"})
    want = wanted(lab(WEB, XMLDB, volumes=(TEXTS, files)))
    state = replace(
        converged(), volumes=(*converged().volumes, Volume("f", "", mark("volume", "files"), 100, "error_extending", ("vw",)))
    )
    plan = asked(state, "rebuild", "web", want, now=LATER)
    assert "volume files is in state error_extending" in plan.refusals[0]
    assert plan.steps == ()


def test_what_was_taken_before_a_rename_is_a_snapshot_of_what_it_is_called_now() -> None:
    server = XMLDB.model_copy(update={"name": "texts-server", "formerly": "xmldb"})
    volume = TEXTS.model_copy(update={"machine": "texts-server", "name": "corpus", "formerly": "texts"})
    want = wanted(lab(WEB, server, volumes=(volume,)))
    before = with_its_disk(taken_of("texts"))
    web, xmldb = before.servers
    assert "there is no snapshot" in asked(before, "restore", "corpus", want, now=LATER).refusals[0]  # it is texts still
    root, texts = before.volumes
    state = replace(
        before,
        servers=(web, replace(xmldb, mark=mark("server", "texts-server"))),
        volumes=(root, replace(texts, mark=mark("volume", "corpus"))),
    )
    restored = asked(state, "restore", "texts-server", want, now=LATER)
    assert in_order(restored)[0] == f"restore volume corpus-from-{LABEL}"
    assert restored.steps[0].arguments["snapshot"] == "s-texts"
    assert "rebuild server texts-server" in done(restored)
    dropped = asked(state, "drop-snapshot", "texts-server", want, label=LABEL)
    assert sorted(in_order(dropped)) == [f"delete image texts-server-{LABEL}", f"delete snapshot corpus-{LABEL}"]
    assert dropped.ids[f"snapshot/corpus-{LABEL}"] == "s-texts"


def test_a_system_on_its_own_disk_does_not_go_unsaid_where_an_old_volume_is_left() -> None:
    old = Volume("xr", "", mark("volume", "xmldb-root"), 20, "available")
    state = taken_of("texts")
    taken = replace(state.snapshots[0], id="s2", mark=mark("snapshot", f"xmldb-root-{LABEL}"), volume="xr")
    state = replace(state, volumes=(*state.volumes, old), snapshots=(*state.snapshots, taken))
    on_volume = wanted(lab(WEB, XMLDB.model_copy(update={"flavour": "p2"})))
    for plan in (asked(state, "rebuild", "xmldb", now=LATER), asked(state, "restore", "xmldb", on_volume, now=LATER)):
        (gone,) = [step for step in plan.steps if step.key == "delete server xmldb"]
        assert gone.wanted.endswith("what is on its own disk is lost")


def test_a_system_that_lay_on_a_disk_is_not_restored_onto_a_volume() -> None:
    image = Image("im", "", "", snapshot=True, mark=mark("image", f"web-{LABEL}"))
    state = replace(converged(), images=(*converged().images, image))
    refused = asked(state, "restore", "web", now=LATER)
    assert (refused.steps, "the system of web lies on a volume" in refused.refusals[0]) == ((), True)
