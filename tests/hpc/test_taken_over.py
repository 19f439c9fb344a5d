"""What an image that takes Kraken over can do: nothing to the account, nothing to the next Kraken, nothing to the job's watch."""

from __future__ import annotations

import ctypes
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.images import png
from tests.hpc.test_pages import Cluster
from tests.programs import program

JOB = program("ocr-pages")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


DEEDS = {
    "leaves its process group": """import os
if not os.fork():
    os.setsid()
    os._exit(0)
if os.wait()[1]:
    raise PermissionError""",
    "empties a file": "import os; os.truncate({file!r}, 0)",
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_an_old_landlock_does_not_hold_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    """Before Linux 6.2 it holds no truncate: here it is told to be that old."""
    plain, file = ctypes.CDLL, cluster.home / "file"
    file.write_text("the account's")

    class Old:
        def __init__(self, *given: Any, **options: Any) -> None:
            self.libc = plain(*given, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.libc, name)

        def syscall(self, number: int, *given: Any) -> int:
            return 2 if number == 444 and given[0] is None else int(self.libc.syscall(number, *given))

    monkeypatch.setattr(ctypes, "CDLL", Old)
    work = JOB.Work(cluster.settings["job"])
    try:
        command = ["/usr/bin/python3", "-c", DEEDS[deed].format(file=str(file))]
        held = work.start(("landlock", [], True), command, stderr=subprocess.PIPE)
        assert b"PermissionError" in held.communicate(timeout=20)[1] and held.returncode == 1
    except subprocess.SubprocessError:
        pytest.skip("this kernel has no Landlock")
    finally:
        shutil.rmtree(work.path)
    assert file.read_text() == "the account's"


def taken_over(cluster: Cluster, does: str) -> None:
    """From now on Kraken does this at a page that says `do:die`."""
    kraken = cluster.home / "kraken/bin/kraken"
    kraken.write_text(kraken.read_text().replace('    elif do == "die":\n', f'    elif do == "die":\n        {does}\n'))


def test_a_log_as_its_writer_likes_it_does_not_hold_up_the_job(cluster: Cluster) -> None:
    cluster.set(job={"page_seconds": 2})
    taken_over(cluster, 'print("Failed processing " * 20_000, flush=True); time.sleep(600)')
    began = time.monotonic()
    status = cluster.run({"p1.png": png(do="die"), "p2.png": png()})
    assert status["failures"] == [["p1.png", "it took longer than 2 seconds"]] and time.monotonic() - began < 20


def test_what_one_kraken_leaves_is_not_there_for_the_next_nor_afterwards(cluster: Cluster) -> None:
    """Folders too deep for rmtree among it. In its HOME a Python finds modules to run."""
    deep = 'os.chdir(os.environ["HOME"]); [(os.mkdir("a"), os.chdir("a")) for _ in range(1500)]; os.kill(os.getpid(), 9)'
    taken_over(cluster, deep)
    status = cluster.run({"p1.png": png(do="die"), "p2.png": png(do="peek /proc/self/environ"), "p3.png": png()})
    assert (status["state"], status["done"]) == ("partial", 2)
    assert not list((cluster.home / "local").iterdir())


def test_a_result_that_hides_its_document_type_is_not_parsed() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE alto [<!ENTITY b "{}">]><alto><Page/>{}</alto>'
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="declares entities"):
        JOB.checked(text.format("y" * 4_000_000, "&b;" * 98).encode("utf-16"), "alto", "p1.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_why_a_page_failed_is_read_off_the_log() -> None:
    log = (
        b"x Failed processing /in/0001.png: no lines      kraken.py:393  \n"
        b"Failed processing /in/0002.png: 1   kraken.py:9\nFailed processing /in/0003.png: a kraken.py:x"
    )
    assert JOB.failures(log) == {"0001": "no lines", "0002": "", "0003": "a kraken.py:x"}
