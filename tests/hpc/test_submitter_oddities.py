"""A cluster that lies, and files whose names or sizes nobody thought of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.account import Account
from tests.hpc.submitter import ALTO, PROGRAM, Submitter, image

NAMES = ("tiny-print/a/p1.png", "tiny-print/a/p2.png")


@pytest.fixture
def submitter(tmp_path: Path) -> Submitter:
    (tmp_path / "home").mkdir(mode=0o700)
    return Submitter(tmp_path, Account(tmp_path / "home"))


def hello(**differing: Any) -> str:
    limits = {"pages": 9, "page_bytes": 10**8, "batch_bytes": 10**9, "batches": 9, "pages_a_day": 9}
    said = {"time": 0, "until": "2099-12-31", "models": ["tiny-print"], "limits": limits, "today": {"pages": 0}}
    return json.dumps(said | differing) + "\n"


@pytest.mark.parametrize(
    "differing",
    [{"limits": {"pages": 10}}, {"today": {}}, {"models": ["\ud800\x1b[2J\nforged.png: all is well"]}, {"until": "\x1b]0;x\x07"}],
)
def test_whatever_a_gate_says_first_harms_no_terminal_and_no_other_cluster(
    submitter: Submitter, tmp_path: Path, differing: dict[str, Any]
) -> None:
    for name in NAMES:
        submitter.drop(name, image(name))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/p.png").write_bytes(image("p"))
    for words in (("queue", "run"), ("status",), ("submit", tmp_path / "letters", "--model", "tiny-print")):
        submitter.fault(says={"out": hello(**differing)})
        said = submitter.ocr(*words)  # no traceback
        assert "\x1b" not in said.out + said.err
    for told in submitter.results.rglob("NOT-RECOGNISED.txt"):
        assert "\x1b" not in told.read_text() and "\nforged" not in told.read_text()


def test_words_without_end_on_standard_error_end_the_call(submitter: Submitter) -> None:
    connection = 'case " $* " in *" -O "* | *" -N "*) exit 0 ;; esac'
    flood = "while head -c 200000 /dev/zero >&2; do sleep 0.1; done"
    (submitter.programs / "ssh").write_text(f"#!/bin/sh\n{connection}\n{flood}\n")
    began = time.monotonic()
    assert submitter.ocr("status").status == 3 and time.monotonic() - began < 30


def test_a_folder_too_deep_holds_up_no_other(submitter: Submitter) -> None:
    for name in NAMES:
        submitter.drop(name, image(name))
    (submitter.queue / "tiny-print/b").mkdir()
    descriptor = os.open(submitter.queue / "tiny-print/b", os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("a", dir_fd=descriptor)
        below = os.open("a", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    try:
        assert submitter.ocr("queue", "run").status == 0 and len(submitter.account.jobs()) == 1
    finally:
        subprocess.run(["rm", "-rf", submitter.queue / "tiny-print/b"], check=True)


@pytest.mark.parametrize("name", ["字" * 83 + ".png", "a" * 251 + ".png"])
def test_a_name_as_long_as_names_can_be_holds_up_no_other(submitter: Submitter, name: str) -> None:
    for path in (*NAMES, f"tiny-print/a/{name}"):
        submitter.drop(path, image(path))
    submitter.ocr("queue", "run")
    submitter.finish()
    assert submitter.ocr("queue", "run").status == 0 and submitter.batches() == []
    assert len(list(submitter.results.rglob("*.xml"))) == 3


def test_a_page_that_is_named_as_another_s_result_has_its_own(submitter: Submitter) -> None:
    for name in ("p.png", "p.jpg", "p.png.jpg"):
        submitter.drop(f"tiny-print/a/{name}", image(name))
    submitter.ocr("queue", "run")
    submitter.finish()
    assert submitter.ocr("queue", "run").err == ""
    (made,) = submitter.results.rglob("*.zip")
    assert sorted(zipfile.ZipFile(made).namelist()) == [
        "p.jpg", "p.jpg.xml", "p.png", "p.png.jpg", "p.png.jpg.xml", "p.png.xml",
    ]  # fmt: skip


def test_a_file_of_holes_is_not_read_to_its_end(submitter: Submitter) -> None:
    for name in NAMES:
        submitter.drop(name, image(name))
    os.truncate(submitter.queue / NAMES[0], 1 << 40)
    assert submitter.ocr("queue", "run").status == 0 and len(submitter.account.jobs()) == 1
    (told,) = submitter.results.rglob("NOT-RECOGNISED.txt")
    assert "p1.png: has 1099511 MB; 4294 MB are the most that is taken" in told.read_text()


def test_an_image_that_is_another_by_now_does_not_come_into_the_zip(submitter: Submitter) -> None:
    place = submitter.drop(NAMES[0], image("1"))
    submitter.ocr("queue", "run")
    submitter.finish()
    os.truncate(place, 10**9)
    submitter.ocr("queue", "run")
    (made,) = submitter.results.rglob("*.zip")
    assert zipfile.ZipFile(made).namelist() == ["p1.xml"]


DELIVERED = """
import resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from submitter.results import lay_results
from submitter.store import Batch, Page, Store
here, content = Path(sys.argv[2]), sys.stdin.buffer.read()
store = Store(here / "state")
pages = [Page(f"p{number}.png", f"p{number}.png", str(here / "none"), 1, "") for number in range(60)]
for page in pages:
    (store.work("b") / f"{page.page}.alto.xml").write_bytes(content)
batch = Batch("b", "c", "m", "queue", str(here), str(here / "results"), True, time.time(), phase="deliver")
with store.whole():
    store.add(batch, pages)
resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2)
lay_results(store, batch, store.work("b"))
"""


def test_a_batch_of_any_size_is_delivered_in_little_memory(tmp_path: Path) -> None:
    """The unit has 512 MB; a thousand pages have 700."""
    content = ALTO.format(page="p", text=f"<!--{'x' * 3_000_000}-->").encode()
    subprocess.run([sys.executable, "-c", DELIVERED, str(PROGRAM), tmp_path], input=content, check=True)
    assert len(list((tmp_path / "results").glob("*.xml"))) == 60


LEAK = """
import gc, resource, sys
sys.path.insert(0, sys.argv[1])
from submitter.xml_results import with_own_name
gc.disable()
content = sys.stdin.buffer.read()
used = []
for _ in range(8):
    with_own_name(content, "alto", "p.png")
    used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(used[-1] - used[0])
"""


def test_a_parser_goes_with_what_it_read() -> None:
    content = ALTO.format(page="p", text=f"<!--{'x' * 8_000_000}-->").encode()
    ran = subprocess.run([sys.executable, "-c", LEAK, str(PROGRAM)], input=content, capture_output=True, check=True)
    assert int(ran.stdout) < 40_000  # kB
