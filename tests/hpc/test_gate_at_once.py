"""Calls at the same time: they do not mix, one job is sent, and none is in another's way."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from contextlib import suppress

import pytest

from tests.hpc.account import Account, record, stream
from tests.hpc.inside import GATE, call
from tests.hpc.test_gate_faults import PAGES, wait, whole_pages


def test_two_puts_at_once_do_not_mix(account: Account) -> None:
    first = account.start("put abc")
    assert first.stdin and first.stdout
    first.stdin.write(record("p1.png", b"one"))
    first.stdin.flush()
    wait(lambda: bool(list(account.spool.glob("batches/abc/images/*.p1.png"))))
    account.call("put abc", stream({"p1.png": b"other"})).refused(75, "another call holds the batch abc")
    account.call("submit abc tiny-print").refused(75, "another call holds")
    account.call("drop abc").refused(75, "another call holds")
    account.put("abd", PAGES)
    first.stdin.write(b"end 1\n")
    first.stdin.close()
    assert first.wait(20) == 0
    assert whole_pages(account, "abc") == {"p1.png": b"one"}


def test_two_submits_at_once_send_one_job(account: Account) -> None:
    account.put("abc", PAGES)
    calls = [account.start("submit abc tiny-print", stdin=subprocess.DEVNULL) for _ in range(5)]
    codes = sorted(running.wait(30) for running in calls)
    assert codes[0] == 0 and set(codes) <= {0, 75}
    assert len(account.jobs()) == 1


def test_two_new_batches_at_once_keep_the_limit(account: Account) -> None:
    account.set(batches=2)
    calls = [account.start(f"put batch-{number}") for number in range(6)]
    for running in calls:
        assert running.stdin
        with suppress(BrokenPipeError):  # who is refused reads nothing
            running.stdin.write(stream({"p.png": b"x"}))
            running.stdin.close()
    assert sorted(running.wait(30) for running in calls) == [0, 0, 77, 77, 77, 77]


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("put new", "Folder.names"),
        ("put new", "Folder.folder"),
        ("status", "Folder.names"),
        ("status", "Batch.unsure"),
        ("status", "Slurm.jobs"),
        ("status", "Batch.standing"),
    ],
)
def test_a_batch_dropped_meanwhile_is_no_trouble_to_another(
    account: Account, monkeypatch: pytest.MonkeyPatch, words: str, moment: str
) -> None:
    """It goes just after this moment; who has opened it sees its files go."""
    for batch in ("old", "other"):
        account.put(batch, PAGES)
        account.call(f"submit {batch} tiny-print")
    owner, _, method = moment.partition(".")
    plain = getattr(getattr(GATE, owner), method)

    def dropping(*given: object) -> object:
        found = plain(*given)
        if account.batch("old").exists() and (method != "folder" or given[1] == "old"):
            account.batch("old").rename(account.home / "gone")
            shutil.rmtree(account.home / "gone")
        return found

    monkeypatch.setattr(getattr(GATE, owner), method, dropping)
    said = call(account, words, stream(PAGES)).json
    assert said["whole"] if words == "put new" else [batch["batch"] for batch in said["batches"]] == ["other"]
    assert not account.batch("old").exists()


def test_so_many_calls_at_once_and_no_more(account: Account) -> None:
    slow = [account.start(f"put batch-{number}") for number in range(GATE.AT_ONCE)]
    wait(lambda: len(list(account.spool.glob("batches/batch-*/images"))) == len(slow))
    account.call("hello").refused(75, f"too many calls at once: {GATE.AT_ONCE} are answered")
    slow[3].kill()
    slow[3].wait()
    assert account.call("hello").code == 0
    for running in slow:
        running.kill()
        running.communicate()
    assert sorted(path.name for path in (account.spool / "turns").iterdir()) == sorted(map(str, range(GATE.AT_ONCE)))


def test_a_call_that_died_leaves_its_place_though_its_sbatch_lives_on(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "late").touch()
    running = account.start("submit abc tiny-print")
    wait(lambda: bool(account.jobs()))
    with (account.spool / "turns/0").open() as place:
        with pytest.raises(BlockingIOError):
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        running.kill()
        running.wait()
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    account.call("submit abc tiny-print").refused(75, "another call holds the batch")  # sbatch does live on
    (account.slurm / "late").unlink()
