"""A folder of images sent by hand, against the real gate: what comes back, where it goes, and what a person is told."""

from __future__ import annotations

import os
import pty
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.hpc.account import Account
from tests.hpc.submitter import ALTO, Said, Submitter, image

MODEL = ("--model", "tiny-print")


@pytest.fixture
def submitter(tmp_path: Path) -> Submitter:
    (tmp_path / "home").mkdir(mode=0o700)
    return Submitter(tmp_path, Account(tmp_path / "home"))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """Three pages, of which only the first has a name that the gate would let through."""
    folder = tmp_path / "letters"
    folder.mkdir()
    for name in ("p1.png", "Lettre n°2 & <recto>.PNG", "été..png"):
        (folder / name).write_bytes(image(name))
    return folder


def named_image(result: Path) -> str | None:
    return ElementTree.parse(result).findtext(".//{*}fileName")


def test_results_lie_beside_the_images_under_their_own_names(submitter: Submitter, letters: Path) -> None:
    sent = submitter.ocr("submit", letters, *MODEL, "--zip")
    assert (sent.status, sent.err) == (0, "")
    submitter.finish()
    fetched = submitter.ocr("fetch")
    assert fetched.status == 0 and "3 of 3 pages recognised" in fetched.out
    for stem, ending in (("p1", "png"), ("Lettre n°2 & <recto>", "PNG"), ("été.", "png")):
        assert named_image(letters / f"{stem}.xml") == f"{stem}.{ending}"
    (archive,) = letters.glob("*.zip")
    with zipfile.ZipFile(archive) as whole:
        assert whole.testzip() is None
        names = whole.namelist()
        assert sorted(names) == sorted(path.name for path in letters.iterdir() if path != archive)
        assert all("/" not in name for name in names)
        assert whole.read("p1.png") == (letters / "p1.png").read_bytes()
    assert submitter.batches() == [], "the gate keeps what was fetched"
    # A login, and each call a tenth of a second: nothing is asked that an answer has told already.
    assert [call.split()[0] for call in submitter.calls] == ["hello", "put", "submit", "status", "status", "fetch", "drop"]
    assert not list((submitter.folder / "state/work").iterdir())


def test_a_batch_is_sent_once_however_often_asked(submitter: Submitter, letters: Path) -> None:
    submitter.ocr("submit", letters, *MODEL)
    submitter.ocr("submit", letters, *MODEL)
    submitter.finish()
    submitter.ocr("fetch")
    again = submitter.ocr("submit", letters, *MODEL)
    assert again.status == 0 and "recognised with tiny-print before" in again.out and str(letters) in again.out
    assert len(submitter.account.jobs()) == 1
    assert [call.split()[0] for call in submitter.calls].count("put") == 1

    submitter.ocr("submit", letters, *MODEL, "--again")
    assert len(submitter.account.jobs()) == 2, "a person wants it anew"


def test_failed_pages_are_named_with_their_reason_after_a_second_job(submitter: Submitter, letters: Path) -> None:
    (letters / "notes.jpg").write_bytes(b"no image at all")
    sent = submitter.ocr("submit", letters, *MODEL)
    assert "notes.jpg: is no image" in sent.err
    submitter.finish(failed={"p1.png": "no line was found"})
    assert "queued" in submitter.ocr("fetch").out, "what failed is tried once more"
    submitter.finish(failed={"p1.png": "no line was found"})
    fetched = submitter.ocr("fetch")
    assert fetched.status == 1
    assert "2 of 3 pages recognised" in fetched.out and re.search(r"p1\.png: .*no line was found", fetched.out)
    assert len(submitter.account.jobs()) == 2
    assert not (letters / "p1.xml").exists() and (letters / "été..xml").exists()


def test_somebody_elses_file_beside_an_image_is_never_written_over(submitter: Submitter, letters: Path) -> None:
    (letters / "p1.xml").write_text("transcribed by hand")
    submitter.ocr("submit", letters, *MODEL)
    submitter.finish()
    submitter.ocr("fetch")
    assert (letters / "p1.xml").read_text() == "transcribed by hand"
    assert named_image(letters / "p1.ocr.xml") == "p1.png"


def test_pages_that_differ_only_in_their_ending_keep_a_result_each(submitter: Submitter, tmp_path: Path) -> None:
    folder, results = tmp_path / "scans", tmp_path / "results"
    folder.mkdir()
    (folder / "a.png").write_bytes(image("png"))
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff and so on")
    submitter.ocr("submit", folder, *MODEL, "--to", results)
    submitter.finish()
    submitter.ocr("fetch")
    assert {path.name: named_image(path) for path in results.iterdir()} == {"a.png.xml": "a.png", "a.jpg.xml": "a.jpg"}
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "a.png"]


