"""What can go wrong between submitter and gate: killed anywhere, cut anywhere, refused in every way, answered by a liar."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.hpc.account import Account, stream
from tests.hpc.submitter import ALTO, PROGRAM, Submitter, image
from tests.hpc.test_submitter_queue import FAILED, clear_holds

KILLED_AT = Path(__file__).with_name("killed_at.py")
SUBMIT = ("submit", "--model", "tiny-print")


@pytest.fixture
def submitter(tmp_path: Path) -> Submitter:
    (tmp_path / "home").mkdir(mode=0o700)
    return Submitter(tmp_path, Account(tmp_path / "home"))


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(3):
        (folder / f"p{number}.png").write_bytes(image(str(number)) * 100)
    return folder


def sent_once(submitter: Submitter) -> None:
    """One batch, whole, for which Slurm got one job."""
    assert len(submitter.account.jobs()) == 1 and len(submitter.batches()) == 1
    assert submitter.account.state(submitter.batches()[0]) in ("queued", "done")


def delivered(submitter: Submitter) -> None:
    """Every page of the queue has its result, once, and nothing is left at the gate or half done here."""
    found = sorted(str(path.relative_to(submitter.results)) for path in submitter.results.rglob("*") if path.is_file())
    assert [path for path in found if path.endswith(".xml")] == ["tiny-print/a/p1.xml", "tiny-print/a/p2.xml"]
    assert len(found) == 3 and found[0].endswith(".zip"), found
    assert submitter.batches() == [] and len(submitter.account.jobs()) == 1


def drop_two(submitter: Submitter) -> None:
    for number in (1, 2):
        submitter.drop(f"tiny-print/a/p{number}.png", image(str(number)))


def test_killed_before_every_change_the_queue_loses_and_doubles_nothing(submitter: Submitter) -> None:
    """Each run gets one change further than the one before, and starts from what that one left."""
    drop_two(submitter)
    for half in ("sent", "fetched"):
        for number in range(1, 200):
            run = submitter.ocr("queue", "run", wrapper=("-IB", str(KILLED_AT), str(number), str(PROGRAM)))
            if run.status != -9:
                break
        assert run.status == 0, run.err
        assert number > 10, "it was killed too seldom to show anything"
        if half == "sent":
            sent_once(submitter)
            submitter.finish()
    delivered(submitter)


def test_killed_before_every_change_an_old_result_is_replaced_and_an_edited_one_is_not(
    submitter: Submitter, tmp_path: Path
) -> None:
    (folder := tmp_path / "letters").mkdir()
    for name in ("p1.png", "p2.png"):
        (folder / name).write_bytes(image(name))
    for text in ("first", "second"):
        submitter.ocr("submit", folder, *SUBMIT[1:], "--again")
        submitter.finish(results={page: ALTO.format(page=page, text=text) for page in ("p1.png", "p2.png")})
        if text == "first":
            submitter.ocr("fetch")
            (folder / "p1.xml").write_text("edited")
    for number in range(1, 200):
        run = submitter.ocr("fetch", wrapper=("-IB", str(KILLED_AT), str(number), str(PROGRAM)))
        found = {path.name: path.read_text() for path in folder.glob("*.xml")}
        assert found["p1.xml"] == "edited" and ("first" in found["p2.xml"] or "second" in found["p2.xml"])
        if run.status != -9:
            break
    assert run.status == 0 and str(folder / "p1.ocr.xml") in run.out and number > 10
    assert sorted(found) == ["p1.ocr.xml", "p1.xml", "p2.xml"]
    assert "second" in found["p2.xml"] and "second" in found["p1.ocr.xml"] and not list(folder.glob(".*"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call_the_queue_loses_and_doubles_nothing(submitter: Submitter, when: str) -> None:
    """After a call is the worst moment: the gate has done it, and nobody knows."""
    drop_two(submitter)
    number = 0
    for half in ("sent", "fetched"):
        calls = 0
        while True:
            number += 1
            submitter.fault(kill=when, at=calls + 1)
            if submitter.ocr("queue", "run").status != -9:
                break
            calls += 1
            assert number < 60
        if half == "sent":
            sent_once(submitter)
            submitter.finish()
    delivered(submitter)


def test_a_broken_upload_goes_on_with_the_pages_that_are_missing(submitter: Submitter, pages: Path) -> None:
    size = len(image("0") * 100)
    for cut in (10, size // 2, size + 200, 2 * size + 250):
        submitter.fault(cut=cut)
        broken = submitter.ocr("submit", pages, *SUBMIT[1:])
        assert broken.status == 3 and "goes on from there" in broken.err
        assert submitter.account.jobs() == []
    submitter.fault()
    assert submitter.ocr("submit", pages, *SUBMIT[1:]).status == 0
    sent_once(submitter)
    (batch,) = submitter.batches()
    log = (submitter.account.spool / "log").read_text()
    assert json.loads(submitter.account.call(f"status {batch}").out)["bytes"] == 3 * size
    assert log.count("put") >= 5


def test_a_broken_download_goes_on_after_the_last_whole_result(submitter: Submitter, pages: Path) -> None:
    submitter.ocr("submit", pages, *SUBMIT[1:])
    submitter.finish()
    submitter.fault(cut=450)
    assert submitter.ocr("fetch").status == 3
    submitter.fault()
    fetched = submitter.ocr("fetch")
    assert fetched.status == 0 and "3 of 3" in fetched.out
    assert any(call.startswith("fetch") and call.endswith("p0.png.alto.xml") for call in submitter.calls)
    assert len(list(pages.glob("*.xml"))) == 3


REFUSALS: tuple[tuple[int, str, str, int, str], ...] = (
    # status, standard error, standard output; the submitter's exit status, and a part of what it tells
    (64, "ocr-gate: not in the grammar\n", "", 4, "did not understand"),
    (66, "ocr-gate: no such model\n", "", 4, "does not know"),
    (69, "ocr-gate: STOP lies there\n", "", 4, "closed: STOP lies there"),
    (70, "ocr-gate: a fault\n", "", 4, "failed: a fault"),
    (73, "ocr-gate: quota\n", "", 4, "disk takes no more"),
    (75, "banner\nocr-gate: busy\n", "", 3, "busy: busy"),
    (77, "ocr-gate: a limit\n", "", 3, "does not allow it now: a limit"),
    (78, "ocr-gate: unsafe\n", "", 4, "not safely installed"),
    (255, "ssh: connect to host x: Connection refused\n", "", 3, "could not be reached"),
    (255, "Host key verification failed.\n", "", 4, "is not the cluster that we know"),
    (255, "ada@x: Permission denied (publickey).\n", "", 4, "does not accept our key"),
    (127, "bash: have: command not found\n", "", 4, "Something else than the gate answered"),
    (69, "sh: something else\n", "", 4, "Something else than the gate answered"),
    (0, "", "Welcome to the cluster\n{}\n", 4, "before the gate's answer: Welcome to the cluster"),
    (0, "", "Welcome to the cluster\n", 4, "not what was agreed on"),
    (0, "", "[" * 100000 + "\n", 4, "not what was agreed on"),
    (0, "", '{"batch": "\x1b[2J", "whole": 1, "pages": [["../../x", -1, 7]]}\n', 4, "not what was agreed on"),
)


def test_every_refusal_is_said_in_words_and_nothing_is_lost(submitter: Submitter, pages: Path) -> None:
    submitter.fault(at=2, says={"status": 75, "err": "ocr-gate: busy\n"})  # after `hello`: from now on it is the batch's calls
    assert submitter.ocr("submit", pages, *SUBMIT[1:]).status == 3
    for status, err, out, exits, told in REFUSALS:
        submitter.fault(at=1, says={"status": status, "err": err, "out": out})
        said = submitter.ocr("submit", pages, *SUBMIT[1:])
        assert said.status == exits and told in said.err, said
        assert "\x1b" not in said.err and said.err.count("\n") == 1
    submitter.fault(at=2, says={"status": 65, "err": "ocr-gate: checksum\n"})  # is sent again once
    assert submitter.ocr("submit", pages, *SUBMIT[1:]).status == 0
    sent_once(submitter)


def two_sent(submitter: Submitter, tmp_path: Path) -> list[str]:
    """Two batches of a page each, whose jobs have ended; the elder first."""
    names: list[str] = []
    for name in ("a", "b"):
        (folder := tmp_path / name).mkdir()
        (folder / f"{name}.png").write_bytes(image(name))
        submitter.ocr("submit", folder, *SUBMIT[1:])
        names += [batch for batch in submitter.batches() if batch not in names]
    submitter.finish()
    return names


def test_trouble_with_one_batch_holds_up_no_other(submitter: Submitter, tmp_path: Path) -> None:
    first, second = two_sent(submitter, tmp_path)
    submitter.fault(at=1, says={"status": 70, "err": "ocr-gate: a fault\n"})
    status = submitter.ocr("status")
    assert status.status == 4 and f"{first}: The cluster's gate failed" in status.err and second not in status.err
    assert f"{second}: done" in status.out and "gate open until" in status.out

    submitter.fault(at=1, says={"status": 75, "err": "ocr-gate: another call holds the batch\n"})
    descriptor = os.open(submitter.folder / "state/work" / second, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    fetched = submitter.ocr("fetch")
    assert fetched.status == 3 and f"{first}: The cluster is busy" in fetched.err and f"{second}: another ocr" in fetched.err
    os.close(descriptor)

    submitter.fault(at=1, says={"status": 75, "err": "ocr-gate: another call holds the batch\n"})
    fetched = submitter.ocr("fetch")
    assert fetched.status == 3 and first in fetched.err and f"{second}: 1 of 1 pages recognised" in fetched.out
    submitter.fault()
    assert submitter.ocr("fetch").status == 0 and (tmp_path / "a/a.xml").exists() and (tmp_path / "b/b.xml").exists()


def test_a_cluster_that_does_not_let_us_in_is_not_knocked_at_for_each_batch(submitter: Submitter, tmp_path: Path) -> None:
    _, second = two_sent(submitter, tmp_path)
    login = 'case " $* " in *" -O "*) ;; *) echo login >>$0.logins ;; esac'
    (submitter.programs / "ssh").write_text(f"#!/bin/sh\n{login}\necho 'Permission denied (publickey).' >&2; exit 255\n")
    for words in ("fetch", "status"):
        said = submitter.ocr(words)
        assert said.status == 4 and said.err.count("does not accept our key") == 1
        assert f"{second}: not tried" in said.err
        assert (submitter.programs / "ssh.logins").read_text().count("login") == 1
        (submitter.programs / "ssh.logins").unlink()


def others(submitter: Submitter) -> list[Path]:
    """Everything but what the submitter notes for itself and what is the account's."""
    return sorted(path for path in submitter.folder.parent.rglob("*") if not {"submitter", "home"} & {*path.parts})


