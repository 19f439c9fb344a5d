"""Jobs that end otherwise than by themselves, on real Slurm: each way is told apart, and nothing is lost by it.

Kraken is replaced by a program that takes as long, or as much memory, as the test wants.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recettes.containers.cluster.settings import HOST, USER
from recettes.containers.waiting import until
from tests.hpc.cluster.lab import Cluster

PROGRAM = "/usr/local/bin/kraken"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08\1\0\0\0\0\0\0\0\0\0\0\0\0IDAT"
SLEEPS = "#!/bin/sh\nexec sleep 600\n"
EATS = "#!/usr/bin/python3 -ISB\nimport time\neaten = bytearray(1 << 30)\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def slow(deployed: Cluster) -> Iterator[Cluster]:
    """The cluster with a Kraken that sleeps, in jobs of 300 MB."""
    put_kraken(deployed, SLEEPS)
    with deployed.settings(job={"kraken": PROGRAM, "contain": "none"}, slurm={"memory_mb": 300, "minutes": 60}):
        yield deployed
        deployed.machine.run(f"scancel --user={USER}", check=False)


def put_kraken(cluster: Cluster, text: str) -> None:
    cluster.write(PROGRAM, text, "0755")


def running(cluster: Cluster, batch: str) -> str:
    """The number of the batch's job, whose Kraken runs."""
    job = handed_in(cluster, batch)
    until(lambda: bool(cluster.machine.run(f"pgrep -f '[o]cr-pages .* {batch} '", check=False).out), f"the job of {batch} runs")
    until(lambda: cluster.status(batch)["state"] == "running", f"the job of {batch} is known to run")
    return job


def handed_in(cluster: Cluster, batch: str) -> str:
    cluster.put(batch, {"page.png": PNG})
    return cluster.submit(batch)


def killed(cluster: Cluster, batch: str) -> str:
    """Why, once the batch's job was killed."""
    until(lambda: cluster.status(batch)["state"] not in ("queued", "running"), f"{batch} has ended")
    found = cluster.status(batch)
    assert found["state"] == "killed", found
    return str(found["why"])


@pytest.fixture(scope="module")
def long(slow: Cluster) -> str:
    """A job that runs while the other tests are made."""
    running(slow, "long")
    return "long"


def state(cluster: Cluster) -> str:
    """The node's; with a `*` at its end as long as it does not answer."""
    return cluster.machine.run(f"sinfo --noheader --nodes={HOST} --format=%T").out.strip()


def test_somebodys_scancel_is_told(slow: Cluster, long: str) -> None:
    job = running(slow, "taken-back")
    slow.as_user(f"scancel {job}")
    until(lambda: "scancel" in killed(slow, "taken-back"), "Slurm's own word is there")
    again = slow.call("submit taken-back tiny-print").json
    assert again["attempt"] == 2 and again["job"] != job
    assert slow.call("cancel taken-back").json["state"] == "cancelled"


def test_too_little_memory_is_told(slow: Cluster, long: str) -> None:
    put_kraken(slow, EATS)
    handed_in(slow, "too-large")
    try:
        assert "memory" in killed(slow, "too-large")
    finally:
        put_kraken(slow, SLEEPS)


def test_a_controller_that_does_not_answer_ends_no_job(slow: Cluster, long: str) -> None:
    slow.machine.run("systemctl stop slurmctld")
    try:
        assert slow.status(long)["state"] == "unknown"
        slow.put("meanwhile", {"page.png": PNG})
        slow.call("submit meanwhile tiny-print").refused(75, "Slurm")
    finally:
        slow.machine.run("systemctl start slurmctld")
    # Until the node has registered itself anew, what is said of its state may be forgotten.
    until(lambda: state(slow) in ("idle", "mixed", "allocated"), "the node answers the controller")
    until(lambda: slow.status(long)["state"] == "running", "the controller knows the job again")
    # What was refused was not handed in after all, and is now, once.
    assert slow.call("submit meanwhile tiny-print").json["new"]
    assert not slow.call("submit meanwhile tiny-print").json["new"]
    assert slow.machine.run("squeue --noheader --states=all --format=%j | grep -c meanwhile").out.strip() == "1"
    slow.call("cancel meanwhile")


def test_a_drained_node_keeps_a_job_waiting(slow: Cluster, long: str) -> None:
    drain = f"scontrol update nodename={HOST} state=drain reason=test"
    until(lambda: slow.machine.run(drain, check=False).code == 0 and state(slow) == "draining", "the node is drained")
    try:
        handed_in(slow, "waiting")
        assert slow.status("waiting")["state"] == "queued"
        assert slow.status(long)["state"] == "running"
    finally:
        # Seen twice: the controller, started anew a moment ago, has forgotten by now what it was told of the node.
        slow.machine.run(f"scontrol update nodename={HOST} state=resume", check=False)
    until(lambda: slow.status("waiting")["state"] == "running", "the node takes the job")
    slow.call("cancel waiting")


def test_the_time_limit_is_told(slow: Cluster) -> None:
    """Of the least minutes there can be: Slurm warns the job half a minute after its start, or a little later."""
    with slow.settings(slurm={"minutes": 2}):
        running(slow, "too-long")
    assert "time limit" in killed(slow, "too-long")


def test_a_node_that_fails_is_told(slow: Cluster) -> None:
    running(slow, "lost")
    slow.machine.run(f"scontrol update nodename={HOST} state=down reason=test")
    try:
        until(lambda: "a node that failed" in killed(slow, "lost"), "Slurm's own word is there")
    finally:
        slow.machine.run(f"scontrol update nodename={HOST} state=resume", check=False)
