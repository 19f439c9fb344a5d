"""What the cloud has already, or does not have: names that are taken, tags that are on two things, a network of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.faults import Proxy, edited
from tests.cloud.lab import CloudLab, listed, refusals, steps
from tests.cloud.project import Project

TWO = "del machines[2:], volumes[1:], flows[3:]\n"
ONE = "del machines[1:], volumes[:], flows[2:]\nmachines[0] = machines[0].model_copy(update={'flavour': 'c2-7.5gb-31'})\n"
CAMPUS = "from functools import partial\nCloud = partial(Cloud, network='campus')\n"


@pytest.fixture
def lab(project: Project, proxy: Proxy, tmp_path: Path) -> CloudLab:
    return CloudLab(project, tmp_path, project.environment(proxy.clouds))


def foreign_server(project: Project, name: str, **metadata: str) -> Any:
    compute = project.member.compute
    image = next(project.member.image.images(os_distro="ubuntu"))
    flavour = compute.find_flavor("c2-7.5gb-31", ignore_missing=False).id
    made = compute.create_server(name=name, flavor_id=flavour, image_id=image.id, networks="none", metadata=metadata)
    return compute.wait_for_server(made, interval=0.1)


def test_a_taken_name_is_left_alone_until_it_is_handed_over_and_two_of_one_tag_are_refused(lab: CloudLab) -> None:
    lab.declare(TWO)
    cloud = lab.project.member
    network = cloud.network.create_network(name="production-private")
    texts = cloud.block_storage.create_volume(name="production-texts", size=3)
    xmldb = foreign_server(lab.project, "production-xmldb")
    run = lab.apply()
    assert run.status != 0
    hand_over = dict(re.findall(r"If it is to be the estate's: openstack (\w+) set (.*?) [0-9a-f-]{36}", refusals(run)))
    assert sorted(hand_over) == ["network", "volume"]
    assert f"A server cannot be handed over: openstack server set --name OTHER {xmldb.id}" in refusals(run)
    there = listed(lab.project)
    assert (there["servers"], there["volumes"]) == (["production-xmldb"], ["production-texts"])
    assert cloud.compute.get_server(xmldb.id).metadata == {}
    assert cloud.block_storage.get_volume(texts.id).metadata == {}

    # As the sentences say.
    properties = dict(re.findall(r"--property ([a-z-]+)=(\S+)", hand_over["volume"]))
    cloud.block_storage.set_volume_metadata(texts.id, **properties)
    cloud.network.update_network(network, description=hand_over["network"].removeprefix("--description ").strip("'"))
    cloud.compute.update_server(xmldb, name="other")
    second = lab.apply()
    assert second.status == 0, second.output
    there = listed(lab.project)
    assert (there["servers"], there["networks"]) == (["other", "production-web", "production-xmldb"], ["production-private"])
    assert cloud.block_storage.get_volume(texts.id).status == "in-use"

    double = foreign_server(lab.project, "copy", **{"recettes-estate": "production", "recettes-item": "web"})
    refused = lab.apply()
    assert refused.status != 0
    assert "2 carry the tag of server web of estate production" in refusals(refused)
    assert double.id in refusals(refused)
    assert "openstack server unset --property recettes-item ID" in refusals(refused)
    assert "Nothing was begun" in refusals(refused)
    inventory = lab.pyinfra(deploy="debug-inventory")
    assert inventory.status != 0
    assert "Two servers of the cloud carry the tag of one machine" in inventory.output
    cloud.compute.delete_server_metadata(double, ["recettes-item"])
    last = lab.dry()
    assert (last.status, last.changes) == (0, []), last.output


def test_a_flavour_and_an_image_that_do_not_exist_are_refused_before_anything_is_made(lab: CloudLab, proxy: Proxy) -> None:
    lab.declare("machines[1] = machines[1].model_copy(update={'flavour': 'p2-nothing'})\n")

    def no_debian(answer: Any) -> None:
        answer["images"] = [image for image in answer["images"] if image.get("os_distro") != "debian"]

    proxy.add("glance", "GET", "/v2/images", edited(no_debian), times=1000)
    run = lab.apply()
    assert run.status != 0
    assert "machine xmldb: the cloud has no flavour called p2-nothing; it has " in refusals(run)
    assert "machine web: the cloud has no image of debian 13; it has " in refusals(run)
    assert "Nothing was begun" in refusals(run)
    writes = [request.path for request, _ in proxy.requests if request.method != "GET" and request.service != "keystone"]
    assert writes == []


def test_a_network_of_the_clouds_own_is_used_and_addresses_may_run_out(lab: CloudLab) -> None:
    lab.declare(ONE + CAMPUS)
    cloud = lab.project.member
    refused = lab.apply()
    assert refused.status != 0
    assert "the project has no network called campus; it has none. Nothing was begun" in refusals(refused)

    campus = cloud.network.create_network(name="campus")
    subnet = cloud.network.create_subnet(network_id=campus.id, ip_version=4, cidr="10.9.0.0/24")
    router = cloud.network.create_router(name="campus", external_gateway_info={"network_id": lab.project.external.network_id})
    cloud.network.add_interface_to_router(router, subnet=subnet.id)
    lab.project.free_addresses(0)
    run = lab.apply()
    assert run.status != 0
    assert "create floating-ip web: the cloud has no floating IP left to give: " in refusals(run)
    (server,) = cloud.compute.servers()
    assert server.status == "ACTIVE"
    (port,) = cloud.network.ports(name="production-web")
    assert port.network_id == campus.id

    lab.project.free_addresses(1)
    second = lab.apply()
    assert second.status == 0, second.output
    assert steps(second, "run") == ["create floating-ip web"]
    assert lab.dry().changes == []
    end = lab.apply("--data", "cloud_purge=everything:production")
    assert end.status == 0, end.output
    there = listed(lab.project)
    assert (there["networks"], there["routers"], there["servers"], there["groups"]) == (["campus"], ["campus"], [], ["default"])
