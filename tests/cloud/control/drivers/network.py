"""Stands in for neutron's agents: every port binds and is up at once, and so is what a router's agent would report later."""

from __future__ import annotations

from typing import Any

from neutron_lib import constants, context
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api


class Network(api.MechanismDriver):
    def initialize(self) -> None:
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(self._port, resources.PORT, event)
            registry.subscribe(self._floating_ip, resources.FLOATING_IP, event)

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
        up, down = constants.FLOATINGIP_STATUS_ACTIVE, constants.FLOATINGIP_STATUS_DOWN
        status = up if address.get("port_id") else down
        if address.get("status") != status:
            directory.get_plugin(plugins.L3).update_floatingip_status(context.get_admin_context(), address["id"], status)
