"""The control plane of the tests itself: that it is a real one, and that what is to go wrong does."""

from __future__ import annotations

import time

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack import exceptions
from openstack.compute.v2.server import Server

from tests.cloud.control.trouble import ATTACHING, SPAWNING, trouble
from tests.cloud.faults import Proxy, answers, cut, expired, lost, meanwhile, slow
from tests.cloud.project import Project, connect


def test_a_server_boots_from_its_volume_and_has_a_floating_address(project: Project) -> None:
    cloud = project.member
    network = cloud.network.create_network(name="private")
    subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.8.0.0/24")
    external = next(cloud.network.networks(is_router_external=True))
    router = cloud.network.create_router(name="out", external_gateway_info={"network_id": external.id})
    cloud.network.add_interface_to_router(router, subnet=subnet.id)
    image = next(image for image in cloud.image.images(os_distro="debian", os_version="13"))
    volume = cloud.block_storage.create_volume(name="root", size=20, image_id=image.id)
    cloud.block_storage.wait_for_status(volume, interval=0.1)
    port = cloud.network.create_port(network_id=network.id)
    server = cloud.compute.create_server(
        name="web", flavor_id=flavour(project), networks=[{"port": port.id}],
        block_device_mapping=[{"uuid": volume.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}],
    )  # fmt: skip
    server = cloud.compute.wait_for_server(server, interval=0.1)
    assert server.status == "ACTIVE"
    assert cloud.block_storage.get_volume(volume.id).status == "in-use"

    project.free_addresses(1)
    address = cloud.network.create_ip(floating_network_id=external.id, port_id=port.id)
    assert cloud.network.get_ip(address.id).status == "ACTIVE"
    with pytest.raises(exceptions.ConflictException, match="No more IP addresses"):
        cloud.network.create_ip(floating_network_id=external.id)


def test_quotas_are_the_projects_own(project: Project) -> None:
    project.quota(instances=1, volumes=1, gigabytes=30, networks=0)
    cloud = project.member
    cloud.block_storage.create_volume(name="one", size=10)
    with pytest.raises(exceptions.HttpException, match="VolumeLimitExceeded"):
        cloud.block_storage.create_volume(name="two", size=10)
    with pytest.raises(exceptions.ConflictException, match="Quota exceeded"):
        cloud.network.create_network(name="one")
    limits = cloud.compute.get_limits().absolute
    assert limits.instances == 1


def test_a_server_fails_and_a_volume_is_stuck_where_a_test_wants_it(project: Project) -> None:
    cloud = project.member
    with trouble(project.place, SPAWNING, project.id, "doomed"):
        doomed = make_server(project, "doomed")
        with pytest.raises(exceptions.ResourceFailure):
            cloud.compute.wait_for_server(doomed, interval=0.1)
    assert cloud.compute.get_server(doomed.id).status == "ERROR"
    server = cloud.compute.wait_for_server(make_server(project, "web"), interval=0.1)
    volume = cloud.block_storage.create_volume(name="data", size=1)
    cloud.block_storage.wait_for_status(volume, interval=0.1)
    with trouble(project.place, ATTACHING, project.id, "web"):
        cloud.compute.create_volume_attachment(server, volume_id=volume.id)
        cloud.block_storage.wait_for_status(volume, status="attaching", interval=0.05)
    cloud.block_storage.wait_for_status(volume, status="in-use", interval=0.1)


def make_server(project: Project, name: str) -> Server:
    image = next(project.member.image.images(os_distro="ubuntu"))
    return project.member.compute.create_server(name=name, flavor_id=flavour(project), image_id=image.id, networks="none")


def flavour(project: Project) -> str:
    return project.member.compute.find_flavor("c2-7.5gb-31", ignore_missing=False).id


def test_requests_pass_the_proxy_are_counted_and_go_wrong_as_wanted(project: Project, proxy: Proxy) -> None:
    cloud = connect(proxy.clouds)
    assert list(cloud.compute.servers()) == []
    assert proxy.count("nova") >= 1
    assert proxy.count("keystone") >= 1

    proxy.forget()
    proxy.add("neutron", "POST", "/v2.0/networks", answers(409), first=2)
    assert cloud.network.create_network(name="one").name == "one"
    with pytest.raises(exceptions.ConflictException):
        cloud.network.create_network(name="two")
    assert cloud.network.create_network(name="three").name == "three"
    assert proxy.count("neutron", "POST") == 3

    proxy.add("nova", "GET", "/v2.1/servers/detail", slow(0.5))
    started = time.monotonic()
    assert list(cloud.compute.servers()) == []
    assert time.monotonic() - started >= 0.5


def test_a_cut_request_has_done_nothing_and_one_whose_answer_is_lost_has(project: Project, proxy: Proxy) -> None:
    cloud = connect(proxy.clouds)
    for effect, names in ((cut, []), (lost, ["net"])):
        proxy.add("neutron", "POST", "/v2.0/networks", effect)
        with pytest.raises(ConnectFailure):
            cloud.network.create_network(name="net")
        assert [each.name for each in cloud.network.networks(is_router_external=False)] == names


def test_a_token_expires_and_somebody_else_takes_the_quota_meanwhile(project: Project, proxy: Proxy) -> None:
    cloud = connect(proxy.clouds)
    list(cloud.network.networks())
    proxy.forget()
    proxy.add("neutron", "GET", "/v2.0/networks", expired)
    list(cloud.network.networks())
    assert proxy.count("keystone", "POST") == 1

    project.quota(volumes=1)
    proxy.add("cinder", "POST", "/v3/.*volumes", meanwhile(lambda: project.member.block_storage.create_volume(size=1)))
    with pytest.raises(exceptions.HttpException, match="VolumeLimitExceeded"):
        cloud.block_storage.create_volume(name="data", size=1)
