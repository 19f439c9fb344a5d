"""Releases of sites on a real machine: published whole or not at all, healed, kept, rolled back."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from facts.releases import release_states
from facts.survey import Unread, survey_script, understand
from recettes import sources
from recettes.change import Change
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.declarations.sources import Folder
from recettes.releases import (
    INCOMING,
    KEEP,
    NOTHING,
    SITES,
    Release,
    SiteState,
    end_script,
    held_back,
    incoming,
    plan_end,
    plan_releases,
    plan_rollback,
    release_script,
    rollback_script,
    unpacks,
    why_not_back,
)
from recettes.shell import whole
from recettes.sources import pack, resolve
from tests.harness import ROOT, Run, TestLab, test_lab

SITE = f"{SITES}/home"
LAB = """
from recettes.declarations.lab import Lab
lab = Lab(name="Test", domain="lab.test", contact="ada@lab.test")
"""
# The administrator's deploy, but for these contents alone. Sites: name -> folder.
DEPLOY = """
import json
from pathlib import Path
from operations.releases import releases
from recettes.declarations.sources import Folder
from recettes.releases import Release
from recettes.sources import resolve_all

for step in json.loads(Path({steps!r}).read_text()):
    found = resolve_all({{site: Folder(path=path) for site, path in step.items()}})
    wanted = {{site: Release(one.digest, one.describe) for site, one in found.items()}}
    releases(name="Contents of sites", wanted=wanted, sources=found)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    scratch = tmp_path_factory.mktemp("releases")
    with test_lab(["web"], scratch, user="debian") as made:
        made.declare(LAB)
        made.environment["RECETTES_CACHE"] = str(scratch / "cache")
        yield made


class Place:
    """A site named home on the machine, and the folder that is declared for it."""

    def __init__(self, lab: TestLab, folder: Path) -> None:
        self.lab, self.folder, self.source = lab, folder, folder / "source"
        self.source.mkdir()
        self.group = "root"
        self.data: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        return self.lab.web

    # By the scripts that the operation sends, quickly.

    def release(self) -> Release:
        sources.forget()
        resolved = resolve(Folder(path=str(self.source)))
        return Release(resolved.digest, resolved.describe, group=self.group, data=self.data)

    def state(self, name: str = "") -> SiteState:
        part = release_states({"home": name})
        found = understand([part], "#n", self.machine.run(survey_script([part], "#n")).out.splitlines())[part.key]
        if isinstance(found, Unread):
            raise ValueError(found.reason)
        assert isinstance(found, dict)
        state = found.get("home", NOTHING)
        assert isinstance(state, SiteState)
        return state

    def plan(self) -> list[Change]:
        release = self.release()
        return plan_releases({"home": self.state(release.name)}, {"home": release})

    def script(self, change: Change) -> str:
        release = self.release()
        if unpacks(change):
            output = io.BytesIO()
            pack(resolve(Folder(path=str(self.source))), output)
            self.put(incoming("home"), output.getvalue())
        return whole(release_script(change, self.state(release.name), release))

    def put(self, path: str, content: bytes) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        self.machine.container.put_archive("/", archive.getvalue())

    def publish(self, **files: str) -> list[str]:
        """Change the source, bring it about, check that nothing is left to do; returns the actions."""
        for name, content in files.items():
            (self.source / name).write_text(content)
        changes = self.plan()
        for change in changes:
            self.machine.run(self.script(change))
        assert self.plan() == []
        return [change.action for change in changes]

    # As the administrator does it.

    def pyinfra(self, *words: str, steps: list[dict[str, str]] | None = None) -> Run:
        listed = self.folder / "steps.json"
        listed.write_text(json.dumps(steps if steps is not None else [{"home": str(self.source)}]))
        deploy = self.folder / "deploy.py"
        deploy.write_text(DEPLOY.format(steps=str(listed)))
        return self.lab.pyinfra(str(deploy), *words)

    def apply(self, steps: list[dict[str, str]] | None = None) -> Run:
        return self.pyinfra("-y", steps=steps)

    def dry(self) -> Run:
        return self.pyinfra("--dry")

    # From outside.

    def shown(self) -> dict[str, str]:
        names = self.machine.run(f"ls -A {SITE}/current/").out.split()
        return {name: self.machine.run(f"cat {SITE}/current/{name}").out for name in names}

    def releases(self) -> list[str]:
        return self.machine.run(f"ls -A {SITE}/releases").out.split()


