"""What goes wrong on a real cloud: each thing is a sentence, the rest goes on where it can, and the next run completes it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from tests.cloud.control.launch import Control
from tests.cloud.control.trouble import ATTACHING, SPAWNING, trouble
from tests.cloud.faults import Proxy, answers, expired, late, lost, meanwhile, slow
from tests.cloud.lab import CloudLab, listed, refusals, settled, steps
from tests.cloud.project import CLOUD, Project, make_project

# Two machines: what goes wrong with one leaves the other alone.
TWO = "del machines[2:], volumes[1:], flows[3:]\n"


@pytest.fixture
def lab(project: Project, proxy: Proxy, tmp_path: Path) -> CloudLab:
    lab = CloudLab(project, tmp_path, {**project.environment(proxy.clouds), "RECETTES_CLOUD_PATIENCE": "90"})
    lab.declare(TWO)
    return lab


def complete(lab: CloudLab) -> None:
    """Nothing is missing, doubled, or to be done."""
    last = lab.dry()
    assert last.changes == [], last.output
    assert refusals(last) == ""
    there = listed(lab.project)
    assert there["servers"] == ["production-web", "production-xmldb"]
    assert there["volumes"] == ["production-texts", "production-web-root", "production-xmldb-root"]
    assert there["ports"] == ["production-web", "production-xmldb"]
    assert there["groups"] == ["default", "production-web", "production-xmldb"]
    assert (len(there["floating"]), there["networks"], there["routers"]) == (1, ["production-private"], ["production-private"])


def test_what_passes_by_itself_is_not_even_told(lab: CloudLab, proxy: Proxy) -> None:
    proxy.add("nova", "POST", "/v2.1/.*servers", lost)
    proxy.add("neutron", "POST", "/v2.0/networks", lost)
    proxy.add("neutron", "POST", "/v2.0/ports", answers(503))
    proxy.add("cinder", "POST", "/v3/.*volumes", answers(500))
    proxy.add("nova", "GET", "/v2.1/.*servers/.*", answers(502), times=2)
    proxy.add("neutron", "POST", "/v2.0/security-group-rules", expired, first=3)
    patient(proxy, 6)
    proxy.add("cinder", "POST", "/v3/.*volumes", late(8), about="production-texts")
    made = lab.apply()
    assert made.status == 0, made.output
    complete(lab)


def patient(proxy: Proxy, seconds: int) -> None:
    """How long clouds.yaml lets each request take."""
    clouds = yaml.safe_load(proxy.clouds.read_text())
    clouds["clouds"][CLOUD]["api_timeout"] = seconds
    proxy.clouds.write_text(yaml.safe_dump(clouds))


def test_each_answer_to_what_is_asked_for_is_a_sentence_and_the_next_run_completes(lab: CloudLab, proxy: Proxy) -> None:
    for service, path, about, status in (
        ("neutron", "/v2.0/floatingips", "", 403),
        ("neutron", "/v2.0/security-group-rules", "8984", 401),
        ("neutron", "/v2.0/security-group-rules", "443", 409),
        ("cinder", "/v3/.*volumes", "production-texts", 500),
        ("nova", "/v2.1/.*servers", "production-xmldb", 503),
    ):
        proxy.add(service, "POST", path, answers(status, f"words of {status}"), times=1000, about=about)
    run = lab.apply()
    assert run.status != 0
    for sentence in (
        "create floating-ip web: the credentials may not do this (POST /floatingips of network): words of 403",
        "8984/tcp: the cloud lab does not take the credentials of clouds.yaml: words of 401",
        "443/tcp: POST /security-group-rules of network: the cloud answered 409: words of 409",
        "create volume texts: POST /volumes of block-storage: the cloud answered 500: words of 500",
        "create server xmldb: POST /servers of compute: the cloud answered 503: words of 503",
        "attach volume texts: not begun, as this was not done",
    ):
        assert sentence in refusals(run)
    assert "The next run goes on from here" in refusals(run)
    assert listed(lab.project)["servers"] == ["production-web"]
    proxy.forget()
    second = lab.apply()
    assert second.status == 0, second.output
    complete(lab)


def test_what_fails_is_a_sentence_and_the_rest_goes_on(lab: CloudLab, proxy: Proxy, project: Project) -> None:
    project.quota(cores=3)
    assert "needs 4 vCPU, 3 left of 3" in refusals(lab.dry())
    project.quota(cores=4)
    # Somebody else has taken the last address meanwhile.
    proxy.add("neutron", "POST", "/v2.0/floatingips", meanwhile(lambda: project.quota(floating_ips=0)))
    with trouble(project.place, SPAWNING, project.id, "production-xmldb"):
        run = lab.apply()
    assert run.status != 0
    assert "create floating-ip web: the project's quota does not allow it" in refusals(run)
    assert "server xmldb went to state ERROR" in refusals(run)
    assert "attach volume texts: not begun, as this was not done: create server xmldb" in refusals(run)
    web = next(server for server in project.member.compute.servers() if server.name == "production-web")
    assert web.status == "ACTIVE"
    project.quota(floating_ips=1)
    second = lab.apply()
    assert second.status == 0, second.output
    assert steps(second, "run") == ["replace server xmldb", "create floating-ip web", "attach volume texts"]
    complete(lab)


def test_a_volume_that_is_never_attached_is_told_in_the_end(lab: CloudLab, project: Project) -> None:
    # One machine with a disk of its own: only the data volume is attached.
    lab.declare("machines[0:] = [machines[0].model_copy(update={'flavour': 'c2-7.5gb-31'})]; flows[2:] = []; volumes[:] = []\n")
    assert lab.apply().status == 0
    text = (lab.group_data / "lab.py").read_text()
    more = "volumes[:] = [CloudVolume(name='data', machine='web', size=1, mount='/srv/data')]\nlab = Lab("
    (lab.group_data / "lab.py").write_text(text.replace("lab = Lab(", more))
    lab.environment["RECETTES_CLOUD_PATIENCE"] = "15"  # enough for the volume to be made
    with trouble(project.place, ATTACHING, project.id, "production-web"):
        run = lab.apply()
    assert run.status != 0
    assert "attaching volume data has not happened in 15 seconds" in refusals(run)
    lab.environment["RECETTES_CLOUD_PATIENCE"] = "90"
    second = lab.apply()  # by now the cloud is through with it, or nearly
    assert second.status == 0, second.output
    (data,) = project.member.block_storage.volumes()
    assert data.status == "in-use"
    assert lab.dry().changes == []


def test_a_cloud_that_cannot_be_read_is_not_taken_for_an_empty_one(lab: CloudLab, proxy: Proxy) -> None:
    for fault, sentence in (
        (answers(401), "does not take the credentials"),
        (answers(500, "no way"), "the cloud answered 500: no way. Nothing was changed in the cloud"),
    ):
        proxy.forget()
        proxy.add("neutron", "GET", "/v2.0/ports", fault, times=1000)
        run = lab.apply()
        assert run.status != 0
        assert sentence in refusals(run)
    assert proxy.count(method="POST") <= 2  # for tokens
    assert listed(lab.project)["networks"] == []
    for service, path, fault, sentence in (
        ("nova", "/v2.1/.*servers/detail", answers(403, "no way"), "may not do this (GET /servers/detail of compute): no way"),
        (
            "cinder",
            "/v3/.*volumes/detail",
            answers(409, "no way"),
            "GET /volumes/detail of block-storage: the cloud answered 409",
        ),
        ("glance", "/v2/images", answers(503, "no way"), "GET /images of image: the cloud answered 503: no way"),
        ("neutron", "/v2.0/networks", slow(6), "GET /networks of network: the cloud did not answer in 5 seconds"),
    ):
        proxy.forget()
        proxy.add(service, "GET", path, fault, times=1000)
        patient(proxy, 5 if fault.__qualname__.startswith("slow") else 60)
        ran = lab.command(".venv-cloud/bin/python", "-W", "ignore", "-m", "recettes.cloud.reading")
        assert (ran.returncode, len(ran.stdout.splitlines())) == (1, 1)
        assert sentence in ran.stdout


def test_killed_at_any_point_the_next_run_completes(control: Control, tmp_path: Path) -> None:
    project = make_project(control.place, tmp_path / "cloud")
    lab = CloudLab(project, tmp_path, project.environment())
    lab.declare(TWO)
    chance = random.Random()
    killed = [lab.killed(chance.uniform(3, 8)) for _ in range(3)]
    assert any(killed)
    there: dict[str, list[str]] = {}
    for _ in settled():  # until the cloud is through with what the last one had just asked for
        before, there = there, listed(project)
        if before == there:
            break
    last = lab.apply()
    assert last.status == 0, last.output
    complete(lab)
