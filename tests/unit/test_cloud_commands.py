"""bin/cloud on the administrator's computer, where no cloud answers."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recettes import cloud_cli, cloud_life_cli
from recettes.change import Change
from recettes.cloud.life.asked import Asked
from recettes.cloud_cli import main
from recettes.estate import Estate, EstateError, Machine
from recettes.record import Record
from recettes.running import Ran
from tests.unit.test_cloud_life import labelled, with_server
from tests.unit.test_cloud_plan import converged


def test_a_door_is_closed_however_often_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = [1, 1, 0]
    slept: list[float] = []

    def carried_out(asked: Asked, *, dry: bool, asks: bool) -> int:
        assert (asked.command, asked.options) == ("close-ssh", {})
        return statuses.pop(0)

    monkeypatch.setattr(cloud_life_cli, "_carried_out", carried_out)
    monkeypatch.setattr(time, "sleep", slept.append)
    assert main(["close-ssh", "--at", "2020-01-01T00:00+00:00"]) == 0
    assert (statuses, slept) == ([], [60.0, 60.0])


def test_what_is_restored_is_what_was_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Asked] = []

    def run(_: str, __: list[str], ___: str, data: str, phase: str) -> Ran:
        ran.append(Asked(**json.loads(data.removeprefix("cloud_life="))))
        change = Change("cloud", "create", "volume texts-from-20261124t021500z", f"aside as texts-until-{ran[0].options['now']}")
        return Ran((Record("@local", "plan" if phase == "--dry" else "run", change),), True, "")

    monkeypatch.setattr(cloud_life_cli, "run", run)
    monkeypatch.setattr(cloud_life_cli, "confirmed", lambda _: True)
    assert main(["restore", "texts"]) == 0
    assert [one.options.get("label") for one in ran] == [None, "20261124t021500z"]
    ran.clear()
    assert main(["restore", "texts", "--from", "20261101t021500z"]) == 0
    assert [one.options["label"] for one in ran] == ["20261101t021500z"] * 2


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run of an estate of two machines, web and xmldb; the cloud itself cannot be brought to what is declared."""
    ran: list[str] = []

    def pyinfra(*words: str) -> int:
        ran.append(" ".join(words))
        return int(words[0] == "deploys/cloud.py")

    machines = {name: Machine(name, "10.20.0.9", (name,)) for name in ("web", "xmldb")}
    monkeypatch.setattr(cloud_cli, "_pyinfra", pyinfra)
    monkeypatch.setattr(cloud_cli, "present_estate", lambda: Estate("production", Path("/nowhere"), machines))
    monkeypatch.setattr(cloud_cli, "told", lambda *words: (True, f"the console of {words[2]}"))
    monkeypatch.setattr(cloud_cli, "_reached", lambda estate, name: ran.append(f"wait for {name}"))
    return ran


def test_what_the_cloud_did_not_do_keeps_no_machine_from_its_own_run(
    runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud_cli, "present_cloud", converged)
    assert main(["up"]) == 1
    assert [*runs[:1], *sorted(runs[1:3]), *runs[3:]] == [
        "deploys/cloud.py -y",
        "wait for web",
        "wait for xmldb",
        "deploys/lab.py -y",
    ]

    runs.clear()
    monkeypatch.setattr(cloud_cli, "present_cloud", lambda: with_server(converged(), "xmldb", status="ERROR"))
    assert main(["up"]) == 1
    assert runs == ["deploys/cloud.py -y", "wait for web", "deploys/lab.py -y --limit web"]
    assert "xmldb is in state ERROR. Its console:\nthe console of xmldb" in capsys.readouterr().err

    runs.clear()
    stopped = with_server(labelled(converged(), "web", "stopped"), "web", status="SHUTOFF")
    monkeypatch.setattr(cloud_cli, "present_cloud", lambda: stopped)
    assert main(["up"]) == 1
    assert runs == ["deploys/cloud.py -y", "wait for xmldb", "deploys/lab.py -y --limit xmldb"]


def test_an_estate_is_not_torn_down_by_a_purge(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["purge", "--yes", "everything:production"]) == 1
    assert "everything:production is no KIND:NAME such as volume:old. Nothing was deleted." in capsys.readouterr().err


def test_a_computer_without_a_public_address_is_asked_for_the_one_that_it_is_seen_with() -> None:
    (address,) = converged().floating_ips
    state = replace(converged(), floating_ips=(replace(address, address="127.0.0.1"),))
    with pytest.raises(EstateError, match="say --from ADDRESS"):
        cloud_life_cli._own_address(state, "production")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 3, 8, 3, 0, tzinfo=UTC), datetime(2026, 3, 8, 8, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 2, 0, tzinfo=UTC), datetime(2026, 11, 1, 9, 0, tzinfo=UTC)),
    ],
)
def test_the_clock_on_the_wall_shows_the_time_also_after_it_was_set(
    monkeypatch: pytest.MonkeyPatch, now: datetime, until: datetime
) -> None:
    monkeypatch.setenv("TZ", "America/Montreal")
    time.tzset()
    try:
        monkeypatch.setattr(cloud_life_cli, "_now", lambda: now)
        assert cloud_life_cli._next("04:00") == until
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_that_cannot_be_read_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close-ssh", "--at", "17:30"]) == 1
    assert "17:30 is no time such as" in capsys.readouterr().err
