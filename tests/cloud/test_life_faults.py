"""What is done to machines and volumes is cut off, or refused by the cloud: nothing is lost, and the next try completes it."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.cloud.control.launch import Control
from tests.cloud.faults import Proxy, answers, lost
from tests.cloud.lab import listed, refusals, said, settled
from tests.cloud.project import Project, make_project
from tests.cloud.test_life import FEWER, content, server, volume
from tests.cloud.typed import Typed

BIGGER = FEWER + "machines[0] = machines[0].model_copy(update={'flavour': 'p4-8gb'})\n"
LARGER = (
    FEWER + "machines[0] = machines[0].model_copy(update={'flavour': 'p2-4gb'})\n"
    "volumes[0] = volumes[0].model_copy(update={'size': 5})\n"
)


@pytest.fixture(scope="module")
def project(control: Control, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_project(control.place, tmp_path_factory.mktemp("life-faults") / "cloud")
    yield project
    project.member.close()
    project.admin.close()


@pytest.fixture(scope="module")
def all_requests(project: Project) -> Iterator[Proxy]:
    with Proxy(project.place, project.clouds) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def lab(project: Project, all_requests: Proxy) -> Typed:
    environment = {**project.environment(all_requests.clouds), "RECETTES_CLOUD_PATIENCE": "60"}
    lab = Typed(project, project.folder.parent, environment)
    lab.stand_in_for_ssh()
    lab.declare(FEWER)
    made = lab.apply()
    assert made.status == 0, made.output
    with content(lab, "texts").open("r+b") as file:
        file.write(b"as it was")
    return lab


@pytest.fixture
def proxy(all_requests: Proxy) -> Iterator[Proxy]:
    all_requests.forget()
    yield all_requests
    assert versions(all_requests) <= {"volume 3.42"}  # of 2017, and only where a volume in use is extended
    all_requests.forget()


def versions(proxy: Proxy) -> set[str]:
    """The microversions that were asked for."""
    named = ("openstack-api-version", "x-openstack-nova-api-version")
    return {version for request, _ in list(proxy.requests) for name in named if (version := request.headers.get(name))}


def goes_wrong(lab: Typed, *words: str) -> str:
    ran = lab.cloud(*words)
    assert ran.returncode == 1, ran.stdout
    return ran.stderr


def succeeds(lab: Typed, *words: str) -> str:
    ran = lab.cloud(*words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_what_the_cloud_refuses_in_between_is_a_sentence_and_the_next_run_completes(lab: Typed, proxy: Proxy) -> None:
    action = "/v2.1/.*servers/[^/]*/action"
    lab.declare(BIGGER)
    proxy.add("nova", "POST", action, lost, about="confirmResize")
    proxy.add("nova", "POST", action, lost, about='"resize"')
    succeeds(lab, "resize", "web", "--yes")
    assert (server(lab, "web").status, server(lab, "web").flavor["original_name"]) == ("ACTIVE", "p4-8gb")

    # Of two things to be taken, one is not.
    proxy.add("cinder", "POST", "/v3/.*snapshots", answers(503, "full"), times=1000)
    lab.stand_in_for_ssh()
    assert "the cloud answered 503: full" in goes_wrong(lab, "snapshot", "xmldb")
    assert "recettes-quiet-ends" in lab.told  # the machine goes on
    proxy.forget()
    line = succeeds(lab, "snapshots")
    assert "incomplete: 1 of 2" in line
    label = line.split()[0]
    assert f"bin/cloud drop-snapshot xmldb --from {label}" in succeeds(lab, "snapshot", "xmldb")
    succeeds(lab, "drop-snapshot", "xmldb", "--from", label, "--yes")
    assert "incomplete" not in succeeds(lab, "snapshots")

    # Somebody has locked the machine: that is told at once.
    proxy.add("nova", "POST", action, answers(409, "Instance is locked"), times=1000, about="os-stop")
    told = goes_wrong(lab, "restore", "texts", "--yes")
    assert "stop server xmldb: POST /servers/" in told
    assert "the cloud answered 409: Instance is locked" in told
    assert "rename volume texts" in told  # left as it was
    proxy.forget()
    # The machine was stopped for it, and stands there without its volume.
    proxy.add("nova", "POST", "/v2.1/.*os-volume_attachments", answers(500, "no way"), times=1000)
    assert "attach volume texts: POST /servers/" in goes_wrong(lab, "restore", "texts", "--yes")
    assert server(lab, "xmldb").status == "SHUTOFF"
    proxy.forget()
    completed = lab.apply()
    assert completed.status == 0, completed.output
    assert "volume texts-until-" in said(completed)
    whole(lab)


def whole(lab: Typed) -> None:
    """Nothing is lost, nothing is to be done, and what is left over is kept volumes that say how they are purged."""
    last = lab.dry()
    assert (last.status, last.changes, refusals(last)) == (0, [], ""), last.output
    assert [server(lab, name).status for name in ("web", "xmldb")] == ["ACTIVE", "ACTIVE"]
    assert content(lab, "texts").read_bytes()[:9] == b"as it was"
    assert volume(lab, "texts").attachments[0]["server_id"] == server(lab, "xmldb").id
    there = listed(lab.project)
    assert there["ports"] == ["production-web", "production-xmldb"]
    assert there["groups"] == ["default", "production-web", "production-xmldb"]
    kept = [name for name in there["volumes"] if name not in ("production-texts", "production-web-root")]
    for name in kept:
        assert re.fullmatch(r"production-(texts|web-root)-until-[0-9t]+z", name)
        assert f"bin/cloud purge volume:{name.removeprefix('production-')}" in said(last)


def cut_off(lab: Typed, proxy: Proxy, calls: int, *words: str, typed: str | None = None) -> None:
    """After one of its calls to the cloud, whichever; the last one, after which nothing can be cut off, is not among them."""
    assert versions(proxy) <= {"volume 3.42"}
    proxy.forget()
    number = random.randrange(1, calls)
    print(f"{words[0]} is cut off after {number} calls")  # to be seen where the test fails
    lab.cut_off(*words, when=lambda: calls_to(proxy) >= number, typed=typed)


def calls_to(proxy: Proxy) -> int:
    return sum(
        request.method in ("POST", "PUT", "DELETE") and request.service != "keystone" for request, _ in list(proxy.requests)
    )


def again(lab: Typed, *words: str) -> None:
    """Typed again until the cloud is through with what it had begun."""
    deadline = time.monotonic() + 90
    while (ran := lab.cloud(*words)).returncode:
        assert time.monotonic() < deadline, ran.stderr
        # The last: what was begun can be seen since the plan was made, and not before.
        under_way = ("is busy", "is in state", "meanwhile. Nothing was changed; run again")
        assert any(sentence in ran.stderr for sentence in under_way), ran.stderr


def test_cut_off_anywhere_the_same_typed_again_completes_it(lab: Typed, proxy: Proxy) -> None:
    lab.stand_in_for_ssh()
    lab.declare(LARGER)
    for calls, *words in (
        (2, "resize", "web", "--yes"),
        (7, "extend", "texts", "--stopped"),
        (4, "snapshot", "xmldb", "--stopped"),
        (9, "restore", "texts", "--yes"),
        (6, "rebuild", "web", "--yes"),
        (2, "stop", "web", "--yes"),
    ):
        cut_off(lab, proxy, calls, *words)
        again(lab, *words)
    succeeds(lab, "start", "web")
    assert server(lab, "web").flavor["original_name"] == "p2-4gb"
    assert volume(lab, "texts").size == 5
    whole(lab)


def test_an_estate_ends_when_its_name_is_typed_and_cut_off_anywhere_nothing_is_left_in_the_end(lab: Typed, proxy: Proxy) -> None:
    """With snapshots, an image, volumes that were kept aside, a door that is open and a machine that is shut off."""
    for calls, *words in (
        (2, "open-ssh", "web", "--until", f"{datetime.now() + timedelta(hours=1):%H:%M}", "--from", "198.51.100.9"),
        (6, "quarantine", "xmldb", "--yes"),
    ):
        cut_off(lab, proxy, calls, *words)
        for closing in re.findall(r"process ([0-9]+) of this computer closes it", succeeds(lab, *words)):
            os.kill(int(closing), signal.SIGTERM)
    storage = lab.project.member.block_storage
    old = next(one for one in storage.volumes() if one.name.startswith("production-texts-until-"))
    named = [f"snapshot:{one.name.removeprefix('production-')}" for one in storage.snapshots() if one.volume_id == old.id]
    cut_off(lab, proxy, 2, "purge", *named, f"volume:{old.name.removeprefix('production-')}", "--yes")
    for _ in settled():
        if not any(one.status == "deleting" for one in (*storage.snapshots(), *storage.volumes())):
            break
    there = listed(lab.project)
    left = [word for word in named if word.replace("snapshot:", "production-") in there["snapshots"]]
    if old.name in there["volumes"]:
        succeeds(lab, "purge", *left, f"volume:{old.name.removeprefix('production-')}", "--yes")
    there = listed(lab.project)
    assert old.name not in there["volumes"]
    assert there["snapshots"]
    assert there["images"]
    assert any("-until-" in name for name in there["volumes"])
    assert "production-quarantine" in there["groups"]

    wrong = lab.cloud("teardown", typed="prodution")
    assert (wrong.returncode, wrong.stderr.splitlines()[-1]) == (1, "Nothing was deleted.")
    assert listed(lab.project) == there
    cut_off(lab, proxy, 20, "teardown", typed="production")
    ended = lab.cloud("teardown", typed="production")
    assert ended.returncode == 0, ended.stderr
    there = listed(lab.project)
    assert there == {kind: ["default"] if kind == "groups" else [] for kind in there}
