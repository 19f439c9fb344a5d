"""The control plane of the tests itself: that it is a real one, and that what is to go wrong does."""

from __future__ import annotations

import pytest
from openstack import exceptions

from tests.cloud.faults import Proxy, answers
from tests.cloud.project import Project, connect


def test_a_server_becomes_active_with_its_volume_and_its_floating_address(project: Project) -> None:
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
    flavour = cloud.compute.find_flavor("p2-4gb", ignore_missing=False)
    server = cloud.compute.create_server(
        name="web", flavor_id=flavour.id, networks=[{"port": port.id}],
        block_device_mapping=[{"uuid": volume.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}],
    )  # fmt: skip
    server = cloud.compute.wait_for_server(server, interval=0.1)
    address = cloud.network.create_ip(floating_network_id=external.id, port_id=port.id)
    assert server.status == "ACTIVE"
    assert cloud.block_storage.get_volume(volume.id).status == "in-use"
    assert cloud.network.get_ip(address.id).status == "ACTIVE"


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