GOOD = {f"p{number}.png.alto.xml": ALTO.format(page=f"p{number}.png", text="") for number in range(3)}


def ready_to_fetch(submitter: Submitter, pages: Path) -> None:
    """From now on the first call is the one that fetches."""
    submitter.ocr("submit", pages, *SUBMIT[1:])
    submitter.finish()
    submitter.fault(at=2, says={"status": 75, "err": "ocr-gate: busy\n"})
    assert submitter.ocr("fetch").status == 3


def test_results_that_were_not_asked_for_are_not_taken(submitter: Submitter, pages: Path) -> None:
    ready_to_fetch(submitter, pages)
    before = others(submitter)
    for results in (
        {"../../escaped.png.alto.xml": "x"},
        {"/etc/passwd": "x"},
        {"p9.png.alto.xml": GOOD["p0.png.alto.xml"]},
        {"p0.png.html": "<script/>"},
        {"p1.png.alto.xml": GOOD["p1.png.alto.xml"], "p0.png.alto.xml": GOOD["p0.png.alto.xml"]},
        {"p0.png.alto.xml\u202e": "x"},
    ):
        told = stream({name: content.encode() for name, content in results.items()}).decode()
        submitter.fault(says={"out": told, "status": 0}, at=1)
        said = submitter.ocr("fetch")
        assert said.status == 4 and "was not taken" in said.err, said
        assert others(submitter) == before
    submitter.fault()
    assert submitter.ocr("fetch").status == 0 and len(list(pages.glob("*.xml"))) == 3, "the true results come all the same"


