"""Stands in for neutron's agents: every port binds and is up at once, and so is what a router's agent would report later.

Nothing here filters or routes a packet. Where a server runs as a container, it gets its floating address as one of its own.
"""

from __future__ import annotations

from typing import Any

from neutron_lib import constants, context
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api

from tests.cloud.control.drivers import engine
from tests.cloud.control.place import place_of_this_service

place = place_of_this_service()


class Network(api.MechanismDriver):
    def initialize(self) -> None:
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(self._port, resources.PORT, event)
            registry.subscribe(self._floating_ip, resources.FLOATING_IP, event)
        registry.subscribe(self._floating_ip_gone, resources.FLOATING_IP, events.AFTER_DELETE)

    @property
    def connectivity(self) -> str:
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: Any) -> None:
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            {portbindings.CAP_PORT_FILTER: True},
            status=constants.PORT_STATUS_ACTIVE,
        )

    def _port(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        port = payload.latest_state
        routers = (constants.DEVICE_OWNER_ROUTER_INTF, constants.DEVICE_OWNER_ROUTER_GW)
        if port["device_owner"] in routers and port["status"] != constants.PORT_STATUS_ACTIVE:
            directory.get_plugin().update_port_status(context.get_admin_context(), port["id"], constants.PORT_STATUS_ACTIVE)

    def _floating_ip(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        address = payload.latest_state
        if place.engine_used.exists():
            self._move(address)
        up, down = constants.FLOATINGIP_STATUS_ACTIVE, constants.FLOATINGIP_STATUS_DOWN
        status = up if address.get("port_id") else down
        if address.get("status") != status:
            directory.get_plugin(plugins.L3).update_floatingip_status(context.get_admin_context(), address["id"], status)

    def _floating_ip_gone(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        if place.engine_used.exists():
            self._move({**payload.states[0], "port_id": None})

    def _move(self, address: Any) -> None:
        """To the container that has the port, if one has."""
        network = address["floating_network_id"]
        engine.take_address(network, address["floating_ip_address"])
        if not address.get("port_id"):
            return
        core, admin = directory.get_plugin(), context.get_admin_context()
        server = core.get_port(admin, address["port_id"])["device_id"]
        if server and place.machine(server).exists():
            subnet = core.get_subnets(admin, filters={"network_id": [network]})[0]
            engine.give_address(server, network, subnet, address["floating_ip_address"])

    def delete_network_postcommit(self, context: Any) -> None:
        if place.engine_used.exists():
            engine.remove_network(context.current["id"])
