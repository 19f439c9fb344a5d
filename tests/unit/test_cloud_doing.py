"""How steps are done, with a cloud that says what it is told to."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, cast

import pytest

from recettes.cloud import doing_life, work
from recettes.cloud.api import Api, CloudError
from recettes.cloud.applying import apply
from recettes.cloud.life.quiet import end_script
from recettes.cloud.steps import Step
from recettes.cloud.work import Work
from tests.unit.test_cloud_life import LABEL
from tests.unit.test_cloud_plan import mark


class Cloud:
    """`answers` by the beginning of a request, "GET /servers/"; of several answers, each once, the last for ever."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, service: str, path: str) -> Any:
        return self._answer(f"GET {path}")

    def all(self, service: str, path: str, key: str) -> Any:
        return self._answer(f"GET {path}")

    def post(self, service: str, path: str, body: Mapping[str, Any], **_: Any) -> Any:
        return self._answer(f"POST {path} {next(iter(body))}")

    def delete(self, service: str, path: str) -> None:
        self._answer(f"DELETE {path}")

    def _answer(self, request: str) -> Any:
        self.asked.append(request)
        answers = next((given for start, given in self.answers.items() if request.startswith(start)), [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, CloudError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_INTERVAL", 0.001)


def server(status: str, task: str = "") -> dict[str, Any]:
    return {"server": {"id": "vx", "status": status, "OS-EXT-STS:task_state": task or None}}


def taken(*images: str) -> Cloud:
    """The disk of a server and one volume of it are taken; the image has these states, one after the other."""
    tasks = ("image_snapshot_pending", "image_uploading", "image_pending_upload", "image_uploading", "image_uploading", "")
    name = f"texts-{LABEL}"
    snapshot = {"id": "s", "status": "available", "metadata": mark("snapshot", name).metadata}
    answers: dict[str, list[Any]] = {
        "GET /servers/": [server("ACTIVE", task) for task in tasks],
        "POST /snapshots": [{"snapshot": snapshot}],
        "GET /snapshots/detail": [[snapshot]],
        "GET /snapshots/": [{"snapshot": snapshot}],
        "GET /images": [[{"id": "im", "status": status}] for status in images],
    }  # fmt: skip
    return Cloud(answers)


STEP = Step(
    "snapshot", mark("server", "xmldb"), detail=LABEL,
    arguments={"label": LABEL, "volumes": {"texts": "t"}, "disk": True, "running": True, "stopped": False, "goes_on": True,
               "units": [], "mounts": ["/srv/texts"]},
)  # fmt: skip


def done(cloud: Cloud, step: Step, ids: dict[str, str]) -> str:
    """Why it was not; "" where it was."""
    outcome = apply(Work(cast("Api", cloud), ids, patience=2), [step], io.StringIO())
    return outcome.failed.get(step.key, "")


def test_a_machine_goes_on_once_its_disk_is_taken_and_not_only_when_it_is_uploaded(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = taken("saving", "saving", "active")

    def on_machine(folder: Any, machine: str, script: str) -> str:
        if script == end_script():
            cloud.asked.append("it goes on")
        return ""

    monkeypatch.setattr(doing_life, "on_machine", on_machine)
    assert done(cloud, STEP, {"server/xmldb": "vx"}) == ""
    goes_on = cloud.asked.index("it goes on")
    assert cloud.asked[:goes_on].count("GET /servers/vx") == 5  # not at the first image_uploading, after which it went back
    assert "GET /images?name=production-xmldb-" + LABEL in cloud.asked[goes_on:]


def test_what_is_not_to_be_relied_on_is_no_snapshot_to_restore_from(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = taken("saving")

    def on_machine(folder: Any, machine: str, script: str) -> str:
        if script == end_script():
            raise CloudError("the machine had gone on by itself before all was taken")
        return ""

    monkeypatch.setattr(doing_life, "on_machine", on_machine)
    why = done(cloud, STEP, {"server/xmldb": "vx"})
    assert f"Snapshot {LABEL} is not to be relied on, and was deleted" in why
    assert [one for one in cloud.asked if one.startswith("DELETE")] == ["DELETE /snapshots/s", "DELETE /images/im"]


def test_a_server_that_the_cloud_cannot_delete_is_told_at_once() -> None:
    ends = [server("ERROR", "deleting"), server("ERROR")]
    cloud = Cloud({"GET /servers/": ends})
    why = done(cloud, Step("delete", mark("server", "web")), {"server/web": "vw"})
    assert why == "server web could not be deleted: it went to state ERROR"
    gone = Cloud({"GET /servers/": [server("ERROR", "deleting"), CloudError("not found", 404)]})
    assert done(gone, Step("delete", mark("server", "web")), {"server/web": "vw"}) == ""


def test_what_a_run_that_was_cut_off_has_begun_to_delete_is_waited_for() -> None:
    refused = CloudError("Invalid volume: Volume status must be available or error", 400)
    volume = {"volume": {"status": "deleting"}}
    cloud = Cloud({"DELETE /volumes/": [refused], "GET /volumes/": [volume, volume, CloudError("not found", 404)]})
    assert done(cloud, Step("delete", mark("volume", "old")), {"volume/old": "o"}) == ""
    used = Cloud({"DELETE /volumes/": [refused], "GET /volumes/": [{"volume": {"status": "available"}}]})
    assert done(used, Step("delete", mark("volume", "old")), {"volume/old": "o"}) == str(refused)


def test_a_snapshot_that_the_cloud_keeps_is_told_at_once() -> None:
    snapshot = {"snapshot": {"status": "deleting"}}, {"snapshot": {"status": "available"}}
    why = done(Cloud({"GET /snapshots/": [*snapshot]}), Step("delete", mark("snapshot", "old")), {"snapshot/old": "o"})
    assert why.startswith("snapshot old could not be deleted: the cloud kept it")