def test_huge_and_false_records_end_the_call(submitter: Submitter, pages: Path) -> None:
    ready_to_fetch(submitter, pages)
    good = GOOD["p0.png.alto.xml"].encode()
    digest = hashlib.sha256(good).hexdigest()
    for told in (
        f"file p0.png.alto.xml 99999999999999 {digest}\n",
        f"file p0.png.alto.xml {len(good)} {'0' * 64}\n{good.decode()}end 1\n",
        f"file p0.png.alto.xml 0{len(good)} {digest}\n{good.decode()}end 1\n",
        f"file p0.png.alto.xml {len(good)} {digest}\n{good.decode()}end 2\n",
        f"file p0.png.alto.xml {len(good)} {digest}\n{good.decode()}end 1\nmore",
        "x" * 100_000,
        "end 0\n",
    ):
        submitter.fault(says={"out": told, "status": 0}, at=1)
        said = submitter.ocr("fetch")
        assert said.status == 4 and "was not taken" in said.err, (told[:80], said)
    submitter.fault()
    assert submitter.ocr("fetch").status == 0


def test_xml_that_is_no_result_fails_its_page_and_no_other(submitter: Submitter) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>' + GOOD["p0.png.alto.xml"].replace("<Layout>", "<Layout>&c;")
    drop_two(submitter)
    submitter.drop("tiny-print/a/p3.png", image("3"))
    submitter.ocr("queue", "run")
    (batch,) = submitter.batches()
    names = sorted(path.name.partition(".")[2] for path in (submitter.account.batch(batch) / "images").iterdir())
    submitter.finish(results={names[0]: bomb, names[1]: "<html/>"})
    assert submitter.ocr("queue", "run").status == 0
    told = (submitter.results / "tiny-print/a" / FAILED).read_text()
    assert "p1.png: what came back" in told and "document type" in told and "p2.png: what came back" in told
    assert [path.name for path in submitter.results.rglob("*.xml")] == ["p3.xml"]


