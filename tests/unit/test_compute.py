"""Machines for computing: what is declared, what travels, and what bin/compute takes."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recettes.base.updates import updates
from recettes.compute.kraken import CURRENT, HOME, MODELS, Kraken, KrakenState, plan_kraken
from recettes.compute.stream import StreamError, files_of, may_travel, pack, size_of, sums_of, unpack
from recettes.compute.work import DROP_IN, work
from recettes.compute_cli import main
from recettes.declarations.base import DeclarationError
from recettes.files import FileState, FileTable
from recettes.gather import gather
from recettes.lab import load
from recettes.ocr.large import Large
from recettes.ocr.venv import Made, Venv
from recettes.roles import blueprint_of
from recettes.roles.compute import compute

LAB = """
from recettes.declarations.compute import Compute
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import KrakenWheels, OcrModel
MODEL = OcrModel(name="old-print", file="m.mlmodel", sha256="0" * 64)
lab = Lab(name="L", domain="lab.test", contact="a@lab.test", compute=Compute({words}))
"""


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two machines for computing and another one, none of which is there."""
    monkeypatch.setenv("RECETTES_ESTATES", str(tmp_path))
    monkeypatch.setenv("RECETTES_ESTATE", "mylab")
    monkeypatch.setenv("RECETTES_GROUP_DATA", str(tmp_path))
    (tmp_path / "lab.py").write_text(LAB.format(words="models=(MODEL,)"))
    (tmp_path / "mylab").mkdir()
    machines = {"pages": ("192.0.2.1", "compute"), "more": ("192.0.2.2", "compute"), "store": ("192.0.2.3", "images")}
    text = "".join(f'[{name}]\naddress = "{address}"\ngroups = ["{group}"]\n' for name, (address, group) in machines.items())
    (tmp_path / "mylab/machines.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('packages=("Jq",)', "name of a Debian package"),
        ('packages=("jq-",)', "name of a Debian package"),
        ('kraken=KrakenWheels(version="3.13", modules=("python",))', "a machine of the lab's own has none"),
        ("kraken=KrakenWheels()", "/usr/bin/python3 there is 3.13"),
        ("kraken=None, models=(MODEL,)", "models= are Kraken's"),
        ("models=(MODEL, MODEL)", "already a model 'old-print'"),
        ('kraken="conda"', "Compute.kraken"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "lab.py").write_text(LAB.format(words=words))
    with pytest.raises(DeclarationError, match=r"lab\.py:[56]: ") as raised:
        gather(tmp_path)
    assert said in str(raised.value)


def test_what_is_declared_decides_what_lies_there(estate: Path) -> None:
    wanted = load().wishes.lab.compute
    assert wanted
    assert {"libvips-tools", "python3-torch"} <= compute(wanted).packages
    assert "/usr/local/bin/kraken" in compute(wanted).files
    bare = compute(wanted.model_copy(update={"kraken": None, "models": ()}))
    assert "python3-torch" not in bare.packages and "/usr/local/bin/kraken" not in bare.files
    assert not compute(None).files and not compute(None).packages


def test_work_of_days_is_not_ended_by_a_reboot_at_night(estate: Path) -> None:
    lab = load()
    apt = "/etc/apt/apt.conf.d/60recettes"
    assert blueprint_of(lab, "store").files[apt] == updates(lab.wishes.lab.updates, "store").files[apt]
    assert b"Automatic-Reboot-Time" in (blueprint_of(lab, "store").files[apt].content or b"")
    assert b"Automatic-Reboot-Time" not in (blueprint_of(lab, "pages").files[apt].content or b"")


def test_every_unit_of_work_is_hardened_by_the_common_template() -> None:
    lines = (work().files[DROP_IN].content or b"").decode().splitlines()
    assert {"PrivateNetwork=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="} <= set(lines)


def test_the_link_follows_the_environment_and_all_goes_that_is_declared_no_more() -> None:
    def venv(requirements: str) -> Venv:
        return Venv(requirements, "3.13", ("any",), "/usr/bin/python3", (), True)

    first, second, third = venv("1"), venv("2"), venv("3")
    model = Large(Path("m"), "0" * 64)
    model_file = FileState("f", "root", "root", 0o444, "0" * 64)

    def actual(*made: Venv, current: Venv) -> KrakenState:
        states = {CURRENT: FileState("l", "root", "root", 0o777, None, current.name), f"{MODELS}/a.mlmodel": model_file}
        return KrakenState(FileTable(states), frozenset(), {one.name: Made("d", "d", n) for n, one in enumerate(made)})

    def plan(is_: KrakenState, want: Kraken) -> list[tuple[str, str]]:
        return [(change.action, change.item) for change in plan_kraken(is_, want)]

    models = {f"{MODELS}/a.mlmodel": model}
    assert plan(actual(first, current=first), Kraken(first, models)) == []
    # The one before stays for work that still runs.
    assert plan(actual(first, second, current=second), Kraken(third, models)) == [
        ("install", f"{HOME}/{third.name}"), ("change", CURRENT), ("remove", f"{HOME}/{first.name}"),
    ]  # fmt: skip
    assert plan(actual(first, current=first), Kraken()) == [
        ("remove", CURRENT), ("remove", f"{HOME}/{first.name}"), ("remove", f"{MODELS}/a.mlmodel"),
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "sent"
    (place / "Boîte 1").mkdir(parents=True)
    (place / "Boîte 1" / "page (1) [recto].tif").write_bytes(os.urandom(30_000))
    (place / "empty").write_bytes(b"")
    (place / "program").write_bytes(b"#!/bin/sh\n")
    (place / "program").chmod(0o755)
    return place


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    pack(folder, files_of(folder)[0], out)
    return out.getvalue()


def test_a_folder_arrives_as_it_was_sent(folder: Path, tmp_path: Path) -> None:
    files, _ = files_of(folder)
    place = tmp_path / "came"
    place.mkdir()
    sums, size = unpack(io.BytesIO(packed(folder)), place)
    assert size == size_of(files) == 30_010
    assert sums == sums_of(folder, files) == sums_of(place, files_of(place)[0])
    assert os.access(place / "program", os.X_OK) and not os.access(place / "empty", os.X_OK)


def test_a_stream_that_is_cut_off_anywhere_or_damaged_is_never_taken_for_whole(folder: Path, tmp_path: Path) -> None:
    whole = packed(folder)
    end = whole.index(b"SHA256SUMS") + 1024  # what follows the sums is only tar's filling
    streams = [whole[:at] for at in range(0, end, 499)]
    streams += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, 31_000, 1013) if whole[at]]
    for number, stream in enumerate(streams):
        place = tmp_path / f"came-{number}"
        place.mkdir()
        with pytest.raises((StreamError, OSError)):
            unpack(io.BytesIO(stream), place)


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    "members",
    [
        [_member("files/../up")],
        [_member("/etc/passwd")],
        [_member("other/file")],
        [_member("files/a", tarfile.SYMTYPE, "/etc"), _member("files/a/passwd")],
        [_member("files/a", tarfile.LNKTYPE, "/etc/passwd")],
        [_member("files/a", tarfile.CHRTYPE)],
        [_member("files/a", tarfile.DIRTYPE)],
        [_member("files/a"), _member("files/a")],
        [_member("files/a"), _member("files/a/b")],
        [_member("files/-rf")],
        [_member("files/a\nb")],
        [_member("SHA256SUMS", tarfile.SYMTYPE, "/etc/passwd")],
    ],
)
def test_a_stream_of_an_enemy_writes_nothing_outside_its_folder(members: list[tarfile.TarInfo], tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            tar.addfile(member)
    place = tmp_path / "deep" / "came"
    place.mkdir(parents=True)
    with pytest.raises((StreamError, OSError)):
        unpack(io.BytesIO(out.getvalue()), place)
    assert all(path.is_relative_to(place) for path in (tmp_path / "deep").rglob("*") if path != place)
    assert not any(path.is_symlink() for path in place.rglob("*"))


def test_more_than_was_announced_is_not_taken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "came").mkdir()
    with pytest.raises(StreamError, match="more came than the 100 bytes"):
        unpack(io.BytesIO(packed(folder)), tmp_path / "came", 100)


