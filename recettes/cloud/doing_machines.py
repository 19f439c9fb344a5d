"""How each kind of step is done: to servers and volumes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from recettes.cloud.api import COMPUTE, NETWORK, VOLUMES, CloudError
from recettes.cloud.doing import does
from recettes.cloud.marks import Mark, mark_in_metadata
from recettes.cloud.steps import Step
from recettes.cloud.work import Work, once, only

_WAKING = {"start": "os-start", "unpause": "unpause", "resume": "resume"}
_PLACES = {"server": (COMPUTE, "/servers"), "volume": (VOLUMES, "/volumes"), "snapshot": (VOLUMES, "/snapshots")}


@does("create", "volume")
def _volume(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    mark = step.mark
    image = {"imageRef": given["image"]} if given["image"] else {}
    body = {"name": mark.name, "size": given["size"], "description": mark.description, "metadata": mark.metadata, **image}
    made = once(
        lambda: work.api.post(VOLUMES, "/volumes", {"volume": body})["volume"]["id"],
        lambda: marked(work, VOLUMES, "/volumes/detail", mark),
    )
    work.ids[f"volume/{mark.item}"] = made
    work.until(lambda: free(work, made), f"making volume {mark.item}")
    return str(made)


def marked(work: Work, service: str, path: str, mark: Mark) -> str | None:
    listed = work.api.all(service, path, f"{mark.kind}s")
    return only([one["id"] for one in listed if mark_in_metadata(mark.kind, one.get("metadata") or {}) == mark])


def free(work: Work, volume: str) -> bool | None:
    """Whether the volume can be used now. Raises CloudError where it never will be."""
    status = work.api.get(VOLUMES, f"/volumes/{volume}")["volume"]["status"]
    if status.startswith("error"):
        raise CloudError(f"the volume {volume} went to state {status}; it was left so")
    return True if status == "available" else None


@does("create", "server")
def _server(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    mark = step.mark
    body: dict[str, Any] = {
        "name": mark.name,
        "flavorRef": given["flavor"],
        "networks": [{"port": given["port"]}],
        "metadata": given["metadata"],
        # Its disk is read by root alone, where the metadata service tells every account of the machine.
        "config_drive": True,
        "user_data": base64.b64encode(work.user_data[mark.item].encode()).decode(),
    }
    if given["volume"]:
        work.until(lambda: free(work, given["volume"]), f"having the system's volume of {mark.item}")
        kept = {"source_type": "volume", "destination_type": "volume", "boot_index": 0, "delete_on_termination": False}
        body["block_device_mapping_v2"] = [{**kept, "uuid": given["volume"]}]
    else:
        body["imageRef"] = given["image"]
    made = once(
        lambda: work.api.post(COMPUTE, "/servers", {"server": body})["server"]["id"],
        lambda: marked(work, COMPUTE, "/servers/detail", mark),
    )
    work.ids[f"server/{mark.item}"] = made
    running(work, made, mark)
    return str(made)


def running(work: Work, server: str, mark: Mark) -> None:
    def active() -> bool | None:
        found = work.api.get(COMPUTE, f"/servers/{server}")["server"]
        if found["status"] == "ERROR":
            said = (found.get("fault") or {}).get("message") or "the cloud gives no reason"
            raise CloudError(f"server {mark.item} went to state ERROR: {said}")
        return True if found["status"] == "ACTIVE" and not found.get("OS-EXT-STS:task_state") else None

    work.until(active, f"server {mark.item} running")


@does("replace", "server")
def _replace(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    _delete_and_wait(work, step, {})
    port = work.api.get(NETWORK, f"/ports/{given['port']}")["port"]
    if port.get("device_id"):
        work.api.put(NETWORK, f"/ports/{given['port']}", {"port": {"device_id": "", "device_owner": ""}})
    return _server(work, step, given) or ""


def ask(work: Work, server: str, action: Mapping[str, Any], *wanted: str) -> None:
    """Of a server, to get to one of these states. A refusal is none where it is there, or on its way, already."""
    try:
        work.api.post(COMPUTE, f"/servers/{server}/action", action, again=True)
    except CloudError as error:
        if error.status != 409:
            raise
        found = work.api.get(COMPUTE, f"/servers/{server}")["server"]
        if found["status"] not in wanted and not found.get("OS-EXT-STS:task_state"):
            raise


@does("start", "server")
@does("unpause", "server")
@does("resume", "server")
def _wake(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    server = work.id(step.mark)
    ask(work, server, {_WAKING[step.action]: None}, "ACTIVE")
    running(work, server, step.mark)


@does("await", "server")
def _await(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    running(work, work.id(step.mark), step.mark)


@does("label", "server")
def _label(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    work.api.post(COMPUTE, f"/servers/{work.id(step.mark)}/metadata", {"metadata": given["metadata"]}, again=True)


@does("plug", "server")
def _plug(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    server = work.id(step.mark)

    def plugged() -> bool | None:
        return True if work.api.get(NETWORK, f"/ports/{given['port']}")["port"].get("device_id") == server else None

    def plug() -> bool:
        work.api.post(COMPUTE, f"/servers/{server}/os-interface", {"interfaceAttachment": {"port_id": given["port"]}})
        return True

    if not plugged():
        once(plug, plugged)
        work.until(plugged, f"plugging the port of {step.mark.item}")


@does("rename", "server", "volume")
def _rename(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    service, path = _PLACES[step.mark.kind]
    new = Mark(step.mark.estate, step.mark.kind, given["to"])
    work.ids[f"{new.kind}/{new.item}"] = given["id"]
    work.api.put(service, f"{path}/{given['id']}", {step.mark.kind: {"name": new.name}})
    work.api.post(service, f"{path}/{given['id']}/metadata", {"metadata": new.metadata}, again=True)


@does("attach", "volume")
def _attach(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    volume, server = work.id(step.mark), given["server"]

    def attached() -> bool | None:
        found = work.api.get(VOLUMES, f"/volumes/{volume}")["volume"]
        there = any(one.get("server_id") == server for one in found["attachments"])
        return True if found["status"] == "in-use" and there else None

    def ready() -> bool | None:
        return True if attached() else free(work, volume)

    work.until(ready, f"volume {step.mark.item} being free")
    if attached():
        return
    once(
        lambda: work.api.post(COMPUTE, f"/servers/{server}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}}),
        attached,
    )
    work.until(attached, f"attaching volume {step.mark.item}")


@does("delete", "server", "volume", "snapshot")
def _delete_and_wait(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    kind, id_ = step.mark.kind, work.id(step.mark)
    if kind == "volume":
        work.until(lambda: let_go(work, id_), f"volume {step.mark.item} being free")
    service, path = _PLACES[kind]
    try:
        work.api.delete(service, f"{path}/{id_}")
    except CloudError:
        left = _there(work, kind, id_)
        if left and left["status"] != "deleting":  # else a run that was cut off had asked for it
            raise

    def gone() -> bool | None:
        left = _there(work, kind, id_)
        # A server in ERROR stays so while it goes; a task says that it does.
        failed = left and (left["status"].startswith("error_") or left["status"] == "ERROR")
        if left and failed and not left.get("OS-EXT-STS:task_state"):
            raise CloudError(f"{step.mark} could not be deleted: it went to state {left['status']}")
        if left and kind in ("volume", "snapshot") and left["status"] == "available":  # from "deleting", where it was
            raise CloudError(f"{step.mark} could not be deleted: the cloud kept it, as it does with what a volume was made from")
        return None if left else True

    work.until(gone, f"the end of {step.mark}")


def _there(work: Work, kind: str, id_: str) -> Mapping[str, Any] | None:
    """The thing as it is now, None where it is gone."""
    service, path = _PLACES[kind]
    try:
        found: Mapping[str, Any] = work.api.get(service, f"{path}/{id_}")[kind]
    except CloudError as error:
        if error.status == 404:
            return None
        raise
    return found


def let_go(work: Work, volume: str) -> bool | None:
    found = _there(work, "volume", volume)
    return None if found and found["status"] in ("in-use", "detaching") else True
