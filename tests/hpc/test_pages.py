"""The job on the compute node: every page ends in a result or a reason, the job in a marker. Kraken is a stand-in: its faults
are the point."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.hpc import images
from tests.hpc.account import PYTHON, Account, records
from tests.hpc.images import png
from tests.hpc.inside import call
from tests.programs import program

JOB = program("ocr-pages")


class Cluster(Account):
    """An account whose jobs are run by the test."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, **settings)
        (home / "kraken/bin").mkdir(parents=True)
        kraken = home / "kraken/bin/kraken"
        shutil.copy(Path(__file__).with_name("stand_in_kraken.py"), kraken)
        kraken.chmod(0o755)
        (home / "local").mkdir()
        self.set(job={"kraken": str(kraken), "page_seconds": 20})

    def submit(self, pages: dict[str, bytes]) -> None:
        if not self.batch("abc").exists():
            self.put("abc", pages)
        assert self.call("submit abc tiny-print").json["new"]

    def job(
        self, *, task: int | None = None, seconds: float | None = 3600, killed_at: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Started as Slurm would, from what sbatch was given. It has `seconds`; None: of an old Slurm, which does not say.

        `killed_at`: it dies just before it changes something for so many times.
        """
        call = self.slurm_calls("sbatch")[-1]
        script = call["arguments"][call["arguments"].index(f"{self.folder}/ocr-job") :]
        environment = {
            **call["environment"],
            "SLURM_JOB_ID": str(self.jobs()[-1]["job"]),
            "SLURM_TMPDIR": str(self.home / "local"),
        }
        if seconds is not None:
            environment["SLURM_JOB_END_TIME"] = str(int(time.time() + seconds))
        if task is not None:
            environment |= {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_JOB_ID": environment["SLURM_JOB_ID"]}
        command = ["/bin/sh", *script]
        if killed_at is not None:
            pages = [str(self.folder / "ocr-pages"), *script[1:4]]
            command = [PYTHON, str(Path(__file__).with_name("killed_at.py")), str(killed_at), *pages]
        return subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, pages: dict[str, bytes]) -> dict[str, Any]:
        """What `status` says after the batch was submitted and its job has run."""
        self.submit(pages)
        for task in range(len(self.jobs()[-1]["tasks"])):
            job = self.job(task=task if self.jobs()[-1]["array"] else None)
            out, _ = job.communicate(timeout=120)
            assert job.returncode == 0, out
        assert list((self.home / "local").iterdir()) == []
        return dict(self.call("status abc").json)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_every_page_ends_in_a_result_or_a_reason(cluster: Cluster) -> None:
    pages = {
        "good.png": png(), "fails.png": png(do="fail image_file_is_truncated"), "mute.png": png(do="fail 1"),
        "silent.png": png(do="none"), "empty.png": png(do="empty"), "broken.png": png(do="broken"),
        "entities.png": png(do="entities"), "nameless.png": png(do="nameless"), "link.png": png(do="link /etc/passwd"),
        "text.png": b"no image", "bomb.png": png(20_000, 20_000), "sizeless.jpg": b"\xff\xd8\xff\xe0\0\4ab",
        "last.png": png(),
    }  # fmt: skip
    status = cluster.run(pages)
    assert (status["state"], status["done"], status["failed"], status["contained"]) == ("partial", 2, 11, "none")
    failures = dict(status["failures"])
    assert failures["fails.png"] == "image file is truncated" and failures["mute.png"].endswith("says no more")
    assert failures["text.png"].startswith("it is no PNG") and failures["sizeless.jpg"].startswith("it says nowhere")
    assert failures["bomb.png"] == "it has 400000000 pixels, and 100000000 are allowed"
    for page in ("silent", "empty", "broken", "entities", "nameless", "link"):
        assert "no result of it that can be read" in failures[f"{page}.png"]
    results = records(cluster.call("fetch abc").out)
    assert list(results) == ["good.png.alto.xml", "last.png.alto.xml"]
    assert b"<fileName>good.png</fileName>" in results["good.png.alto.xml"]
    again = cluster.call("submit abc tiny-print").json
    listed = json.loads((cluster.batch("abc") / "runs/2/list").read_text())["pages"]
    assert again["attempt"] == 2 and {name[65:] for name in listed} == set(pages) - {
        "good.png",
        "last.png",
        "text.png",
        "bomb.png",
        "sizeless.jpg",
    }


def test_a_kraken_that_dies_costs_the_page_it_was_at(cluster: Cluster) -> None:
    status = cluster.run({"p1.png": png(), "p2.png": png(do="die"), "p3.png": png(), "p4.png": png(do="die"), "p5.png": png()})
    assert (status["state"], status["done"]) == ("partial", 3)
    assert [(page, why[:32]) for page, why in status["failures"]] == [
        ("p2.png", "Kraken ended with signal 9 at th"),
        ("p4.png", "Kraken ended with signal 9 at th"),
    ]


def test_a_page_that_takes_too_long_is_given_up_and_the_others_go_on(cluster: Cluster) -> None:
    cluster.set(job={"page_seconds": 5})
    status = cluster.run({"p1.png": png(), "p2.png": png(do="hang"), "p3.png": png()})
    assert (status["done"], status["failures"]) == (2, [["p2.png", "it took longer than 5 seconds"]])


def test_a_kraken_that_does_not_start_is_not_asked_for_every_page(cluster: Cluster) -> None:
    kraken = cluster.home / "kraken/bin/broken"
    (cluster.home / "kraken/bin/kraken").rename(kraken)
    cluster.set(job={"kraken": str(kraken)})
    status = cluster.run({f"p{number}.png": png() for number in range(9)})
    assert (status["state"], status["failed"]) == ("failed", 9)
    assert {why for _, why in status["failures"]} == {
        "Kraken ended with status 1 at this page: ImportError: no module named torch"
    }


def test_alto_and_page_both_bear_the_pages_own_name(cluster: Cluster) -> None:
    cluster.set(job={"formats": ["alto", "page"]})
    assert cluster.run({"page.png": png(), "page.jpg": images.jpeg()})["state"] == "done"
    results = records(cluster.call("fetch abc").out)
    assert list(results) == ["page.jpg.alto.xml", "page.jpg.page.xml", "page.png.alto.xml", "page.png.page.xml"]
    assert b'imageFilename="page.jpg"' in results["page.jpg.page.xml"] and b"<fileName>page.png<" in results["page.png.alto.xml"]


def test_the_tasks_of_an_array_share_the_pages(cluster: Cluster) -> None:
    cluster.set(slurm={"pages_a_task": 2})
    status = cluster.run({f"p{number}.png": png() for number in range(5)})
    assert (status["state"], status["done"]) == ("done", 5)
    assert [json.loads(path.read_text())["done"] for path in sorted((cluster.batch("abc") / "runs/1").glob("*.exit"))] == [
        2,
        2,
        1,
    ]


@pytest.mark.parametrize(
    ("seconds", "why"), [(60, "time limit"), (1800, "somebody took the job back"), (None, "somebody took the job back")]
)
def test_a_job_warned_of_its_end_keeps_what_is_done_and_says_why(cluster: Cluster, seconds: float | None, why: str) -> None:
    """Slurm says a job's end in its environment (since 22.05); else it follows from the minutes asked for: here an hour."""
    cluster.submit({"p1.png": png(), "p2.png": png(do="hang")})
    job = cluster.job(seconds=seconds)
    deadline = time.monotonic() + 20
    while not (cluster.batch("abc") / "pages/p1.png.done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == 0
    status = cluster.call("status abc").json
    assert (status["state"], status["done"], status["failed"]) == ("killed", 1, 0) and why in status["why"]
    assert cluster.call("submit abc tiny-print").json["new"]
    assert len(json.loads((cluster.batch("abc") / "runs/2/list").read_text())["pages"]) == 1


def test_a_job_killed_outright_leaves_no_marker_and_no_half_result(cluster: Cluster) -> None:
    cluster.submit({"p1.png": png(), "p2.png": png(do="hang")})
    job = cluster.job()
    deadline = time.monotonic() + 20
    while not (cluster.batch("abc") / "pages/p1.png.done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGSTOP)  # it sees nothing of its Kraken's end
    subprocess.run(["pkill", "-KILL", "-P", str(job.pid)], check=True)
    job.kill()
    job.wait()
    cluster.set_states("NODE_FAIL")
    status = cluster.call("status abc").json
    assert (status["state"], status["done"]) == ("killed", 1) and status["why"].endswith("a node that failed")


def test_a_job_killed_at_any_step_is_completed_by_the_next(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "call", partial(call, cluster))  # within this process: quicker
    for step in itertools.count(1):
        cluster.submit({"p1.png": png()})
        job = cluster.job(killed_at=step)
        job.communicate(timeout=60)
        cluster.set_states("NODE_FAIL" if job.returncode else "COMPLETED")
        shutil.rmtree(cluster.home / "local")
        (cluster.home / "local").mkdir()
        if job.returncode:
            first = cluster.call("status abc").json
            assert (first["state"], first["done"], first["failed"]) in (("killed", 0, 0), ("done", 1, 0))
            if first["state"] == "killed":
                cluster.run({})
        status = cluster.call("status abc").json
        assert (status["state"], status["done"], status["failed"]) == ("done", 1, 0)
        assert list(records(cluster.call("fetch abc").out)) == ["p1.png.alto.xml"]
        cluster.call("drop abc")
        if not job.returncode:
            break
    assert step > 20


def test_a_page_whose_result_is_there_is_not_recognised_again(cluster: Cluster) -> None:
    """A job was killed after it had laid the result and before it noted the page."""
    cluster.set(job={"formats": ["alto", "page"]})
    assert cluster.run({"p1.png": png(), "p2.png": png()})["state"] == "done"
    for page in ("p1.png", "p2.png"):
        (cluster.batch("abc") / f"pages/{page}.done").unlink()
    (cluster.batch("abc") / "results/p2.png.page.xml").unlink()
    before = (cluster.batch("abc") / "results/p1.png.alto.xml").stat()
    status = cluster.run({})
    assert (status["state"], status["attempt"], status["done"]) == ("done", 2, 2)
    assert (cluster.batch("abc") / "results/p1.png.alto.xml").stat() == before


def test_a_second_job_of_the_same_attempt_does_nothing(cluster: Cluster) -> None:
    assert cluster.run({"p1.png": png()})["state"] == "done"
    jobs = cluster.jobs()
    (cluster.slurm / "jobs").write_text(json.dumps([{**jobs[0], "job": 999}]))
    job = cluster.job()
    out, _ = job.communicate(timeout=60)
    assert b"another job has this task" in out
    assert json.loads((cluster.batch("abc") / "runs/1/0.exit").read_text())["job"] == "100"


def test_a_page_that_changed_on_the_cluster_is_not_read(cluster: Cluster) -> None:
    cluster.put("abc", {"p1.png": png(), "p2.png": png()})
    (next((cluster.batch("abc") / "images").glob("*.p1.png"))).write_bytes(png(do="die"))
    status = cluster.run({})
    assert status["failures"] == [["p1.png", "it is no longer what arrived: its checksum is wrong"]]


def test_a_model_that_changed_after_it_was_checked_is_not_loaded(cluster: Cluster) -> None:
    cluster.submit({"p1.png": png()})
    (cluster.folder / "tiny-print.safetensors").write_bytes(b"pickle")
    cluster.job().communicate(timeout=60)
    status = cluster.call("status abc").json
    assert (status["state"], status["why"]) == ("killed", "the model's file is not the one in the settings")


def test_modules_are_loaded_before_the_job_starts(cluster: Cluster) -> None:
    """`module` is a function of the login shell, made by /etc/profile; here a program of that name stands for it."""
    cluster.set(job={"modules": ["StdEnv/2023", "python/3.11"]})
    cluster.submit({"p1.png": png()})
    call = cluster.slurm_calls("sbatch")[-1]
    script = call["arguments"][call["arguments"].index(f"{cluster.folder}/ocr-job") :]
    (cluster.home / "bin").mkdir()
    (cluster.home / "bin/module").write_text(f'#!/bin/sh\necho "$@" >{cluster.home}/loaded\n')
    (cluster.home / "bin/module").chmod(0o755)
    environment = {
        **call["environment"],
        "PATH": f"{cluster.home}/bin:/usr/bin:/bin",
        "SLURM_TMPDIR": str(cluster.home / "local"),
    }
    subprocess.run(["/bin/sh", *script], env=environment, check=True, capture_output=True)
    assert (cluster.home / "loaded").read_text() == "load StdEnv/2023 python/3.11\n"
    assert cluster.state("abc") == "done"
