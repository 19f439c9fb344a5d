"""Links and odd files planted in the spool, beforehand or meanwhile: nothing outside is read, written or removed through them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hpc.account import Account, digest, stream
from tests.hpc.inside import call
from tests.programs import program

PAGES = {"p1.png": b"one", "p2.png": b"two"}
SECRET = b"ssh-ed25519 the account's own key"


@pytest.fixture
def outside(account: Account) -> Path:
    folder = account.home / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=list(PAGES))
    return folder


def unharmed(outside: Path) -> bool:
    return [path.name for path in outside.iterdir()] == ["secret"] and (outside / "secret").read_bytes() == SECRET


def in_place_of(path: str, plant: Callable[[Path, Path], None]) -> Callable[[Account, Path], None]:
    def planted(account: Account, outside: Path) -> None:
        place = account.spool / path
        if place.is_dir():
            place.rename(account.home / "aside")
        else:
            place.unlink(missing_ok=True)
        plant(place, outside)

    return planted


def to_folder(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def to_file(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "secret")


def hard(place: Path, outside: Path) -> None:
    os.link(outside / "secret", place)


def pipe(place: Path, _outside: Path) -> None:
    os.mkfifo(place)


FILES = [
    "log", "calls", "turns/0", "ledger.json", "batches/abc/whole", "batches/abc/order.json", "batches/abc/made",
    "batches/abc/lock", "batches/abc/results/p1.png.alto.xml", "batches/abc/runs/1/0.exit", "batches/abc/pages/p3.png.failed",
    f"batches/abc/images/{digest(b'one')}.p1.png", "batches/new/images/.part-p1.png",
]  # fmt: skip


@pytest.mark.parametrize("plant", [to_file, hard, pipe])
@pytest.mark.parametrize("path", FILES)
def test_what_is_planted_in_place_of_a_file_is_not_followed(
    account: Account, outside: Path, path: str, plant: Callable[[Path, Path], None]
) -> None:
    call(account, "put new", b"")
    in_place_of(path, plant)(account, outside)
    for words in (
        "hello",
        "have abc",
        "status abc",
        "status",
        "fetch abc",
        "submit abc tiny-print",
        "cancel abc",
        "put abc",
        "put new",
        "drop abc",
        "drop new",
    ):
        given = stream(PAGES) if words.startswith("put") else b""
        answer = call(account, words, given)
        assert answer.code in (0, 65, 66, 75, 77, 78), (words, answer)
        assert SECRET not in answer.out and SECRET.decode() not in answer.words
        assert unharmed(outside), words


@pytest.mark.parametrize(
    "path",
    [
        "batches",
        "batches/abc",
        "batches/abc/images",
        "batches/abc/results",
        "batches/abc/pages",
        "batches/abc/runs",
        "batches/abc/runs/1",
    ],
)
def test_what_is_planted_in_place_of_a_folder_is_not_followed(account: Account, outside: Path, path: str) -> None:
    in_place_of(path, to_folder)(account, outside)
    for words in (
        "hello",
        "have abc",
        "status abc",
        "status",
        "fetch abc",
        "submit abc tiny-print",
        "cancel abc",
        "put abc",
        "drop abc",
    ):
        answer = call(account, words, stream(PAGES) if words.startswith("put") else b"")
        assert answer.code in (0, 65, 66, 75, 77, 78), (words, answer)
        assert SECRET not in answer.out
        assert unharmed(outside), words


def test_dropping_a_batch_removes_links_and_not_what_they_point_to(account: Account, outside: Path) -> None:
    for folder in ("", "images", "results", "runs/1"):
        (account.batch("abc") / folder / "link").symlink_to(outside)
        os.link(outside / "secret", account.batch("abc") / folder / "hard")
    assert account.call("drop abc").json["dropped"]
    assert not account.batch("abc").exists() and unharmed(outside)


def test_a_folder_exchanged_for_a_link_during_uploads_takes_nothing_outside(account: Account, outside: Path) -> None:
    images, aside, link = account.batch("abd") / "images", account.home / "aside", account.home / "link"
    link.symlink_to(outside)
    account.call("put abd", b"")
    ended = threading.Event()

    def exchange() -> None:
        while not ended.is_set():
            images.rename(aside)
            link.rename(images)
            images.rename(link)
            aside.rename(images)

    racer = threading.Thread(target=exchange)
    racer.start()
    try:
        codes = {call(account, "put abd", stream({f"p{number}.png": b"x" for number in range(30)})).code for _ in range(60)}
    finally:
        ended.set()
        racer.join()
    assert codes <= {0, 65, 66, 70, 78}
    assert unharmed(outside)


@pytest.mark.parametrize("name", ["ocr-gate", "ocr-pages"])
def test_a_second_name_that_is_gone_before_names_are_counted_is_refused(
    name: str, account: Account, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment that the race below meets once in many thousand times."""
    opener, second, fstat = program(name), account.home / "second", os.fstat
    os.link(outside / "secret", second)
    folder = os.open(account.home, os.O_RDONLY)
    there = opener.Folder(folder) if name == "ocr-gate" else None

    def late(descriptor: int) -> os.stat_result:
        second.unlink(missing_ok=True)
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", late)
    with pytest.raises(Exception, match="second is not an ordinary file"):
        there.open("second", os.O_RDONLY) if there else opener.open_file("second", folder)
    assert not second.exists()


def test_a_result_exchanged_for_another_name_of_a_secret_gives_nothing_away(account: Account, outside: Path) -> None:
    result, kept, second = account.batch("abc") / "results/p1.png.alto.xml", account.home / "kept", account.home / "second"
    result.rename(kept)
    ended = threading.Event()

    def exchange() -> None:
        while not ended.is_set():
            os.link(outside / "secret", second)
            second.rename(result)
            result.unlink()
            shutil.copy(kept, result)

    racer, codes = threading.Thread(target=exchange), set[int]()
    racer.start()
    deadline = time.monotonic() + 20
    try:
        while not {0, 78} <= codes and time.monotonic() < deadline:
            answer = call(account, "fetch abc")
            codes.add(answer.code)
            assert SECRET not in answer.out
    finally:
        ended.set()
        racer.join()
    assert {0, 78} <= codes <= {0, 70, 78} and unharmed(outside)
