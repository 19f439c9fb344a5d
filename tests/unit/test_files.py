"""Files: what differs is planned, what is planned is done, on this computer's own file system."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from facts.files import file_contents, file_states
from facts.survey import Part, Unread, survey_script, understand
from recettes import files as files_module
from recettes.files import File, FileTable, files_script, plan_files, shows_content, with_diffs
from recettes.shell import whole

T = TypeVar("T")
ME, US = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


@pytest.fixture(autouse=True)
def own_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists that a machine keeps in /var lie in the test's own folder."""
    for module in ("recettes.files", "facts.files"):
        monkeypatch.setattr(f"{module}.MANAGED", str(tmp_path / "books" / "managed"))
    monkeypatch.setattr(files_module, "STAGING", str(tmp_path / "books" / "staging"))


def mine(content: bytes | None, mode: int = 0o644, **more: object) -> File:
    return File(content, ME, US, mode, **more)  # type: ignore[arg-type]


def ask(part: Part[T]) -> T | Unread:
    run = subprocess.run(["sh", "-s"], input=survey_script([part], "#nonce"), capture_output=True, text=True, check=True)
    return understand([part], "#nonce", run.stdout.splitlines())[part.key]  # type: ignore[no-any-return]


def read(wanted: dict[str, File]) -> FileTable:
    table = ask(file_states(wanted, managed=True))
    assert isinstance(table, FileTable), table
    return table


def apply(wanted: dict[str, File]) -> list[tuple[str, str]]:
    changes = plan_files(read(wanted), wanted)
    run = subprocess.run(["sh", "-s"], input=whole(files_script(changes, wanted)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [(change.action, change.item) for change in changes]


def test_everything_is_made_once_and_then_nothing_is_left_to_do(tmp_path: Path) -> None:
    wanted = {
        f"{tmp_path}/deep/er/a file": mine(b"h\xc3\xa9llo\n", 0o640),
        f"{tmp_path}/binary": mine(bytes(range(256)) * 50),
        f"{tmp_path}/empty": mine(b""),
        f"{tmp_path}/folder": mine(None, 0o750),
        f"{tmp_path}/link": File(owner=ME, group=US, link="binary"),
        f"{tmp_path}/it's": mine(b"quoted"),
    }
    assert {action for action, _ in apply(wanted)} == {"create"}
    assert apply(wanted) == []
    assert Path(f"{tmp_path}/binary").read_bytes() == bytes(range(256)) * 50
    assert Path(f"{tmp_path}/link").read_bytes() == Path(f"{tmp_path}/binary").read_bytes()
    assert Path(f"{tmp_path}/deep/er/a file").stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.rglob("*.recettes-new"))


def test_each_kind_of_damage_is_seen_and_healed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    wanted = {str(path): mine(b"right\n")}
    apply(wanted)
    for damage, action in [
        (f"echo wrong >{path}", "change"),
        (f"chmod 666 {path}", "own"),
        (f"rm {path}", "create"),
        (f"rm {path}; mkdir {path}", "replace"),
        (f"rm {path}; ln -s /etc/passwd {path}", "replace"),
    ]:
        subprocess.run(["sh", "-c", damage], check=True)
        assert apply(wanted) == [(action, str(path))]
        assert apply(wanted) == []
        assert path.read_bytes() == b"right\n"


def test_a_dropped_file_goes_and_a_dropped_folder_stays_with_its_data(tmp_path: Path) -> None:
    apply({f"{tmp_path}/a": mine(b"a"), f"{tmp_path}/b": mine(b"b"), f"{tmp_path}/data": mine(None, 0o755)})
    (tmp_path / "data" / "precious").write_text("kept")
    assert apply({f"{tmp_path}/a": mine(b"a")}) == [("remove", f"{tmp_path}/b")]
    assert not (tmp_path / "b").exists()
    assert (tmp_path / "data" / "precious").read_text() == "kept"


def test_a_file_that_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("x")
    apply({f"{tmp_path}/a": mine(b"a")})
    apply({})
    assert (tmp_path / "theirs").exists()


def test_what_a_run_that_died_left_behind_is_known_to_the_next(tmp_path: Path) -> None:
    wanted = {f"{tmp_path}/a": mine(b"a")}
    script = files_script(plan_files(read(wanted), wanted), wanted)
    final = script.rindex("mv -fT")  # all but the last line, that settles the list
    subprocess.run(["sh", "-s"], input=whole(script[:final]), check=True, text=True)
    assert (tmp_path / "a").exists()
    assert apply({}) == [("remove", f"{tmp_path}/a")]


def test_a_failure_while_writing_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    wanted = {f"{tmp_path}/a": mine(b"new"), "/proc/version/cannot": mine(b"x")}
    changes = plan_files(FileTable({}), wanted)
    run = subprocess.run(["sh", "-s"], input=whole(files_script(changes, wanted)), capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert (tmp_path / "a").read_text() == "old"
    assert not list(tmp_path.rglob("*.recettes-new"))


def test_a_link_that_takes_a_folders_place_while_a_run_is_under_way_is_not_followed(tmp_path: Path) -> None:
    """The folder above may belong to a service, whose code could so have root give it any folder of the machine."""
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "state" / "tmp"
    elsewhere.mkdir(mode=0o755)
    wanted = {str(place): mine(None, 0o700)}
    apply(wanted)
    place.chmod(0o755)
    changes = plan_files(read(wanted), wanted)
    place.rmdir()
    place.symlink_to(elsewhere)
    run = subprocess.run(["sh", "-s"], input=whole(files_script(changes, wanted)), capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert f"{place} leads to {elsewhere} now" in run.stderr
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_a_path_that_may_not_be_looked_at_is_unread_and_not_absent() -> None:
    if os.getuid() == 0:
        pytest.skip("root may look at everything")
    assert isinstance(ask(file_states(["/root/x"])), Unread)


def test_what_somebody_wrote_for_few_eyes_is_in_no_diff(tmp_path: Path) -> None:
    place = tmp_path / "msmtprc"
    place.write_text("password hunter2\n")
    wanted = {str(place): mine(b"ours\n", 0o600)}
    for mode, shown in ((0o600, False), (0o644, True)):
        place.chmod(mode)
        actual = read(wanted)
        (change,) = plan_files(actual, wanted)
        assert shows_content(change, actual, wanted) is shown
        assert shows_content(change, replace(actual, managed=frozenset(wanted)), wanted)
    (told,) = with_diffs([change], {}, wanted)
    assert told.diff == ("differs (what is there is not shown: it is large, or not for all to read)",)


def test_diffs_show_what_changes_and_never_a_secret(tmp_path: Path) -> None:
    wanted = {f"{tmp_path}/a": mine(b"one\ntwo\n"), f"{tmp_path}/s": mine(b"hunter2", secret=True)}
    apply({f"{tmp_path}/a": mine(b"one\n"), f"{tmp_path}/s": mine(b"hunter1", secret=True)})
    before = ask(file_contents([f"{tmp_path}/a"]))
    assert isinstance(before, dict)
    changes = {c.item: c for c in with_diffs(plan_files(read(wanted), wanted), before, wanted)}
    assert "+two" in changes[f"{tmp_path}/a"].diff
    assert "hunter" not in "".join(changes[f"{tmp_path}/s"].diff) + repr(changes) + repr(wanted)
