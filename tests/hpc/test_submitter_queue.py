"""Images dropped in the queue, against the real gate: taken when whole, gathered, told about, never twice."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from tests.hpc.account import Account
from tests.hpc.submitter import ALTO, Submitter, image

FAILED = "NOT-RECOGNISED.txt"


@pytest.fixture
def submitter(tmp_path: Path) -> Submitter:
    (tmp_path / "home").mkdir(mode=0o700)
    return Submitter(tmp_path, Account(tmp_path / "home"))


def run(submitter: Submitter) -> int:
    return submitter.ocr("queue", "run").status


def results(submitter: Submitter) -> list[str]:
    return sorted(str(path.relative_to(submitter.results)) for path in submitter.results.rglob("*.*") if path.is_file())


def words(submitter: Submitter, word: str) -> int:
    return sum(call.split()[0] == word for call in submitter.calls)


def test_small_drops_share_a_job_and_results_keep_the_tree(submitter: Submitter) -> None:
    for path in ("letters/1890/p1.png", "letters/1891/p1.png", "letters/1891/box 2/p1.png"):
        submitter.drop(f"tiny-print/{path}", image(path))
    assert run(submitter) == 0
    assert len(submitter.account.jobs()) == 1
    submitter.finish()
    assert run(submitter) == 0
    found = results(submitter)
    assert [path for path in found if path.endswith(".xml")] == [
        "tiny-print/letters/1890/p1.xml",
        "tiny-print/letters/1891/box 2/p1.xml",
        "tiny-print/letters/1891/p1.xml",
    ]
    assert len([path for path in found if path.endswith(".zip")]) == 3
    assert submitter.batches() == [] and FAILED not in "".join(found)
    assert len(list(submitter.queue.rglob("*.png"))) == 3, "what was dropped stays"

    calls = len(submitter.calls)
    (submitter.queue / "tiny-print/letters/1890/p1.png").touch()
    assert run(submitter) == 0 and len(submitter.calls) == calls, "nothing is new, so nothing is asked"


def test_a_file_that_is_still_being_copied_is_left_alone(submitter: Submitter) -> None:
    """Its size or time changes between two looks, or its name says so."""
    submitter.set(queue={**submitter.settings["queue"], "settle_seconds": 3600})
    submitter.drop("tiny-print/a/p1.png", image("half"))
    for name in ("p2.png.part", ".p3.png", "p4.png.filepart", "Thumbs.db"):
        submitter.drop(f"tiny-print/a/{name}", image(name))
    assert run(submitter) == 0 and submitter.calls == []
    submitter.set(queue={**submitter.settings["queue"], "settle_seconds": 0})
    submitter.drop("tiny-print/a/p1.png", image("whole"))
    run(submitter)
    (batch,) = submitter.batches()
    (sent,) = (submitter.account.batch(batch) / "images").iterdir()
    assert sent.read_bytes() == image("whole")


def test_drops_wait_for_others_to_share_a_job_with(submitter: Submitter) -> None:
    submitter.set(queue={**submitter.settings["queue"], "gather_seconds": 3600, "gather_pages": 3})
    submitter.drop("tiny-print/a/p1.png", image("1"))
    submitter.drop("tiny-print/b/p1.png", image("2"))
    run(submitter)
    assert submitter.batches() == []
    submitter.drop("tiny-print/c/p1.png", image("3"))
    run(submitter)
    assert len(submitter.account.jobs()) == 1 and words(submitter, "put") == 1


def test_what_cannot_be_read_is_said_beside_the_results_and_holds_up_nothing(submitter: Submitter) -> None:
    submitter.drop("tiny-print/a/good.png", image("good"))
    submitter.drop("tiny-print/a/empty.png", b"")
    submitter.drop("tiny-print/a/letter.docx", b"PK")
    submitter.drop("tiny-print/a/large.png", image("large" * 40000))
    submitter.drop(os.fsdecode(b"tiny-print/a/\xff.png"), image("name"))
    submitter.drop("stray.png", image("stray"))
    submitter.drop("other-model/a/p1.png", image("model"))
    (submitter.queue / "tiny-print/a/link.png").symlink_to(submitter.folder / "ocr.json")
    os.mkfifo(submitter.queue / "tiny-print/a/pipe.png")
    assert run(submitter) == 0
    submitter.finish()
    assert run(submitter) == 0
    assert (submitter.results / "tiny-print/a/good.xml").exists()
    told = (submitter.results / "tiny-print/a" / FAILED).read_text()
    for line in ("empty.png: is no image", "letter.docx: is no image", "large.png: has", "link.png: cannot", "pipe.png: cannot"):
        assert line in told, told
    assert "\\xff.png: has signs" in told
    assert "n'est pas une image" in told, "in French as well"
    assert "stray.png: lies outside" in (submitter.results / FAILED).read_text()
    assert "tiny-print" in (submitter.results / "other-model/a" / FAILED).read_text()

    # Mended: the file is replaced, the model comes, the others are taken away.
    submitter.drop("tiny-print/a/empty.png", image("not any more"))
    for path in (
        "tiny-print/a/letter.docx",
        "tiny-print/a/large.png",
        "tiny-print/a/link.png",
        "tiny-print/a/pipe.png",
        "stray.png",
    ):
        (submitter.queue / path).unlink()
    (submitter.queue / os.fsdecode(b"tiny-print/a/\xff.png")).unlink()
    models = submitter.account.settings["models"]
    submitter.account.set(models={**models, "other-model": models["tiny-print"]})
    run(submitter)
    submitter.finish()
    run(submitter)
    assert not [path for path in results(submitter) if path.endswith(FAILED)]
    assert (submitter.results / "tiny-print/a/empty.xml").exists() and (submitter.results / "other-model/a/p1.xml").exists()


def test_a_corrected_image_has_its_own_text_and_so_has_the_old_one_when_it_is_put_back(submitter: Submitter) -> None:
    def recognised(content: str) -> str:
        submitter.drop("tiny-print/a/p1.png", image(content))
        run(submitter)
        submitter.finish(results={page: ALTO.format(page=page, text=content) for page in pages_sent(submitter)})
        assert run(submitter) == 0
        assert [path for path in results(submitter) if path.endswith(".xml")] == ["tiny-print/a/p1.xml"]
        return (submitter.results / "tiny-print/a/p1.xml").read_text()

    for content in ("blurred", "sharp", "blurred"):
        assert f"<Layout>{content}</Layout>" in recognised(content)
    assert len(submitter.account.jobs()) == 3
    recognised("blurred")
    assert len(submitter.account.jobs()) == 3, "the same once more is nothing new"


def test_projects_are_charged_to_their_clusters(submitter: Submitter) -> None:
    clusters = {**submitter.settings["clusters"], "elsewhere": {"host": "elsewhere.test", "user": "eve"}}
    submitter.set(clusters=clusters, projects={"book": "cluster", "film": "elsewhere"})
    submitter.drop("book/tiny-print/a/p1.png", image("book"))
    submitter.drop("tiny-print/a/p1.png", image("nobody's"))
    run(submitter)
    assert len(submitter.account.jobs()) == 1 and len(submitter.batches()) == 1
    assert "book, film" in (submitter.results / "tiny-print/a" / FAILED).read_text()


@pytest.mark.usefixtures("one_day")
def test_a_day_s_limit_and_a_full_gate_make_the_rest_wait(submitter: Submitter) -> None:
    submitter.account.set(pages=2, pages_a_day=3, batches=2)
    for number in range(5):
        submitter.drop(f"tiny-print/a/p{number}.png", image(str(number)))
    assert run(submitter) == 0
    sizes = [len(list((submitter.account.batch(batch) / "images").iterdir())) for batch in submitter.batches()]
    assert sorted(sizes) == [1, 2], "three pages today, two a batch"
    assert run(submitter) == 0
    submitter.finish()
    assert run(submitter) == 0
    submitter.account.set(pages_a_day=100)
    run(submitter)
    submitter.finish()
    run(submitter)
    assert len([path for path in results(submitter) if path.endswith(".xml")]) == 5


def test_a_page_that_changes_before_it_is_sent_is_sent_as_it_is_then(submitter: Submitter) -> None:
    place = submitter.drop("tiny-print/a/p1.png", image("before"))
    submitter.fault(says={"err": "ocr-gate: not now\n", "status": 75}, at=2)
    run(submitter)
    assert submitter.batches() == []
    place.write_bytes(image("after"))
    submitter.fault()
    for _ in range(3):
        clear_holds(submitter)
        run(submitter)
    (batch,) = submitter.batches()
    (sent,) = (submitter.account.batch(batch) / "images").iterdir()
    assert sent.read_bytes() == image("after")
    submitter.finish()
    run(submitter)
    assert results(submitter) and len(submitter.account.jobs()) == 1


def test_a_closed_gate_is_told_once_and_left_in_peace(submitter: Submitter) -> None:
    submitter.drop("tiny-print/a/p1.png", image("1"))
    stop = submitter.account.folder / "STOP"
    stop.touch()
    closed = submitter.ocr("queue", "run")
    assert closed.status == 4 and "gate is closed" in closed.err
    asked = len(submitter.calls)
    still = submitter.ocr("queue", "run")
    assert still.status == 4 and "gate is closed" in still.err and len(submitter.calls) == asked
    stop.unlink()
    clear_holds(submitter)
    assert run(submitter) == 0 and len(submitter.account.jobs()) == 1


def test_a_cluster_that_is_declared_no_more_holds_up_no_other(submitter: Submitter) -> None:
    """Renamed or taken out while a batch is there: that one waits and is named, what belongs to others goes on."""
    there = submitter.settings["clusters"]["cluster"]
    submitter.drop("tiny-print/a/p1.png", image("1"))
    assert run(submitter) == 0
    submitter.set(clusters={"renamed": there})
    submitter.drop("tiny-print/a/p2.png", image("2"))
    said = submitter.ocr("queue", "run")
    assert said.status == 4 and "The cluster called cluster is declared no more" in said.err, said
    assert len(submitter.account.jobs()) == 2
    for command in ("status", "fetch"):
        asked = submitter.ocr(command)
        assert asked.status == 4 and "is declared no more" in asked.err, asked
    submitter.finish()
    submitter.set(clusters={"cluster": there, "renamed": there})
    assert run(submitter) == 0 and "tiny-print/a/p1.xml" in results(submitter), "declared again, it goes on at once"


def test_what_was_wrong_with_a_cluster_is_forgotten_with_it(submitter: Submitter) -> None:
    submitter.drop("tiny-print/a/p1.png", image("1"))
    submitter.fault(says={"err": "ada@cluster.test: Permission denied (publickey).\n", "status": 255})
    assert run(submitter) == 4
    submitter.fault()
    submitter.set(clusters={"renamed": submitter.settings["clusters"]["cluster"]})
    said = submitter.ocr("queue", "run")
    assert said.status == 0 and len(submitter.account.jobs()) == 1, said


def test_another_run_at_the_same_time_does_nothing(submitter: Submitter) -> None:
    submitter.drop("tiny-print/a/p1.png", image("1"))
    lock = submitter.folder / "state/work/queue"
    lock.mkdir(parents=True)
    descriptor = os.open(lock, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    busy = submitter.ocr("queue", "run")
    os.close(descriptor)
    assert busy.status == 3 and "another ocr" in busy.err and submitter.calls == []
    assert run(submitter) == 0 and len(submitter.account.jobs()) == 1


def pages_sent(submitter: Submitter) -> list[str]:
    """Names of the pages that the gate has now."""
    folders = (submitter.account.batch(batch) / "images" for batch in submitter.batches())
    return [path.name.partition(".")[2] for folder in folders for path in folder.iterdir()]


def clear_holds(submitter: Submitter) -> None:
    """As if the pauses were over."""
    with sqlite3.connect(submitter.folder / "state/ocr.sqlite3") as base:
        base.execute("DELETE FROM holds")
        base.execute("UPDATE batches SET again = 0")
    base.close()
