"""Calls that die at any step, a quota, stalling clients: nothing lost, doubled or half."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.hpc.account import Account, digest, record, records, stream
from tests.hpc.inside import call, killed

PAGES = {"p1.png": b"one", "p2.jpg": b"two" * 50_000}


def wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def submitted(account: Account, batch: str) -> bool:
    return call(account, f"submit {batch} tiny-print").code == 0


def whole_pages(account: Account, batch: str) -> dict[str, bytes]:
    """What `have` lists, each verified against the file itself."""
    found = {}
    for page, size, checksum in call(account, f"have {batch}").json["pages"]:
        content = (account.batch(batch) / "images" / f"{checksum}.{page}").read_bytes()
        assert (len(content), digest(content)) == (size, checksum)
        found[page] = content
    return found


def test_a_put_killed_at_any_step_leaves_only_whole_pages_and_goes_on(account: Account) -> None:
    steps = 0
    while True:
        batch = f"killed-{steps}"
        died = killed(account, f"put {batch}", stream(PAGES), steps)
        there = whole_pages(account, batch)
        assert there.items() <= PAGES.items()
        whole = call(account, f"have {batch}").json["whole"]
        assert there == PAGES or not whole
        missing = {page: content for page, content in PAGES.items() if page not in there}
        assert call(account, f"put {batch}", stream(missing, end=2)).json["whole"] is True
        assert sorted(path.name for path in (account.batch(batch) / "images").iterdir()) == sorted(
            f"{digest(content)}.{page}" for page, content in PAGES.items()
        )
        assert call(account, f"drop {batch}").json["dropped"]
        if not died:
            break
        steps += 1
    assert steps > 15


def test_a_submit_killed_at_any_step_sends_one_job_in_the_end(account: Account) -> None:
    steps = 0
    while True:
        batch = f"killed-{steps}"
        assert call(account, f"put {batch}", stream(PAGES)).json["whole"]
        died = killed(account, f"submit {batch} tiny-print", b"", steps)
        assert call(account, f"status {batch}").json["state"] in ("ready", "submitting", "queued")
        wait(partial(submitted, account, batch))
        assert call(account, f"submit {batch} tiny-print").json["state"] == "queued"
        assert len([job for job in account.jobs() if job["name"].startswith(f"ocr-{batch}-")]) == 1
        call(account, f"cancel {batch}")
        assert call(account, f"drop {batch}").json["dropped"]
        if not died:
            break
        steps += 1
    assert steps > 15


def test_a_cancel_killed_at_any_step_is_completed_by_the_next(account: Account) -> None:
    steps = 0
    while True:
        assert call(account, "put abc", stream(PAGES)).json["whole"]
        assert call(account, "submit abc tiny-print").json["new"]
        died = killed(account, "cancel abc", b"", steps)
        assert call(account, "cancel abc").json["state"] == "cancelled"
        assert call(account, "status abc").json["state"] == "cancelled" and account.jobs()[-1]["tasks"] == ["CANCELLED"]
        assert call(account, "drop abc").json["dropped"]
        if not died:
            break
        steps += 1
    assert steps > 5


def test_a_drop_killed_at_any_step_is_completed_by_the_next(account: Account) -> None:
    steps = 0
    while True:
        assert call(account, "put abc", stream(PAGES)).json["whole"]
        died = killed(account, "drop abc", b"", steps)
        assert call(account, "drop abc").code == 0
        assert call(account, "status").json["batches"] == []
        if not died:
            break
        steps += 1
    assert steps > 5
    call(account, "put next", stream(PAGES))
    assert [path.name for path in (account.spool / "batches").iterdir()] == ["next"]


def test_a_real_process_killed_at_random_moments_loses_nothing(account: Account) -> None:
    pages = {f"p{number}.png": os.urandom(200_000) for number in range(30)}
    for _ in range(12):
        running = account.start("put abc")
        assert running.stdin
        feeder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=running.stdin)
        assert feeder.stdin
        content, moment = stream(pages), random.random()
        try:
            feeder.stdin.write(content[: int(len(content) * moment)])
            feeder.stdin.flush()
        finally:
            running.kill()
            running.wait()
            feeder.kill()
            feeder.wait()
            running.stdin.close()
        there = whole_pages(account, "abc")
        assert there.items() <= pages.items()
    account.put("abc", pages)
    assert whole_pages(account, "abc") == pages


def test_a_gate_killed_while_sbatch_works_does_not_send_a_second_job(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "late").touch()
    running = account.start("submit abc tiny-print")
    wait(lambda: bool(account.jobs()))
    running.kill()
    running.wait()
    account.call("submit abc tiny-print").refused(75, "another call holds the batch")  # sbatch itself holds it
    (account.slurm / "late").unlink()
    wait(lambda: account.call("submit abc tiny-print").code == 0)
    again = account.call("submit abc tiny-print").json
    assert (again["new"], again["job"]) == (False, "100") and len(account.jobs()) == 1


def test_a_client_that_stalls_is_given_up_and_what_arrived_is_kept(account: Account) -> None:
    account.set(stall_seconds=1)
    running = account.start("put abc")
    assert running.stdin and running.stderr
    running.stdin.write(record("p1.png", b"one") + record("p2.png", b"two")[:-2])
    running.stdin.flush()
    assert running.wait(20) == 65 and b"for too long" in running.stderr.read()
    assert whole_pages(account, "abc") == {"p1.png": b"one"}


def test_a_client_that_goes_away_or_reads_nothing_ends_a_fetch(account: Account) -> None:
    account.set(stall_seconds=1)
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=list(PAGES))
    (account.batch("abc") / "results/p1.png.alto.xml").write_bytes(b"x" * 10**6)
    running = account.start("fetch abc", stdin=subprocess.DEVNULL)
    assert running.wait(20) == 65  # nobody reads
    running = account.start("fetch abc", stdin=subprocess.DEVNULL)
    assert running.stdout
    running.stdout.close()
    assert running.wait(20) == 65
    assert len(records(account.call("fetch abc").out)) == 2


def test_a_file_system_that_takes_no_more_is_said_and_nothing_half_stays(account: Account) -> None:
    """A quota, as far as one can be had without root: no file may grow beyond 100 kB."""
    ran = subprocess.run(
        account.command, env=account.environment("put abc"), input=stream(PAGES), capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert ran.returncode == 73 and b"File too large" in ran.stderr
    assert whole_pages(account, "abc") == {"p1.png": b"one"}
    assert [path.name[65:] for path in (account.batch("abc") / "images").iterdir()] == ["p1.png"]


@pytest.mark.parametrize("step", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC])
def test_an_account_s_quota_is_said_and_nothing_half_stays(
    account: Account, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """A local file system says it when a page is written; one over the network may say it when it is synced."""
    call(account, "put abc", b"")
    plain = getattr(os, step)

    def full(descriptor: int, *content: bytes) -> object:
        if not content or bytes(content[0]) in PAGES.values():
            raise OSError(number, os.strerror(number))
        return plain(descriptor, *content)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        call(account, "put abc", stream(PAGES)).refused(73, os.strerror(number))
    assert list((account.batch("abc") / "images").iterdir()) == []
    assert call(account, "put abc", stream(PAGES)).json["whole"]


def test_memory_stays_bounded_however_large_the_pages(account: Account) -> None:
    account.set(page_bytes=10**9, batch_bytes=10**9)
    pages = {f"p{number}.png": bytes(80_000_000) for number in range(2)}
    limit = 160_000_000
    ran = subprocess.run(
        account.command, env=account.environment("put abc"), input=stream(pages), capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_a_closed_standard_stream_does_not_lend_its_number_to_a_file(account: Account, closed: tuple[int, ...]) -> None:
    account.put("abc", PAGES)
    before = {path: path.read_bytes() for path in account.home.rglob("*") if path.is_file() and path.name not in ("log", "calls")}
    program = f"import os, sys; [os.close(n) for n in {closed}]; os.execv(sys.argv[1], sys.argv[1:])"
    for words in ("hello", "put abc", "fetch abc", "nonsense"):
        subprocess.run(
            [account.command[0], "-c", program, *account.command],
            env=account.environment(words),
            check=False,
            input=b"",
            capture_output=True,
        )
    after = {path: path.read_bytes() for path in account.home.rglob("*") if path.is_file() and path.name not in ("log", "calls")}
    assert after == before


def test_a_terminated_put_leaves_the_batch_free(account: Account) -> None:
    # As sshd starts it: what these tests were told to ignore (nohup), a child would ignore too.
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        running = account.start("put abc")
    finally:
        signal.signal(signal.SIGHUP, ours)
    assert running.stdin
    running.stdin.write(record("p1.png", b"one"))
    running.stdin.flush()
    wait(lambda: bool(list(account.spool.glob("batches/abc/images/*.p1.png"))))
    running.send_signal(signal.SIGHUP)
    running.wait(20)
    account.put("abc", {"p1.png": b"one"})