def test_a_clock_that_is_wrong_changes_nothing(submitter: Submitter, pages: Path) -> None:
    """Of the files' times, and of what was noted by a clock that was ahead."""
    submitter.set(floor_seconds=60)
    place = submitter.drop("tiny-print/a/p1.png", image("1"))
    os.utime(place, (4e9, 4e9))
    submitter.ocr("queue", "run")
    base = sqlite3.connect(submitter.folder / "state/ocr.sqlite3")
    with base:
        base.execute("UPDATE drops SET since = since + 1e9")
        base.execute("UPDATE batches SET asked = asked + 1e9, again = again + 1e9, made = made + 1e9")
    base.close()
    submitter.finish()
    assert submitter.ocr("queue", "run").status == 0
    assert (submitter.results / "tiny-print/a/p1.xml").exists() and len(submitter.account.jobs()) == 1


def test_results_that_cannot_be_written_wait_until_they_can(submitter: Submitter) -> None:
    drop_two(submitter)
    submitter.ocr("queue", "run")
    submitter.finish()
    (submitter.results / "tiny-print").write_text("in the way")
    said = submitter.ocr("queue", "run")
    assert said.status == 4 and "On this machine" in said.err and str(submitter.results / "tiny-print") in said.err
    (submitter.results / "tiny-print").unlink()
    clear_holds(submitter)
    assert submitter.ocr("queue", "run").status == 0
    delivered(submitter)


def test_a_batch_that_the_cluster_lost_is_told_and_not_sent_anew(submitter: Submitter) -> None:
    drop_two(submitter)
    submitter.ocr("queue", "run")
    (batch,) = submitter.batches()
    submitter.account.call(f"cancel {batch}")
    submitter.account.call(f"drop {batch}")
    submitter.ocr("queue", "run")
    submitter.ocr("queue", "run")
    assert "does not have the batch any more" in (submitter.results / "tiny-print/a" / FAILED).read_text()
    assert len(submitter.account.jobs()) == 1