def test_what_is_done_of_a_running_job_can_be_fetched(submitter: Submitter, letters: Path) -> None:
    submitter.ocr("submit", letters, *MODEL)
    (batch,) = submitter.batches()
    submitter.account.ran(batch, done=["p1.png"], marker=False)
    (submitter.account.batch(batch) / "results/p1.png.alto.xml").write_text(ALTO.format(page="p1.png", text="p1.png"))
    submitter.account.set_states("RUNNING")
    assert "running, 1 of 3" in submitter.ocr("fetch").out
    assert named_image(letters / "p1.xml") == "p1.png"
    submitter.finish()
    submitter.ocr("fetch")
    assert len(list(letters.glob("*.xml"))) == 3, "the result of p1 is not there twice"


def test_a_job_taken_back_gives_what_was_done(submitter: Submitter, letters: Path) -> None:
    submitter.ocr("submit", letters, *MODEL)
    (batch,) = submitter.batches()
    assert submitter.ocr("cancel", batch[4:10]).status == 0
    fetched = submitter.ocr("fetch")
    assert fetched.status == 1 and "0 of 3" in fetched.out and "cancelled" in fetched.out
    assert submitter.batches() == [] and len(submitter.account.jobs()) == 1
    assert submitter.ocr("cancel", batch).status == 2, "there is nothing left to cancel"


def test_a_job_taken_back_when_it_has_failed_already_is_not_sent_once_more(submitter: Submitter, letters: Path) -> None:
    submitter.ocr("submit", letters, *MODEL)
    (batch,) = submitter.batches()
    submitter.finish(failed={"p1.png": "no line was found"})
    cancelled = submitter.ocr("cancel", batch)
    assert cancelled.status == 0 and "cancelled" in cancelled.out
    fetched = submitter.ocr("fetch")
    assert fetched.status == 1 and "2 of 3" in fetched.out and "no line was found" in fetched.out
    assert submitter.batches() == [] and len(submitter.account.jobs()) == 1


def test_pages_that_failed_or_were_lost_are_not_called_recognised(submitter: Submitter, letters: Path, tmp_path: Path) -> None:
    submitter.ocr("submit", letters, *MODEL)
    (batch,) = submitter.batches()
    pages = [path.name.partition(".")[2] for path in (submitter.account.batch(batch) / "images").iterdir()]
    for _ in range(2):
        submitter.finish(failed=dict.fromkeys(pages, "no line was found"))
        submitter.ocr("fetch")
    said = submitter.ocr("submit", letters, *MODEL)
    assert said.status == 1 and "0 of 3 pages recognised" in said.out and "no line was found" in said.out
    assert "not all were recognised" in said.out and "--again" in said.out
    assert "toutes n'ont pas été reconnues" in submitter.ocr("submit", letters, *MODEL, language="fr_CA.UTF-8").out
    assert len(submitter.account.jobs()) == 2

    (one := tmp_path / "one").mkdir()
    (one / "p.png").write_bytes(image("p"))
    submitter.ocr("submit", one, *MODEL)
    (batch,) = submitter.batches()
    submitter.account.call(f"cancel {batch}")
    submitter.account.call(f"drop {batch}")
    submitter.ocr("fetch")
    said = submitter.ocr("submit", one, *MODEL)
    assert said.status == 1 and "does not have the batch any more" in said.out and "--again" in said.out


