"""How each kind of step is done, of those that a person asks for: see recettes.cloud.life."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from recettes.cloud.api import COMPUTE, IMAGES, VOLUMES, CloudError
from recettes.cloud.doing import does
from recettes.cloud.doing_machines import ask, free, marked, running
from recettes.cloud.life.names import snapshot as snapshot_name
from recettes.cloud.life.quiet import end_script, grow_script, quiet_script
from recettes.cloud.life.sizes import GROW
from recettes.cloud.marks import TOGETHER, Mark
from recettes.cloud.reaching import on_machine
from recettes.cloud.steps import Step
from recettes.cloud.work import Work, once, only

# Cinder's microversion from which a volume in use can be extended: of Pike, 2017.
_EXTEND_IN_USE = "3.42"
_TOGETHER = 8
# Nova's tasks until a disk is taken; image_uploading comes after them.
_TAKING = ("image_snapshot_pending", "image_snapshot", "image_pending_upload")


def _server(work: Work, server: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = work.api.get(COMPUTE, f"/servers/{server}")["server"]
    return found


def _once(work: Work, server: str, action: Mapping[str, Any]) -> None:
    """What is not to be done twice: where the answer was lost, whatever the server is busy with is that."""

    def make() -> bool:
        work.api.post(COMPUTE, f"/servers/{server}/action", action)
        return True

    once(make, lambda: True if _server(work, server).get("OS-EXT-STS:task_state") else None)


def _until(work: Work, server: str, item: str, *wanted: str) -> str:
    """Wait until the server is in one of these states, with nothing under way."""

    def settled() -> str | None:
        found = _server(work, server)
        if found["status"] == "ERROR":
            said = (found.get("fault") or {}).get("message") or "the cloud gives no reason"
            raise CloudError(f"server {item} went to state ERROR: {said}")
        return str(found["status"]) if found["status"] in wanted and not found.get("OS-EXT-STS:task_state") else None

    return work.until(settled, f"server {item} in state {' or '.join(wanted)}")


@does("stop", "server")
def _stop(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    server = work.id(step.mark)
    ask(work, server, {"os-stop": None}, "SHUTOFF")
    _until(work, server, step.mark.item, "SHUTOFF")


@does("reboot", "server")
def _reboot(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    server = work.id(step.mark)
    _once(work, server, {"reboot": {"type": "HARD" if given["hard"] else "SOFT"}})
    running(work, server, step.mark)


@does("resize", "server")
def _resize(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    server = work.id(step.mark)
    before = _server(work, server)["status"]
    try:
        work.api.post(COMPUTE, f"/servers/{server}/action", {"resize": {"flavorRef": given["to"]}})
    except CloudError as error:
        if not error.doubtful:
            raise
    # Where no place was found for it, it is as before.
    if _until(work, server, step.mark.item, "VERIFY_RESIZE", before) != "VERIFY_RESIZE":
        raise CloudError(
            f"the cloud did not give {step.mark} the other flavour: no place with as much, or it was refused; as before"
        )
    _confirm(work, step, given)


@does("confirm", "server")
def _confirm(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    server = work.id(step.mark)
    try:
        ask(work, server, {"confirmResize": None}, "ACTIVE", "SHUTOFF")
    except CloudError as error:
        if "not been resized" not in str(error):  # asked twice: the first answer was lost
            raise
    _until(work, server, step.mark.item, "ACTIVE", "SHUTOFF")


@does("rebuild", "server")
def _rebuild(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    """Its own disk is written anew; name, port and volumes stay."""
    server = work.id(step.mark)
    before = _server(work, server)["status"]
    _once(work, server, {"rebuild": {"imageRef": given["image"]}})
    _until(work, server, step.mark.item, "SHUTOFF" if before == "SHUTOFF" else "ACTIVE")


@does("detach", "volume")
def _detach(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    volume = work.id(step.mark)
    try:
        work.api.delete(COMPUTE, f"/servers/{given['server']}/os-volume_attachments/{volume}")
    except CloudError as error:
        # On its way already, or not to be had.
        if error.status != 409 or work.api.get(VOLUMES, f"/volumes/{volume}")["volume"]["status"] == "in-use":
            raise
    work.until(lambda: free(work, volume), f"detaching volume {step.mark.item}")


@does("await", "volume")
def _await(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    volume = work.id(step.mark)
    work.until(lambda: free(work, volume), f"making volume {step.mark.item}")


@does("extend", "volume")
def _extend(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    volume = work.id(step.mark)
    # Noted before: whatever is cut off, the file system is not forgotten.
    work.api.post(VOLUMES, f"/volumes/{volume}/metadata", {"metadata": {GROW: "1"}}, again=True)
    version = _EXTEND_IN_USE if given["online"] else ""
    try:
        work.api.post(VOLUMES, f"/volumes/{volume}/action", {"os-extend": {"new_size": given["size"]}}, version=version)
    except CloudError as error:
        if given["online"] and error.status in (400, 404, 406, 409):
            raise CloudError(f"{error}. If this cloud extends no volume in use: the same with --stopped", error.status) from None
        if not error.doubtful:
            raise

    def extended() -> bool | None:
        found = work.api.get(VOLUMES, f"/volumes/{volume}")["volume"]
        if str(found["status"]).startswith("error"):
            raise CloudError(f"volume {step.mark.item} went to state {found['status']}; it was left so")
        return True if int(found["size"]) >= given["size"] and found["status"] in ("available", "in-use") else None

    work.until(extended, f"extending volume {step.mark.item}")


@does("grow", "volume")
def _grow(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    on_machine(work.folder, given["machine"], grow_script(given["mount"]))
    work.api.delete(VOLUMES, f"/volumes/{work.id(step.mark)}/metadata/{GROW}")


@does("restore", "volume")
def _from_snapshot(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    mark = step.mark
    body = {"name": mark.name, "size": given["size"], "description": mark.description, "metadata": given["metadata"],
            "snapshot_id": given["snapshot"]}  # fmt: skip
    made = once(
        lambda: str(work.api.post(VOLUMES, "/volumes", {"volume": body})["volume"]["id"]),
        lambda: marked(work, VOLUMES, "/volumes/detail", mark),
    )
    work.until(lambda: free(work, made), f"making volume {mark.item}")
    return made


@does("snapshot", "server")
def _snapshot(work: Work, step: Step, given: Mapping[str, Any]) -> None:
    """All that is taken is taken while the machine stands still, and it goes on whatever happens."""
    server, machine = work.id(step.mark), step.mark.item
    if given["running"] and given["stopped"]:
        _stop(work, step, {})
    elif given["running"]:
        on_machine(work.folder, machine, quiet_script(given["units"], given["mounts"]))
    try:
        _take(work, step, server, given)
    except CloudError:
        # What went wrong first is told, not what follows from it.
        with suppress(CloudError):
            _go_on(work, step, server, given)
        raise
    _go_on(work, step, server, given)
    if given["disk"]:
        _disk_kept(work, step, server, given)


def _go_on(work: Work, step: Step, server: str, given: Mapping[str, Any]) -> None:
    if not given["goes_on"]:
        return
    if given["stopped"]:
        _until(work, server, step.mark.item, "ACTIVE", "SHUTOFF")  # while its disk is uploaded, it cannot be started
        ask(work, server, {"os-start": None}, "ACTIVE")
        running(work, server, step.mark)
        return
    try:
        on_machine(work.folder, step.mark.item, end_script())
    except CloudError as error:
        told = f"{error}. Snapshot {given['label']} is not to be relied on, and {_dropped(work, step, given)}"
        raise CloudError(told) from None


def _dropped(work: Work, step: Step, given: Mapping[str, Any]) -> str:
    """What was taken goes, or it would be the newest to restore from."""
    label, estate = given["label"], step.mark.estate
    try:
        for item in given["volumes"]:
            mark = Mark(estate, "snapshot", snapshot_name(item, label))
            if there := marked(work, VOLUMES, "/snapshots/detail", mark):
                work.api.delete(VOLUMES, f"/snapshots/{there}")
        if given["disk"] and (image := _image(work, _disk_mark(step, given))):
            work.api.delete(IMAGES, f"/images/{image['id']}")
    except CloudError as error:
        return f"was not deleted ({error}): bin/cloud drop-snapshot {step.mark.item} --from {label}"
    return "was deleted"


def _take(work: Work, step: Step, server: str, given: Mapping[str, Any]) -> None:
    with ThreadPoolExecutor(_TOGETHER) as pool:
        waited = [pool.submit(_volume_taken, work, step, given, item, id_) for item, id_ in given["volumes"].items()]
        if given["disk"]:
            waited.append(pool.submit(_disk_taken, work, step, given, server))
        for one in waited:
            one.result()


def _together(step: Step, given: Mapping[str, Any]) -> dict[str, str]:
    return {TOGETHER: f"{step.mark.item} {len(given['volumes']) + bool(given['disk'])}"}


def _volume_taken(work: Work, step: Step, given: Mapping[str, Any], item: str, volume: str) -> None:
    mark = Mark(step.mark.estate, "snapshot", snapshot_name(item, given["label"]))
    # Forced: it is in use.
    body = {"volume_id": volume, "name": mark.name, "description": mark.description, "force": True,
            "metadata": mark.metadata | _together(step, given)}  # fmt: skip
    made = once(
        lambda: str(work.api.post(VOLUMES, "/snapshots", {"snapshot": body})["snapshot"]["id"]),
        lambda: marked(work, VOLUMES, "/snapshots/detail", mark),
    )

    def ready() -> bool | None:
        status = work.api.get(VOLUMES, f"/snapshots/{made}")["snapshot"]["status"]
        if status.startswith("error"):
            raise CloudError(f"the snapshot {mark.name} went to state {status}")
        return True if status == "available" else None

    work.until(ready, f"taking {item}")


def _disk_mark(step: Step, given: Mapping[str, Any]) -> Mark:
    return Mark(step.mark.estate, "image", snapshot_name(step.mark.item, given["label"]))


def _image(work: Work, mark: Mark) -> Mapping[str, Any] | None:
    listed: list[dict[str, Any]] = work.api.all(IMAGES, f"/images?name={mark.name}", "images")
    return only(listed)


def _disk_taken(work: Work, step: Step, given: Mapping[str, Any], server: str) -> None:
    """Until what is on it is held fast; the upload that follows takes minutes, and needs no machine to stand still."""
    mark = _disk_mark(step, given)
    metadata = mark.metadata | _together(step, given)

    def make() -> bool:
        work.api.post(COMPUTE, f"/servers/{server}/action", {"createImage": {"name": mark.name, "metadata": metadata}})
        return True

    once(make, lambda: True if _image(work, mark) else None)

    looks = [False]

    def taken() -> bool | None:
        # Twice, as a cloud may try its storage's own way first, and then go back.
        looks.append(_server(work, server).get("OS-EXT-STS:task_state") not in _TAKING)
        return True if looks[-2] and looks[-1] else None

    work.until(taken, f"taking the disk of {step.mark.item}")


def _disk_kept(work: Work, step: Step, server: str, given: Mapping[str, Any]) -> None:
    mark = _disk_mark(step, given)

    def ready() -> bool | None:
        found = _image(work, mark)
        if found is None or found["status"] in ("killed", "deleted", "pending_delete"):
            raise CloudError(f"the image {mark.name} was not kept: {found['status'] if found else 'it is not there any more'}")
        return True if found["status"] == "active" else None

    work.until(ready, f"keeping the disk of {step.mark.item}")
    _until(work, server, step.mark.item, "ACTIVE", "SHUTOFF")


@does("delete", "image")
def _image_gone(work: Work, step: Step, _: Mapping[str, Any]) -> None:
    work.api.delete(IMAGES, f"/images/{work.id(step.mark)}")
