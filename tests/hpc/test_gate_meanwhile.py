"""What meets a running job, a batch that is being dropped, or a job that died; and markers that make no sense."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.hpc.account import Account, stream
from tests.hpc.inside import GATE, call
from tests.hpc.test_gate_limits import TWO, Clock

PAGES = {"p1.png": b"one", "p2.png": b"two"}


def test_a_failed_page_that_the_job_does_meanwhile_is_no_trouble_to_status(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", failed=dict.fromkeys(PAGES, "no"))
    account.call("submit abc tiny-print")
    pages, plain = account.batch("abc") / "pages", GATE.Folder.read

    def read(folder: Any, name: str, *most: int) -> object:
        if name == "p1.png.failed":
            (pages / "p2.png.done").touch()
            (pages / "p2.png.failed").unlink(missing_ok=True)
        return plain(folder, name, *most)

    monkeypatch.setattr(GATE.Folder, "read", read)
    assert call(account, "status abc").json["failures"] == [["p1.png", "no"]]


@pytest.mark.parametrize("words", ["put abc", "submit abc tiny-print", "cancel abc", "drop abc"])
@pytest.mark.parametrize("moment", ["before its lock is opened", "after that"])
def test_a_batch_dropped_while_another_call_takes_it_is_held(
    account: Account, monkeypatch: pytest.MonkeyPatch, words: str, moment: str
) -> None:
    account.put("abc", PAGES)
    plain = os.open

    def opened(path: str, *given: Any, **options: Any) -> int:
        gone = path == "lock" and account.batch("abc").exists()
        if gone and moment.startswith("before"):
            shutil.rmtree(account.batch("abc"))
        descriptor = plain(path, *given, **options)
        if gone and moment.startswith("after"):
            shutil.rmtree(account.batch("abc"))
        return descriptor

    monkeypatch.setattr(os, "open", opened)
    call(account, words, stream(PAGES)).refused(75, "another call holds the batch")


def test_a_job_that_died_between_the_two_names_of_its_mark_is_no_trouble(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "mute").touch()
    account.call("submit abc tiny-print")
    (account.slurm / "mute").unlink()
    run = account.batch("abc") / "runs/1"
    (run / ".claim-0-100").write_text(json.dumps({"job": "100"}))
    os.link(run / ".claim-0-100", run / "0.started")
    account.set_states("NODE_FAIL")
    assert account.call("status").json["batches"][0]["state"] == "killed"
    assert account.call("submit abc tiny-print").json["attempt"] == 2


@pytest.mark.parametrize(
    "marker", ["", "[]", "{}", "[" * 100_000, "9" * 5000, '{"stopped": [], "seconds": 1e999, "contained": 7}']
)
def test_a_marker_that_makes_no_sense_keeps_nobody_from_dropping_the_batch(account: Account, marker: str) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png"])
    (account.batch("abc") / "runs/1/0.exit").write_text(marker)
    account.set_states()
    status = account.call("status").json["batches"][0]
    assert (status["done"], status["seconds"], status["contained"]) == (1, 0, "")
    assert account.call("drop abc").json["dropped"]


def test_of_two_jobs_of_one_attempt_that_one_counts_that_is_alive(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    (job,) = account.jobs()
    (account.slurm / "jobs").write_text(json.dumps([job | {"tasks": ["RUNNING"]}, job | {"job": 101, "tasks": ["CANCELLED"]}]))
    assert account.state("abc") == "running" and account.call("submit abc tiny-print").json["new"] is False
    account.call("drop abc").refused(77, "cancel it first")


def test_what_was_used_before_midnight_is_not_of_the_day_after(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, plain = Clock(), GATE.Gate.today
    monkeypatch.setattr(GATE, "time", clock)
    for batch in ("one", "two"):
        call(account, f"put {batch}", stream(TWO))
    call(account, "submit one tiny-print")

    def midnight(gate: Any) -> object:
        found = plain(gate)
        clock.now = Clock.now + 86400
        return found

    with monkeypatch.context() as patch:
        patch.setattr(GATE.Gate, "today", midnight)
        call(account, "submit two tiny-print")
    assert call(account, "hello").json["today"]["pages"] == 0


def test_a_refusal_that_nobody_hears_has_its_status(account: Account) -> None:
    heard, said = os.pipe()
    os.close(heard)
    ran = subprocess.run(account.command, env=account.environment("nonsense"), stdin=subprocess.DEVNULL, stderr=said, check=False)
    os.close(said)
    assert ran.returncode == 64
