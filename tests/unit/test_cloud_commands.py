"""bin/cloud on the administrator's computer, where no cloud answers."""

from __future__ import annotations

import time

import pytest

from recettes import cloud_life_cli
from recettes.cloud.life.asked import Asked
from recettes.cloud_cli import main


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