@pytest.fixture
def place(lab: TestLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("RECETTES_CACHE", str(tmp_path / "cache"))
    lab.web.run(f"rm -rf {SITES} {INCOMING}")
    yield Place(lab, tmp_path)
    sources.forget()


def actions(run: Run) -> list[tuple[str, str]]:
    return [(action, item) for _, _, action, item in run.changes]


def test_a_site_is_published_once_and_the_dry_run_says_just_that(place: Place) -> None:
    (place.source / "index.html").write_text("one")
    dry = place.dry()
    assert place.machine.run(f"ls {SITES}", check=False).code != 0
    applied = place.apply()
    assert applied.status == 0, applied.output
    assert actions(dry) == actions(applied) == [("publish", "home")]
    assert place.shown() == {"index.html": "one"}
    again = place.apply()
    assert (again.status, again.changes) == (0, [])
    (place.source / "index.html").write_text("two")
    assert actions(place.dry()) == actions(place.apply()) == [("publish", "home")]
    assert place.shown() == {"index.html": "two"}
    assert place.machine.run(f"ls -A {INCOMING}").out == ""
    assert place.machine.run(f"stat -c %a:%U {INCOMING}").out == "700:root\n"
    assert place.machine.run("find /tmp /home -newer /srv -type f -size +0 -name '*tar*'").out == ""


def test_only_the_site_that_changed_is_changed(place: Place) -> None:
    (place.source / "index.html").write_text("one")
    other = place.folder / "other"
    other.mkdir()
    (other / "index.html").write_text("other")
    both = {"home": str(place.source), "other": str(other)}
    assert actions(place.apply([both])) == [("publish", "home"), ("publish", "other")]
    (other / "index.html").write_text("new")
    assert actions(place.apply([both])) == [("publish", "other")]


def test_a_dropped_site_s_files_stay(place: Place) -> None:
    (place.source / "index.html").write_text("one")
    place.apply()
    dropped = place.apply([{}])
    assert (dropped.status, dropped.changes) == (0, [])
    assert place.shown() == {"index.html": "one"}


def test_no_machine_is_touched_when_one_source_is_bad(place: Place) -> None:
    (place.source / "index.html").write_text("one")
    run = place.apply([{"home": str(place.source), "bad": "/nowhere/at/all"}])
    assert run.status != 0
    assert "site bad: the folder /nowhere/at/all does not exist" in run.output
    assert place.machine.run(f"ls {SITES}", check=False).code != 0


def test_visitors_never_see_an_error_or_half_a_version_while_releases_change(place: Place) -> None:
    """A program on this computer asks all the time while the site is switched twenty times."""
    folders = {}
    for version in "ab":
        folder = place.folder / version
        folder.mkdir()
        (folder / "page").write_text(version * 200_000)
        folders[version] = str(folder)
    assert place.apply([{"home": folders["a"]}]).status == 0
    place.machine.run(f"nohup python3 -m http.server 8099 --directory {SITE}/current >/dev/null 2>&1 & echo $! >/run/server.pid")
    address = f"http://{place.machine.address}:8099/page"
    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                body = urllib.request.urlopen(address, timeout=5).read().decode()
                seen.append(body[0] if body == body[0] * 200_000 else "half")
            except OSError as error:
                seen.append(str(error))

    try:
        until(lambda: _answers(address), f"{address} answers")
        visitor = threading.Thread(target=look)
        visitor.start()
        try:
            run = place.apply([{"home": folders["ba"[turn % 2]]} for turn in range(20)])
        finally:
            done.set()
            visitor.join()
    finally:
        place.machine.run("kill $(cat /run/server.pid)")
    assert run.status == 0, run.output
    assert len(run.changes) == 20
    assert set(seen) == {"a", "b"}


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("seconds", [1.0, 1.6, 2.2])
def test_a_controller_that_is_killed_leaves_a_whole_site_and_the_next_run_ends_it(place: Place, seconds: float) -> None:
    place.publish(**{"index.html": "old"})
    for number in range(2000):
        (place.source / f"page{number}").write_text("new" * 1000)
    (place.source / "index.html").write_text("new")
    (place.folder / "steps.json").write_text(json.dumps([{"home": str(place.source)}]))
    (place.folder / "deploy.py").write_text(DEPLOY.format(steps=str(place.folder / "steps.json")))
    with subprocess.Popen(
        [ROOT / ".venv" / "bin" / "pyinfra", "inventory.py", place.folder / "deploy.py", "-y"],
        cwd=ROOT, env=place.lab.variables(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as controller:  # fmt: skip
        time.sleep(seconds)
        controller.send_signal(signal.SIGKILL)
    # Of one release: what the controller had sent already may still be exchanging it for another.
    current = place.machine.run(f"cd -P {SITE}/current && ls | wc -l && cat index.html").out.split()
    assert current in (["1", "old"], ["2001", "new"])
    left = "grep -lsx 'Name:.sudo' /proc/[0-9]*/status"
    until(lambda: place.machine.run(left, check=False).out == "", "what runs there without its controller has come to an end")
    assert place.apply().status == 0
    assert place.machine.run(f"ls {SITE}/current/ | wc -l; cat {SITE}/current/index.html").out.split() == ["2001", "new"]
    assert place.apply().changes == []
    assert place.machine.run(f"ls -A {INCOMING} {SITE}/releases | grep -v '^/' | grep -c 'new\\|tar' || :").out == "0\n"


def test_a_full_disk_leaves_the_old_release_and_says_why(place: Place) -> None:
    place.publish(**{"index.html": "old"})
    (place.source / "index.html").write_text("new")
    (place.source / "large").write_bytes(bytes(range(256)) * 40_000)
    with place.machine.full_disk(SITES):
        run = place.apply()
        assert run.status != 0
        assert "No space left on device" in run.output
        assert place.shown() == {"index.html": "old"}
    assert place.apply().status == 0
    assert place.shown()["index.html"] == "new"


def test_an_upload_that_finds_the_disk_full_changes_nothing_and_says_why(place: Place) -> None:
    place.publish(**{"index.html": "old"})
    (place.source / "index.html").write_text("new")
    with place.machine.full_disk("/var/lib/recettes"):
        run = place.apply()
        assert run.status != 0
        assert f"{INCOMING}/home.tar.gz could not be written" in run.output
        assert "No space left on device" in run.output
        assert place.machine.run(f"ls -A {INCOMING}").out == ""
    assert place.shown() == {"index.html": "old"}


def test_a_site_is_rolled_back_by_one_command_and_stays_until_something_new_is_declared(place: Place) -> None:
    place.publish(**{"index.html": "good"})
    place.publish(**{"index.html": "bad"})
    said = place.lab.command("bin/rollback", "--dry", "home")
    assert (said.returncode, place.shown()) == (0, {"index.html": "bad"}), said.stderr
    done = place.lab.command("bin/rollback", "home")
    assert done.returncode == 0, done.stderr
    assert "web: releases: roll back home" in done.stdout
    assert place.shown() == {"index.html": "good"}
    for run in (place.dry(), place.apply()):
        assert run.changes == []
        assert "home stays on" in run.output
    twice = place.lab.command("bin/rollback", "home")
    assert twice.returncode == 1
    assert "already rolled back" in twice.stderr
    (place.source / "index.html").write_text("better")
    assert actions(place.apply()) == [("publish", "home")]
    assert place.shown() == {"index.html": "better"}


def test_a_hold_can_be_ended(place: Place) -> None:
    place.publish(**{"index.html": "good"})
    place.publish(**{"index.html": "new"})
    place.lab.command("bin/rollback", "home")
    assert place.lab.command("bin/rollback", "--end", "home").returncode == 0
    assert actions(place.apply()) == [("switch", "home")]
    assert place.shown() == {"index.html": "new"}
    assert place.lab.command("bin/rollback", "--end", "home").returncode == 1


def test_a_site_that_is_not_there_cannot_be_rolled_back(place: Place) -> None:
    said = place.lab.command("bin/rollback", "nowhere")
    assert said.returncode == 1
    assert "nowhere is not shown on web. Nothing was changed." in said.stderr


def test_publishing_once_is_enough_and_leaves_nothing_beside(place: Place) -> None:
    assert place.publish(index="one") == ["publish"]
    assert place.shown() == {"index": "one"}
    assert place.publish() == []
    assert place.machine.run(f"ls -A {SITE}; ls -A {INCOMING}").out.split() == ["current", "releases"]
    assert len(place.releases()) == 2  # the release and its listing


def test_the_last_releases_are_kept_and_data_is_never_touched(place: Place) -> None:
    place.machine.run(f"mkdir -p {SITE}/data; echo precious >{SITE}/data/upload")
    for version in range(KEEP + 3):
        place.publish(index=str(version))
    assert sorted(place.machine.run(f"cat {SITE}/releases/*/index").out) == ["3", "4", "5"]
    assert place.machine.run(f"cat {SITE}/previous/index {SITE}/data/upload").out == "4precious\n"


def test_folders_that_outlive_releases_are_in_each_of_them(place: Place) -> None:
    place.machine.run(
        f"mkdir -p {SITE}/data/files/deep; echo precious >{SITE}/data/files/upload; echo too >{SITE}/data/files/deep/x"
    )
    place.publish(index="one", files="in the way")
    assert place.shown() == {"index": "one", "files": "in the way"}
    place.data = ("files", "new/deep")
    assert place.publish() == ["publish"]
    there = place.machine.run(f"cat {SITE}/current/files/upload; readlink {SITE}/current/new/deep").out
    assert there == "precious\n../../../data/new/deep\n"
    for version in range(KEEP + 1):
        place.publish(index=str(version))
    assert place.machine.run(f"cat {SITE}/current/files/upload {SITE}/data/files/deep/x").out == "precious\ntoo\n"


def test_a_release_of_a_group_is_read_by_it_and_by_nobody_else(place: Place) -> None:
    place.publish(index="one")
    place.group = "www-data"
    assert place.publish() == ["restore"]
    read = f"setpriv --clear-groups --reuid {{0}} --regid {{0}} cat {SITE}/current/index"
    assert place.machine.run(read.format("www-data")).out == "one"
    assert "Permission denied" in place.machine.run(read.format("games"), check=False).err


def test_files_that_did_not_change_keep_their_time_and_others_get_a_new_one(place: Place) -> None:
    """A web server's ETag is made of time and size: other content of the same size and time would never reach visitors."""
    place.publish(same="same", other="one")
    times = f"cd {SITE}/current/; stat -c %.Y same other"
    before = place.machine.run(times).out.split()
    place.publish(other="two")
    after = place.machine.run(times).out.split()
    assert after[0] == before[0]
    assert float(after[1]) > float(before[1])


def test_a_repository_s_dates_do_not_reach_visitors(place: Place) -> None:
    (place.source / "index").write_text("x")
    os.utime(place.source / "index", (1, 1))
    place.publish()
    assert float(place.machine.run(f"stat -c %Y {SITE}/current/index").out) > 10


@pytest.mark.parametrize(
    "damage",
    [
        "echo twin >current/index",
        "touch current/new",
        "rm current/index",
        "chmod 666 current/index",
        "mkdir current/folder",
        "ln -sf /etc/passwd current/index",
        "rm releases/*.listing",
        "rm -r releases/*",
        "rm current",
        "ln -sfn /etc current",
        "ln -sfn releases/0123456789abcdef current",
        "touch releases/.new-0123456789abcdef",
    ],
)
def test_damage_is_seen_and_healed(place: Place, damage: str) -> None:
    place.publish(index="some", é="accents")
    place.machine.run(f"cd {SITE}; {damage}")
    assert len(place.publish()) == 1
    assert place.shown() == {"index": "some", "é": "accents"}


def test_what_is_not_ours_in_the_place_of_the_link_is_not_taken_away(place: Place) -> None:
    place.publish(index="one")
    place.machine.run(f"rm {SITE}/current; mkdir {SITE}/current")
    with pytest.raises(ValueError, match="current is not a link, so these recipes did not make it; move it away"):
        place.plan()


def test_a_folder_of_someone_s_beside_the_releases_stays(place: Place) -> None:
    place.publish(index="one")
    place.machine.run(f"mkdir {SITE}/releases/keep-me")
    for version in range(KEEP + 1):
        place.publish(index=str(version))
    assert "keep-me" in place.releases()


def test_rolling_back_holds_until_something_new_is_declared(place: Place) -> None:
    place.publish(index="good")
    place.publish(index="bad")
    state = place.state()
    assert [change.action for change in plan_rollback("home", state)] == ["roll back"]
    place.machine.run(whole(rollback_script("home", state)))
    assert place.shown() == {"index": "good"}
    assert place.plan() == []
    assert len(held_back({"home": place.state()}, {"home": place.release()})) == 1
    assert why_not_back("home", place.state())
    assert place.publish(index="better") == ["publish"]
    assert place.shown() == {"index": "better"}
    assert place.machine.run(f"cat {SITE}/previous/index; ls {SITE}").out == "goodcurrent\nprevious\nreleases\n"


def test_ending_a_hold_lets_the_next_run_show_what_is_declared(place: Place) -> None:
    place.publish(index="good")
    place.publish(index="bad")
    place.machine.run(whole(rollback_script("home", place.state())))
    assert [change.action for change in plan_end("home", place.state())] == ["end hold"]
    place.machine.run(whole(end_script("home")))
    assert plan_end("home", place.state()) == []
    assert place.publish() == ["switch"]
    assert place.shown() == {"index": "bad"}


def test_dying_after_any_command_leaves_a_whole_release_and_the_next_run_ends_it(place: Place) -> None:
    """The script is cut after each of its lines in turn; what is shown is always one whole version."""
    place.publish(a="0", b="0")
    cut, version, total = 0, 1, 99
    while cut < total:
        for name in ("a", "b"):
            (place.source / name).write_text(str(version))
        (change,) = place.plan()
        lines = place.script(change).splitlines()
        commands = [n for n, line in enumerate(lines) if not re.match(r"\s|[}{]|trap|\S+\(\)", line)]
        total = len(commands)
        lines.insert(commands[cut], "kill -9 $$")
        place.machine.run("\n".join(lines), check=False)
        assert len({*place.shown().values()}) == 1
        place.publish()
        assert {*place.shown().values()} == {str(version)}
        assert not [name for name in place.releases() if name.startswith(".")]
        cut, version = cut + 1, version + 1
    assert total > 10


def test_an_archive_that_was_cut_off_changes_nothing(place: Place) -> None:
    place.publish(index="one")
    (place.source / "index").write_text("two")
    (change,) = place.plan()
    script = place.script(change)
    place.machine.run(f"truncate -s -20 {incoming('home')}")
    assert place.machine.run(script, check=False).code != 0
    assert place.shown() == {"index": "one"}
    assert place.publish() == ["publish"]