def _shortened(file: Path) -> None:
    os.truncate(file, 10)


def _exchanged(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


@pytest.mark.parametrize("happens", [_shortened, _exchanged])
def test_a_file_that_changes_after_it_was_found_is_not_sent(happens: Callable[[Path], None], folder: Path) -> None:
    files, _ = files_of(folder)
    happens(folder / "Boîte 1" / "page (1) [recto].tif")
    with pytest.raises(StreamError, match="page"):
        pack(folder, files, io.BytesIO())


def test_links_are_told_and_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    files, others = files_of(folder)
    assert others == ["link", "pipe"] and len(files) == 3


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "-rf", "a\\b", "a/../b", "\udcff", "x" * 256, "a\u202eb"])
def test_names_that_a_terminal_or_a_shell_would_take_for_more_do_not_travel(name: str) -> None:
    assert not may_travel(name) and may_travel("Été 1834/page n° 1 (recto) – é.tif")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "a", "."], "say what to run, after two hyphens"),
        (["run", "A", ".", "--", "true"], "'A' is no name"),
        (["drop", "../a"], "'../a' is no name"),
        (["fetch", "a", "x", "--", "true"], "fetch takes no words"),
    ],
)
def test_wrong_words_are_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "a", "nowhere", "--", "true"], "nowhere is no folder. Nothing was sent."),
        (["run", "a", ".", "--", "true"], "There are several machines: say --machine pages or more."),
        (["status", "--machine", "store"], "There is no machine store in group compute; there is pages, more."),
    ],
)
def test_what_cannot_be_is_said_before_any_machine_is_asked(
    words: list[str], said: str, estate: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_an_estate_without_such_a_machine_says_so(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (estate / "mylab/machines.toml").write_text('[store]\naddress = "192.0.2.3"\ngroups = ["images"]\n')
    assert main(["status"]) == 1
    assert "has no machine in group compute" in capsys.readouterr().err
