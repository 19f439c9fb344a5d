"""What is in the cloud and not declared: it is told, and goes when it is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from recettes.cloud import quota
from recettes.cloud.actual import Allowance, Server, Snapshot, Volume
from recettes.cloud.marks import GROUPS
from recettes.cloud.plan import everything, plan_cloud
from recettes.declarations.cloud import CloudMachine, CloudVolume
from tests.unit.test_cloud_plan import TEXTS, WANTED, WEB, XMLDB, converged, done, lab, mark, wanted


def test_what_is_not_declared_any_more_stays_until_it_is_named() -> None:
    state = converged()
    less = wanted(lab(WEB, volumes=()))
    plan = plan_cloud(state, less)
    assert done(plan) == []
    assert sorted(note.split(" is left over")[0] for note in plan.notes) == ["server xmldb", "volume texts"]
    plan = plan_cloud(state, less, ["volume:texts"])
    assert "is attached to production-xmldb: purge that as well" in plan.refusals[0]
    plan = plan_cloud(state, less, ["volume:texts", "server:xmldb"])
    assert done(plan) == ["stop server xmldb", "delete server xmldb", "delete volume texts", "delete port xmldb"]
    assert plan.steps[1].needs == ("stop server xmldb",)
    assert "delete server xmldb" in plan.steps[2].needs
    assert "take it out there first" in plan_cloud(state, WANTED, ["volume:texts"]).refusals[0]
    assert "there is no volume:other to purge" in plan_cloud(state, less, ["volume:other"]).refusals[0]
    kept = replace(state, snapshots=(Snapshot("sn", "before", None, "t", 100, "available", ""),))
    named = ["volume:texts", "server:xmldb"]
    assert "has the snapshot before: delete that first" in plan_cloud(kept, less, named).refusals[0]
    ours = replace(kept, snapshots=(replace(kept.snapshots[0], mark=mark("snapshot", "texts-20260504t110000z")),))
    assert "purge snapshot:texts-20260504t110000z as well" in plan_cloud(ours, less, named).refusals[0]
    assert "delete volume texts" in done(plan_cloud(ours, less, [*named, "snapshot:texts-20260504t110000z"]))


def test_the_network_stays_while_machines_are_on_it() -> None:
    given = replace(WANTED, network="given")
    for kind in ("router", "subnet", "network"):
        (refused,) = plan_cloud(converged(), given, [f"{kind}:private"]).refusals
        assert refused.startswith(f"{kind} private still connects web, xmldb: purge server:web and so on as well")
    purged = plan_cloud(converged(), replace(given, machines=()), ["router:private", "server:web", "server:xmldb"])
    assert purged.refusals == ()
    assert "delete router private" in done(purged)


def test_a_system_volume_that_its_machine_does_not_use_any_more_is_left_over() -> None:
    state = converged()
    old = Volume("xr", "", mark("volume", "xmldb-root"), 20, "available")
    state = replace(state, volumes=(*state.volumes, old))
    plan = plan_cloud(state, WANTED)
    told = "volume xmldb-root is left over: 20 GB, not declared, and kept. To delete it: bin/cloud purge volume:xmldb-root"
    assert (done(plan), plan.notes) == ([], (told,))
    assert done(plan_cloud(state, WANTED, ["volume:xmldb-root"])) == ["delete volume xmldb-root"]
    web, xmldb = state.servers
    for servers in ((web,), (web, replace(xmldb, status="ERROR")), (web, replace(xmldb, status="BUILD"))):
        unknown = plan_cloud(replace(state, servers=servers), WANTED, ["volume:xmldb-root"])
        assert "take it out there first" in unknown.refusals[0]
    used = replace(state, volumes=(*state.volumes[:-1], replace(old, servers=("vx",), status="in-use")))
    assert plan_cloud(used, WANTED).notes == ()


def test_a_group_without_machines_goes_once_nothing_is_in_it() -> None:
    state = converged()
    gone = replace(state, servers=state.servers[:1], ports=state.ports[:1], volumes=state.volumes[:1])
    assert done(plan_cloud(gone, wanted(lab(WEB, volumes=())))) == ["delete group xmldb"]


def test_a_machine_for_a_task_is_reported_when_its_day_has_passed() -> None:
    task = CloudMachine(name="vips", groups=("compute",), flavour="c4", until=date(2026, 5, 3))
    state = converged()
    labels = {**mark("server", "vips").metadata, GROUPS: "compute"}
    vips = Server("v", "production-vips", mark("server", "vips"), "ACTIVE", flavor="f2", metadata=labels)
    want = wanted(lab(WEB, XMLDB, task))
    plan = plan_cloud(replace(state, servers=(*state.servers, vips)), want)
    assert done(plan) == []
    assert plan.notes == ("server vips ended on 2026-05-03: bin/cloud purge server:vips",)
    assert "create server vips" in done(plan_cloud(state, replace(want, machines=(*want.machines, task), ended={})))
    # It can be removed while it is still declared: its day says that it is over.
    purged = plan_cloud(replace(state, servers=(*state.servers, vips)), want, ["server:vips"])
    assert (done(purged), purged.refusals) == (["stop server vips", "delete server vips"], ())


def test_a_volume_of_a_machine_whose_day_has_passed_is_still_declared() -> None:
    task = CloudMachine(name="vips", groups=("compute",), flavour="c4", until=date(2026, 5, 3))
    scans = CloudVolume(name="scans", machine="vips", size=50, mount="/srv/scans")
    state = converged()
    state = replace(state, volumes=(*state.volumes, Volume("sc", "production-scans", mark("volume", "scans"), 50, "available")))
    want = wanted(lab(WEB, XMLDB, task, volumes=(TEXTS, scans)))
    plan = plan_cloud(state, want)
    assert (done(plan), plan.notes) == ([], ())
    assert "take it out there first" in plan_cloud(state, want, ["volume:scans"]).refusals[0]


def test_what_is_purged_does_not_wait_for_what_it_makes_room_for() -> None:
    full = {quota.VCPUS: Allowance(6, 6)}
    state = replace(converged(), quota=full)
    more = wanted(lab(WEB, XMLDB.model_copy(update={"name": "texts-server"}), volumes=()))
    assert "2 left" not in plan_cloud(state, more).refusals[0]
    purged = plan_cloud(state, more, ["server:xmldb"])
    assert (done(purged), purged.refusals) == (["stop server xmldb", "delete server xmldb", "delete port xmldb"], ())


def test_everything_goes_only_when_everything_is_named() -> None:
    state = converged()
    keys = done(plan_cloud(state, WANTED, [everything("production")]))
    assert keys[:2] == ["delete server web", "delete server xmldb"]
    assert keys[-1] == "delete network private"
    assert len(keys) == len(state.marked("production"))
    for word in ("everything", everything("test")):
        refused = plan_cloud(state, WANTED, [word])
        assert (refused.steps, f"there is no {word} to purge" in refused.refusals[0]) == ((), True)


def test_a_snapshot_waits_for_what_was_made_from_it_and_its_own_volume_for_the_snapshot() -> None:
    state = converged()
    root, texts = state.volumes
    aside = replace(texts, id="old", mark=mark("volume", "texts-until-20260504t120000z"), status="available", servers=())
    taken = Snapshot("sn", "", mark("snapshot", "texts-20260504t110000z"), "old", 100, "available")
    restored = replace(state, volumes=(root, aside, replace(texts, source="sn")), snapshots=(taken,))
    plan = plan_cloud(restored, WANTED, [everything("production")])
    needs = {step.key: step.needs for step in plan.steps}
    assert "delete volume texts" in needs["delete snapshot texts-20260504t110000z"]
    assert "delete snapshot texts-20260504t110000z" in needs["delete volume texts-until-20260504t120000z"]
    assert "delete snapshot texts-20260504t110000z" not in needs["delete volume texts"]
