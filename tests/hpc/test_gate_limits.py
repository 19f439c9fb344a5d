"""Limits, the end of the key, the log, and what makes the gate refuse to work at all."""

from __future__ import annotations

import os
import re
import subprocess
import time
from functools import partial
from pathlib import Path
from time import struct_time

import pytest

from recettes.containers.waiting import until
from tests.hpc.account import ADDRESS, Account, stream
from tests.hpc.inside import GATE, call
from tests.programs import program

PAGE = {"p.png": b"x" * 1000}
TWO = {"p1.png": b"x" * 600, "p2.png": b"y" * 600}


def test_stop_closes_the_key_at_once(account: Account) -> None:
    (account.folder / "STOP").touch()
    for words in ("hello", "put abc", "status", "id"):
        account.call(words).refused(69, "stopped")
    (account.folder / "STOP").unlink()
    assert account.call("hello").code == 0


def test_stop_ends_an_upload_under_way(account: Account) -> None:
    call = account.start("put abc")
    assert call.stdin and call.stderr
    call.stdin.write(stream(PAGE)[:-6])
    call.stdin.flush()
    until(lambda: any(account.spool.glob("batches/abc/images/*.p.png")), "the page is there", seconds=20)
    (account.folder / "STOP").touch()
    call.stdin.write(b"end 1\n")
    call.stdin.close()
    assert call.wait(20) == 69 and b"stopped" in call.stderr.read()
    assert not (account.batch("abc") / "whole").exists()


def test_stop_ends_an_upload_within_a_page_and_a_fetch_within_a_result(account: Account) -> None:
    account.put("abc", PAGE)
    account.call("submit abc tiny-print")
    account.ran("abc", done=list(PAGE))
    (account.batch("abc") / "results/p.png.alto.xml").write_bytes(b"x" * 10**6)
    upload, fetch = account.start("put new"), account.start("fetch abc")
    assert upload.stdin and upload.stderr and fetch.stdout and fetch.stderr
    upload.stdin.write(stream({"slow.png": b"x" * 100_000})[:1000])
    upload.stdin.flush()
    fetch.stdout.read(1000)
    until(lambda: any(account.spool.glob("batches/new/images/.part-slow.png")), "the page has begun", seconds=20)
    (account.folder / "STOP").touch()
    upload.stdin.write(b"x")
    upload.stdin.flush()
    fetch.stdout.read()
    assert fetch.wait(20) == 69 and b"stopped" in fetch.stderr.read()
    assert upload.wait(20) == 69 and b"stopped" in upload.stderr.read()
    assert list((account.batch("new") / "images").iterdir()) == []
    upload.stdin.close()


def test_the_key_ends_with_its_day(account: Account) -> None:
    account.set(until=time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400)))
    assert account.call("hello").code == 0
    account.set(until=time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400)))
    account.call("hello").refused(69, "this key ended with")


@pytest.mark.parametrize(
    ("settings", "pages", "said"),
    [
        ({"pages": 1}, TWO, "at most 1 pages"),
        ({"page_bytes": 599}, TWO, "a page has 1 to 599"),
        ({"batch_bytes": 1199}, TWO, "1199 bytes"),
        ({}, {"empty.png": b""}, "has 0 bytes"),
    ],
)
def test_a_batch_keeps_within_its_limits(account: Account, settings: dict[str, int], pages: dict[str, bytes], said: str) -> None:
    account.set(**settings)
    account.call("put abc", stream(pages)).refused(77, said)
    assert not (account.batch("abc") / "whole").exists()