def test_a_page_recognised_anew_has_its_new_text_and_what_was_edited_stays(submitter: Submitter, letters: Path) -> None:
    def recognise(text: str, *, model: str = "tiny-print") -> Said:
        submitter.ocr("submit", letters, "--model", model, "--again")
        (batch,) = submitter.batches()
        pages = [path.name.partition(".")[2] for path in (submitter.account.batch(batch) / "images").iterdir()]
        submitter.finish(results={page: ALTO.format(page=page, text=text) for page in pages})
        return submitter.ocr("fetch")

    def texts() -> dict[str, str | None]:
        return {path.name: ElementTree.parse(path).findtext(".//{*}Layout") for path in letters.glob("*.xml")}

    recognise("first")
    (letters / "p1.xml").write_text(edited := (letters / "p1.xml").read_text().replace("first", "corrected"))
    second = recognise("second")
    others = {"Lettre n°2 & <recto>.xml", "été..xml"}
    assert texts() == {"p1.xml": "corrected", "p1.ocr.xml": "second", **dict.fromkeys(others, "second")}
    assert "somebody has worked on it" in second.out and str(letters / "p1.ocr.xml") in second.out
    assert second.out.count(".xml") == 1, "the others have their names"
    third = recognise("third")
    assert texts() == {"p1.xml": "corrected", "p1.ocr.xml": "third", **dict.fromkeys(others, "third")}
    assert (letters / "p1.xml").read_text() == edited and str(letters / "p1.ocr.xml") in third.out

    # What another model read may be there to be compared.
    submitter.account.set(
        models={**submitter.account.settings["models"], "other": submitter.account.settings["models"]["tiny-print"]}
    )
    recognise("by the other", model="other")
    assert texts()["été..xml"] == "third" and texts()["été..ocr.xml"] == "by the other"
    assert not list(letters.glob(".*")), "nothing half done is left"


def test_another_image_s_result_of_the_same_name_is_not_replaced(submitter: Submitter, tmp_path: Path) -> None:
    """The second came when the first had its result."""
    (folder := tmp_path / "scans").mkdir()
    for name, content in (("a.png", image("png")), ("a.jpg", b"\xff\xd8\xff and so on")):
        (folder / name).write_bytes(content)
        submitter.ocr("submit", folder, *MODEL, "--to", tmp_path / "results")
        submitter.finish()
        submitter.ocr("fetch")
        (folder / name).rename(tmp_path / name)
    results = {path.name: named_image(path) for path in (tmp_path / "results").iterdir()}
    assert results == {"a.xml": "a.png", "a.ocr.xml": "a.jpg"}


def test_eScriptorium_gets_each_page_once_where_there_is_alto_and_page(submitter: Submitter, letters: Path) -> None:
    submitter.ocr("submit", letters, *MODEL, "--zip")
    submitter.finish()
    (batch,) = submitter.batches()
    results = submitter.account.batch(batch) / "results"
    (results / "p1.png.page.xml").write_text('<PcGts xmlns="x"><Page imageFilename="p1.png"/></PcGts>')
    submitter.ocr("fetch")
    assert (letters / "p1.page.xml").exists()
    (archive,) = letters.glob("*.zip")
    with zipfile.ZipFile(archive) as whole:
        assert sorted(whole.namelist()) == sorted(
            path.name for path in letters.iterdir() if path.name not in (archive.name, "p1.page.xml")
        )


def test_mistakes_are_said_before_anything_is_sent(submitter: Submitter, letters: Path, tmp_path: Path) -> None:
    unknown = submitter.ocr("submit", letters, "--model", "other")
    assert unknown.status == 2 and "no model other" in unknown.err and "tiny-print" in unknown.err
    french = submitter.ocr("submit", letters, "--model", "other", language="fr_CA.UTF-8")
    assert "Rien n'a été envoyé" in french.err
    (tmp_path / "empty").mkdir()
    assert "no image in" in submitter.ocr("submit", tmp_path / "empty", *MODEL).err
    assert "No such file" in submitter.ocr("submit", tmp_path / "nowhere", *MODEL).err
    submitter.account.set(pages=2)
    assert "3 pages" in submitter.ocr("submit", letters, *MODEL).err
    submitter.set(projects={"book": "cluster"})
    assert "--project: is one of book" in submitter.ocr("submit", letters, *MODEL).err
    assert submitter.batches() == [] and "put" not in " ".join(submitter.calls)


def test_status_is_asked_no_more_often_than_the_floor(submitter: Submitter, letters: Path) -> None:
    submitter.set(floor_seconds=3600)
    submitter.ocr("submit", letters, *MODEL)
    (batch,) = submitter.batches()
    asked = len(submitter.calls)
    assert "queued" in submitter.ocr("status", batch).out
    assert "queued" in submitter.ocr("fetch", batch).out
    assert len(submitter.calls) == asked


def test_a_bar_is_drawn_where_there_is_a_terminal(submitter: Submitter, letters: Path) -> None:
    ours, theirs = pty.openpty()
    assert submitter.ocr("submit", letters, *MODEL, terminal=theirs).status == 0
    drawn = os.read(ours, 4096).decode()
    assert re.fullmatch(r"(\r\x1b\[K[a-z]+ \[#*\.*\] [\d./]+( MB)?)+\r\n", drawn) and f"sending [{'#' * 30}]" in drawn, drawn
    os.close(ours)
    os.close(theirs)
