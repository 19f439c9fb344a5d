"""A full disk, on the account's side and on the node's: said in words, nothing half stays, and there is a way out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.hpc.account import record, stream
from tests.hpc.images import png
from tests.hpc.test_gate_faults import wait, whole_pages
from tests.hpc.test_pages import Cluster


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs root and leave to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Its spool has 1 MB."""
    made = Cluster(tmp_path)
    with small_disk(made.spool, "1m"):
        yield made


def fill(folder: Path) -> None:
    with (folder / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 4096)


def test_a_full_disk_is_said_and_a_batch_can_still_be_dropped(cluster: Cluster) -> None:
    cluster.put("old", {"p.png": b"x" * 500_000})
    cluster.call("put abc", stream({"p.png": b"x" * 300_000, "q.png": b"y" * 300_000})).refused(73, "No space left")
    assert whole_pages(cluster, "abc") == {"p.png": b"x" * 300_000}
    fill(cluster.spool)
    cluster.call("submit old tiny-print").refused(73, "No space left")
    assert cluster.slurm_calls("sbatch") == []
    assert cluster.call("status").code == 0
    assert cluster.call("drop old").json["dropped"]
    assert cluster.call("put abc", record("q.png", b"y" * 300_000) + b"end 2\n").json["whole"]


def test_a_killed_batch_can_be_dropped_on_a_full_disk(cluster: Cluster) -> None:
    cluster.submit({"p1.png": png()})
    cluster.ran("abc", marker=False)
    cluster.set_states("NODE_FAIL")
    fill(cluster.spool)
    status = cluster.call("status abc").json
    assert (status["state"], status["why"]) == ("killed", "1 of 1 tasks left no exit marker: a node that failed")
    assert cluster.call("drop abc").json["dropped"]


def test_a_job_whose_account_is_full_says_so_and_goes_on_later(cluster: Cluster) -> None:
    cluster.set(job={"page_seconds": 5})
    cluster.submit({"p1.png": png(), "p2.png": png(do="hang"), "p3.png": png()})
    job = cluster.job()
    wait((cluster.batch("abc") / "pages/p1.png.done").exists)
    fill(cluster.spool)
    out, _ = job.communicate(timeout=60)
    assert job.returncode == 0, out
    assert list((cluster.home / "local").iterdir()) == []
    cluster.set_states("COMPLETED")
    status = cluster.call("status abc").json
    assert (status["state"], status["why"], status["done"]) == ("killed", "the account's space is full", 1)
    assert [path.name for path in (cluster.batch("abc") / "pages").iterdir()] == ["p1.png.done"]
    (cluster.spool / "rest").unlink()
    status = cluster.run({})
    assert (status["state"], status["done"], [page for page, _ in status["failures"]]) == ("partial", 2, ["p2.png"])


def test_a_page_that_does_not_fit_on_the_node_leaves_room_for_the_next(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with small_disk(cluster.home / "local", "8m"):
        status = cluster.run({"p1.png": png() + bytes(9_000_000), "p2.png": png()})
    assert (status["done"], status["failures"]) == (
        1,
        [["p1.png", "it could not be brought to the node: the node's own disk is full"]],
    )


def test_a_model_that_does_not_fit_on_the_node_stops_the_job_in_words(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with small_disk(cluster.home / "local", "8k"):
        status = cluster.run({"p1.png": png()})
    assert (status["state"], status["why"]) == ("killed", "the node's own disk is full")