def test_all_batches_together_keep_within_theirs(account: Account) -> None:
    account.set(batches=2)
    account.put("one", PAGE)
    account.call("put two", b"")
    account.call("put three", stream(PAGE)).refused(77, "no more are allowed")
    account.set(batches=9, batch_bytes=5000, spool_bytes=10999)
    account.call("put three", stream(PAGE)).refused(77, "no room")
    account.set(spool_bytes=11000)
    account.put("three", PAGE)
    made = account.batch("one") / "made"
    made.write_text(str(int(time.time()) - 31 * 86400))
    account.set(spool_bytes=10**9)
    account.call("put four", stream(PAGE)).refused(77, "to be dropped first: one")
    account.call("drop one")
    account.put("four", PAGE)


class Clock:
    """In the place of the module `time`."""

    now = 1_800_000_000  # morning of a day in January 2027
    sleep, strftime = staticmethod(time.sleep), staticmethod(time.strftime)

    def time(self) -> int:
        return self.now

    def gmtime(self) -> struct_time:
        return time.gmtime(self.now)


def test_a_clock_set_a_day_on_and_back_opens_no_limit_and_makes_no_batch_old(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, day = Clock(), 86400
    monkeypatch.setattr(GATE, "time", clock)
    account.set(age_days=1, pages_a_day=2, until="2027-01-17")
    put = partial(call, account, given=stream(TWO))
    clock.now += day
    assert put("put one").json["whole"] and call(account, "submit one tiny-print").json["new"]
    clock.now -= day
    assert put("put two").json["whole"] and call(account, "submit two tiny-print").json["new"]
    assert put("put three").json["whole"]
    for off in (0, day, 0):
        clock.now = Clock.now + off
        call(account, "submit three tiny-print").refused(77, "4 pages today")
        assert call(account, "status one").json["state"] == "queued"
    clock.now = Clock.now + day + 1
    put("put four").refused(77, "to be dropped first: three two")
    clock.now = Clock.now + 3 * day
    call(account, "hello").refused(69, "ended with 2027-01-17")
    clock.now = Clock.now
    assert call(account, "hello").json["today"]["pages"] == 2 and put("put four").json["whole"]


@pytest.mark.usefixtures("one_day")
def test_a_day_has_so_many_pages_and_core_hours(account: Account) -> None:
    account.set(pages_a_day=3)
    for batch in ("one", "two"):
        account.put(batch, TWO)
    account.call("submit one tiny-print")
    account.call("submit two tiny-print").refused(77, "4 pages today, and 3 are allowed")
    account.set(pages_a_day=100, core_hours_a_day=3.9)
    account.call("submit two tiny-print").refused(77, "4.0 core-hours today, and 3.9 are allowed")
    assert account.state("two") == "ready" and len(account.slurm_calls("sbatch")) == 1
    account.set(core_hours_a_day=4)
    assert account.call("submit two tiny-print").json["new"]


def test_a_batch_has_so_many_jobs(account: Account) -> None:
    account.set(attempts=2)
    account.put("abc", PAGE)
    for _ in range(2):
        account.call("submit abc tiny-print")
        account.set_states("TIMEOUT")
    account.call("submit abc tiny-print").refused(77, "2 jobs were sent")


def test_a_minute_has_so_many_calls_and_the_log_is_not_filled_by_more(account: Account) -> None:
    account.set(calls_a_minute=3)
    answers = [account.call("hello") for _ in range(12)]
    assert {answer.code for answer in answers} == {0, 75}
    assert len((account.spool / "log").read_text().splitlines()) <= 8  # of two minutes, should one begin meanwhile


def test_the_log_says_who_asked_what_and_what_came_of_it(account: Account) -> None:
    account.put("abc", PAGE)
    account.call("submit abc tiny-print")
    account.call(b"put \x1b[2J$(id)\n\xff")
    lines = (account.spool / "log").read_text().splitlines()
    assert all(re.match(rf"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ {ADDRESS} ", line) for line in lines)
    assert [line.split(" ", 2)[2] for line in lines] == [
        "put abc: begins",
        "put abc: ok pages 1, bytes 1000",
        "submit abc tiny-print: begins",
        "submit abc tiny-print: ok state queued, job 100",
        "put ?[2J$(id)?: refused (64): this is not one of the commands of this key: "
        "hello, put, have, submit, status, fetch, cancel, drop",
    ]


def test_the_log_is_bounded(account: Account) -> None:
    account.set(log_bytes=1000, log_files=2)
    for _ in range(30):
        account.call("hello")
    assert sorted(path.name for path in account.spool.glob("log*")) == ["log", "log.1"]
    assert all(path.stat().st_size <= 1000 for path in account.spool.glob("log*"))


@pytest.mark.parametrize("path", ["ocr", "ocr/ocr-gate", "ocr/ocr-gate.json", "ocr/ocr-job", "ocr/ocr-pages", ".", "spool"])
def test_nothing_is_done_when_others_could_change_the_gate(account: Account, path: str) -> None:
    (account.home / path).chmod(0o775)
    answer = account.call("put abc", stream(PAGE))
    answer.refused(78, "")
    assert "changed by others" in answer.words or "open to others" in answer.words or "written by others" in answer.words
    assert not (account.spool / "batches").exists()


@pytest.mark.parametrize(("mode", "code"), [(0o755, 0), (0o1777, 0), (0o775, 78), (0o757, 78)])
def test_a_spool_that_a_colleague_could_exchange_for_another_is_not_used(account: Account, mode: int, code: int) -> None:
    """The folder of a project, which its members can write, will not do; one like /tmp will."""
    shared = account.home / "project/scratch"
    (shared / "ada").mkdir(parents=True, mode=0o700)
    shared.chmod(mode)
    account.set(spool=str(shared / "ada"))
    answer = account.call("hello")
    assert answer.code == code and (not code or f"{shared} can be changed by others" in answer.words)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
@pytest.mark.parametrize("path", ["ocr", "ocr/ocr-gate.json", "spool"])
def test_nothing_is_done_when_a_part_of_the_gate_is_somebody_elses(account: Account, path: str) -> None:
    os.chown(account.home / path, 12345, 12345)
    account.call("hello").refused(78, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_job_works_in_no_folder_that_is_somebody_elses(account: Account) -> None:
    os.chown(account.spool, 12345, 12345)
    with pytest.raises(OSError, match="belongs to another account"):
        program("ocr-pages").open_folder(str(account.spool))


def test_settings_that_are_wrong_are_named_and_nothing_is_done(account: Account) -> None:
    account.set(
        pages=0,
        until="soon",
        nonsense=1,
        slurm={"account": "$(id)"},
        models={"m": {"file": "/x.ckpt", "sha256": "0"}, "../m": {}},
    )
    answer = account.call("hello")
    answer.refused(78, "missing, unknown or out of range")
    for name in ("pages", "until", "nonsense", "slurm.account", "models.m.file", "models.m.sha256", "models.../m"):
        assert name in answer.words
    (account.folder / "ocr-gate.json").unlink()
    account.call("hello").refused(78, "ocr-gate.json is missing")


def test_an_interpreter_that_is_not_isolated_is_refused(account: Account) -> None:
    ran = subprocess.run(
        [account.command[0], account.command[2]], env=account.environment("hello"), capture_output=True, check=False
    )
    assert ran.returncode == 78 and b"not isolated" in ran.stderr


def test_python_variables_and_modules_lying_about_change_nothing(account: Account, tmp_path: Path) -> None:
    for folder in (account.folder, tmp_path / "lib"):
        folder.mkdir(exist_ok=True)
        (folder / "json.py").write_text("raise SystemExit(0)")
        (folder / "sitecustomize.py").write_text("raise SystemExit(0)")
    lib = os.fsencode(tmp_path / "lib")
    environment = {
        b"PYTHONPATH": lib,
        b"PYTHONSTARTUP": lib + b"/json.py",
        b"PYTHONHOME": b"/nonexistent",
        b"PYTHONINSPECT": b"1",
    }
    assert account.call("hello", environment=environment).json["gate"] == 1
