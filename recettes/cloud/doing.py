"""How each kind of step is done: in networks. Those of machines and volumes are in recettes.cloud.doing_machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recettes.cloud.api import NETWORK, CloudError
from recettes.cloud.marks import Mark, mark_in_description
from recettes.cloud.steps import Step
from recettes.cloud.work import NotYetError, Work, once, only

Does = Callable[[Work, Step, Mapping[str, Any]], str | None]
# Path and key of Neutron's things.
PLACES = {
    "network": ("/networks", "network"),
    "subnet": ("/subnets", "subnet"),
    "router": ("/routers", "router"),
    "group": ("/security-groups", "security_group"),
    "port": ("/ports", "port"),
    "floating-ip": ("/floatingips", "floatingip"),
}
DOES: dict[tuple[str, str], Does] = {}


def does(action: str, *kinds: str) -> Callable[[Does], Does]:
    """The function does this to things of these kinds. It gets the step's arguments with ids, and returns a new thing's."""

    def enter(function: Does) -> Does:
        DOES.update({(action, kind): function for kind in kinds})
        return function

    return enter


def _make(work: Work, mark: Mark, **wanted: Any) -> dict[str, Any]:
    path, key = PLACES[mark.kind]
    name = {} if mark.kind == "floating-ip" else {"name": mark.name}

    def make() -> dict[str, Any]:
        made: dict[str, Any] = work.api.post(NETWORK, path, {key: {**name, "description": mark.description, **wanted}})[key]
        return made

    def look() -> dict[str, Any] | None:
        listed = work.api.all(NETWORK, path, path.strip("/").replace("-", "_"))
        return only([one for one in listed if mark_in_description(one.get("description")) == mark])

    return once(make, look)


def _put(work: Work, mark: Mark, **wanted: Any) -> None:
    path, key = PLACES[mark.kind]
    work.api.put(NETWORK, f"{path}/{work.id(mark)}", {key: wanted})


@does("create", "network")
def _network(work: Work, step: Step, _: Mapping[str, Any]) -> str:
    return str(_make(work, step.mark)["id"])


@does("create", "subnet")
def _subnet(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    return str(_make(work, step.mark, network_id=given["network"], cidr=given["cidr"], ip_version=4)["id"])


@does("create", "router")
def _router(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    return str(_make(work, step.mark, external_gateway_info={"network_id": given["external"]})["id"])


@does("open", "router")
def _gateway(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    _put(work, step.mark, external_gateway_info={"network_id": given["external"]})


@does("join", "router")
def _join(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    try:
        work.api.put(NETWORK, f"/routers/{work.id(step.mark)}/add_router_interface", {"subnet_id": given["subnet"]})
    except CloudError as error:
        if "already has a port" not in str(error):  # asked twice: the first answer was lost
            raise


@does("create", "group")
def _group(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    """What a cloud puts in a new group is its own choice; what is wanted is not."""
    made = _make(work, step.mark)
    work.ids[f"group/{step.mark.item}"] = made["id"]
    wanted = [_rule(made["id"], rule) for rule in given["rules"]]
    for rule in made["security_group_rules"]:
        same = next((one for one in wanted if _alike(rule, one)), None)
        if same:
            wanted.remove(same)
        else:
            work.api.delete(NETWORK, f"/security-group-rules/{rule['id']}")
    for one in wanted:
        _open(work, one)
    return str(made["id"])


@does("open", "group")
def _opening(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    _open(work, _rule(work.id(step.mark), given))


@does("close", "group")
def _closing(work: Work, _: Step, given: Mapping[str, Any]) -> None:
    work.api.delete(NETWORK, f"/security-group-rules/{given['rule']}")


@does("empty", "group")
def _empty(work: Work, _: Step, given: Mapping[str, Any]) -> None:
    for rule in given["rules"]:
        work.api.delete(NETWORK, f"/security-group-rules/{rule}")


def _open(work: Work, rule: Mapping[str, Any]) -> None:
    def make() -> bool:
        try:
            work.api.post(NETWORK, "/security-group-rules", {"security_group_rule": rule})
        except CloudError as error:
            if error.status != 409 or "already exists" not in str(error):
                raise
        return True

    once(make, lambda: None)  # a second one is refused as a double, so no need to look


def _rule(group: str, given: Mapping[str, Any]) -> dict[str, Any]:
    rule = {
        "security_group_id": group,
        "direction": given["direction"],
        "ethertype": f"IPv{given['version']}",
        "protocol": given["protocol"] or None,
        "port_range_min": given["first"] or None,
        "port_range_max": given["last"] or None,
        "remote_group_id": given.get("remote_group"),
        "remote_ip_prefix": given.get("remote_prefix") or None,
        "description": given.get("description"),
    }
    return {key: value for key, value in rule.items() if value is not None}


def _alike(rule: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    keys = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_group_id", "remote_ip_prefix")
    return all((rule.get(key) or None) == wanted.get(key) for key in keys)


@does("create", "port")
def _port(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    return str(_make(work, step.mark, network_id=given["network"], security_groups=given["groups"])["id"])


@does("change", "port")
def _port_groups(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    guard = {"port_security_enabled": True} if given["guard"] else {}
    _put(work, step.mark, security_groups=given["groups"], **guard)


@does("create", "floating-ip")
def _floating_ip(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    try:
        made = _make(work, step.mark, floating_network_id=given["network"], port_id=given["port"])
    except CloudError as error:
        if "No more IP addresses" in str(error):
            raise CloudError(f"the cloud has no floating IP left to give: {error}", error.status) from None
        raise
    return str(made["id"])


@does("point", "floating-ip")
def _point(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    _put(work, step.mark, port_id=given["port"])


@does("adopt", "floating-ip")
def _adopt(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    _put(work, step.mark, description=step.mark.description)


@does("rename", "port", "floating-ip")
def _rename(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    path, key = PLACES[step.mark.kind]
    new = Mark(step.mark.estate, step.mark.kind, given["to"])
    name = {"name": new.name} if step.mark.kind == "port" else {}
    work.api.put(NETWORK, f"{path}/{given['id']}", {key: {**name, "description": new.description}})


@does("delete", "network", "subnet", "router", "group", "port", "floating-ip")
def _delete(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    path, _ = PLACES[step.mark.kind]
    id_ = work.id(step.mark)
    for subnet in given.get("subnets", ()):
        try:
            work.api.put(NETWORK, f"{path}/{id_}/remove_router_interface", {"subnet_id": subnet})
        except CloudError as error:
            if error.status != 404:
                raise

    def gone() -> bool:
        try:
            work.api.delete(NETWORK, f"{path}/{id_}")
        except CloudError as error:
            if error.status == 409:  # what was in it is only going, or somebody else's
                raise NotYetError(str(error), error.status) from None
            raise
        return True

    work.until(gone, f"the end of {step.mark}")
