"""Programs in /opt of a real machine: unpacked whole, healed, removed, and refused when they are not what the catalogue names."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import tarfile
from collections.abc import Iterator

import pytest

from facts.artifacts import programs
from facts.survey import Unread, survey_script, understand
from recettes.artifacts import incoming, plan_artifacts, remove_script, unpack_script, unpacks
from recettes.catalogue import Artifact, Maven, Piece
from recettes.change import Change
from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.contents.program import pack
from recettes.shell import whole
from tests.containers.one_operation import Controller, Run

# A catalogue of the tests' own: the files of each version are in the controller's cache, or they are not.
DEPLOY = """
from datetime import date
from operations.artifacts import artifacts, artifacts_fetched, artifacts_part
from operations.engine import announce
from recettes.catalogue import Artifact, Maven, Piece

wanted = {wanted!r}
announce([artifacts_part(wanted)])
artifacts_fetched(name="Programs can be had", wanted=wanted)
artifacts(name="Programs", wanted=wanted, today=date.today())
"""
PLACE = "/opt/tool"
_contents = itertools.count()


class Place:
    """A machine, and the program `tool` that is declared for it."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.machine: Machine = controller.estate.machine("web")
        self.machine.run(f"rm -rf {PLACE}; mkdir -p /opt")

    def version(self, number: str, *, cached: bool = True) -> Artifact:
        """A version of two jars whose content nobody has seen before."""
        return Artifact("tool", number, tuple(self._piece(name, number, cached) for name in ("core", "api")))

    def _piece(self, name: str, number: str, cached: bool) -> Piece:
        content = f"{name} {number} {next(_contents)}\n".encode() * 5000
        source = Maven("org.example", name, number)
        if cached:
            place = self.controller.scratch / "cache/artifacts/org.example" / source.file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return Piece(source, len(content), hashlib.sha256(content).hexdigest())

    # By the scripts that the operation sends, quickly.

    def plan(self, want: Artifact | None) -> list[Change]:
        part = programs({"tool": want})
        read = self.machine.run(survey_script([part], "#n")).out.splitlines()
        found = understand([part], "#n", read)[part.key]
        assert not isinstance(found, Unread), found
        return plan_artifacts(found, {"tool": want})

    def bring(self, want: Artifact | None) -> list[tuple[str, str]]:
        """Apply, and see that nothing is left to do. Returns actions and items."""
        changes = self.plan(want)
        for change in changes:
            if want and unpacks(change):
                self.unpack(want, whole(unpack_script(want)))
        self.machine.run(whole(remove_script([change for change in changes if not unpacks(change)])))
        assert self.plan(want) == []
        return [(change.action, change.item) for change in changes]

    def unpack(self, want: Artifact, script: str, *, check: bool = True) -> None:
        content, archive = io.BytesIO(), io.BytesIO()
        pack(want, content)
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo(incoming(want).lstrip("/"))
            info.size = content.tell()
            content.seek(0)
            tar.addfile(info, content)
        self.machine.container.put_archive("/", archive.getvalue())
        self.machine.run(script, check=check)

    # As the administrator does it.

    def dry(self, want: Artifact | None) -> Run:
        return self.controller.dry(DEPLOY.format(wanted={"tool": want}))

    def apply(self, want: Artifact | None) -> Run:
        return self.controller.attempt(DEPLOY.format(wanted={"tool": want}))

    def there(self) -> list[str]:
        return sorted(self.machine.run(f"ls -A {PLACE} 2>/dev/null || :").out.split())


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    scratch = tmp_path_factory.mktemp("artifacts")
    # Whatever is not in the cache cannot be had.
    (scratch / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    # Within the estate: the locks of those who make and remove machines are in the cache of all.
    with temporary_estate(["web"], user="debian") as estate, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECETTES_CACHE", str(scratch / "cache"))
        patch.setenv("JGO_CONFIG_FILE", str(scratch / "jgo.conf"))
        yield Controller(estate, scratch)


@pytest.fixture
def place(controller: Controller) -> Place:
    return Place(controller)


def test_a_program_is_unpacked_for_all_to_read_and_for_nobody_to_change(place: Place) -> None:
    want = place.version("1.0")
    planned, done, again = place.dry(want), place.apply(want), place.apply(want)
    assert done.status == again.status == 0, done.output
    assert planned.changes == done.changes
    assert done.items == [f"{PLACE}/1.0"]
    assert again.changes == []
    assert place.there() == ["1.0", "1.0.listing"]
    modes = place.machine.run(f"cd {PLACE}; stat -c '%U:%G %a %n' . 1.0 1.0/lib 1.0/lib/*").out.splitlines()
    assert modes == [
        "root:root 755 .",
        "root:root 755 1.0",
        "root:root 755 1.0/lib",
        "root:root 644 1.0/lib/api-1.0.jar",
        "root:root 644 1.0/lib/core-1.0.jar",
    ]
    assert place.machine.run("runuser -u nobody -- head -c 8 /opt/tool/1.0/lib/core-1.0.jar").out == "core 1.0"


def test_damage_is_seen_and_healed(place: Place) -> None:
    want = place.version("1.0")
    place.bring(want)
    before = place.machine.run(f"sha256sum {PLACE}/1.0/lib/*").out
    for damage in (
        "echo x >>1.0/lib/core-1.0.jar",
        "touch 1.0/lib/more.jar",
        "rm 1.0/lib/api-1.0.jar",
        "chmod 666 1.0/lib/api-1.0.jar",
        "chown nobody 1.0/lib",
        "rm 1.0.listing",
        "mv 1.0 elsewhere; ln -s elsewhere 1.0",
    ):
        place.machine.run(f"cd {PLACE}; {damage}")
        assert place.bring(want) == [("restore", f"{PLACE}/1.0")], damage
        assert place.machine.run(f"sha256sum {PLACE}/1.0/lib/*").out == before


def test_what_the_catalogue_says_anew_about_a_version_is_brought(place: Place) -> None:
    place.bring(place.version("1.0"))
    assert place.bring(place.version("1.0")) == [("restore", f"{PLACE}/1.0")]


def test_versions_go_when_neither_they_nor_a_link_is_declared_and_what_is_not_ours_stays(place: Place) -> None:
    for number in ("1.0", "2.0"):
        place.bring(place.version(number))
    assert place.there() == ["2.0", "2.0.listing"]
    place.machine.run(f"cd {PLACE}; ln -s 2.0 current; mkdir by-hand")
    assert place.bring(place.version("3.0")) == [("install", f"{PLACE}/3.0")]
    place.machine.run(f"cd {PLACE}; ln -s 2.0 previous; ln -sfn 3.0 current")
    # 3.0 is about to be the previous one.
    assert place.bring(place.version("4.0")) == [("install", f"{PLACE}/4.0"), ("remove", f"{PLACE}/2.0")]
    assert {"3.0", "4.0", "by-hand"} <= set(place.there())
    planned, done = place.dry(None), place.apply(None)
    assert planned.changes == done.changes
    assert done.items == [f"{PLACE}/{name}" for name in ("current", "previous", "3.0", "4.0")]
    assert place.there() == ["by-hand"]
    place.machine.run(f"rmdir {PLACE}/by-hand")
    place.bring(place.version("1.0"))
    place.bring(None)
    assert place.machine.run(f"ls -d {PLACE}", check=False).code != 0


def test_a_dry_run_fetches_nothing_and_a_run_that_cannot_fetch_changes_nothing(place: Place) -> None:
    want = place.version("9.0", cached=False)
    dry = place.dry(want)
    assert dry.items == [f"{PLACE}/9.0"]
    assert "could not be fetched" not in dry.output
    run = place.apply(want)
    assert run.status != 0
    assert run.output.count("org.example:core:9.0 could not be fetched: no connection to the Maven repository.") == 1
    assert "Nothing was changed." in run.output
    assert run.changes == []
    assert place.there() == []


def test_a_wrong_checksum_is_refused_before_anything_is_changed(place: Place) -> None:
    place.bring(old := place.version("1.0"))
    want = place.version("2.0")
    jar = place.controller.scratch / "cache/artifacts/org.example/core-2.0.jar"
    jar.write_bytes(jar.read_bytes().replace(b"core", b"c0re"))
    run = place.apply(want)
    assert run.status != 0
    assert re.search(r"core-2\.0\.jar is not what the catalogue names: its SHA-256 is \w+ instead of \w+\. Remove it", run.output)
    assert run.changes == []
    assert place.there() == ["1.0", "1.0.listing"]
    assert place.plan(old) == []


def test_dying_after_any_command_never_leaves_half_a_program_and_the_next_run_ends_it(place: Place) -> None:
    """The script is cut after each of its lines in turn, first where nothing was, then over a damaged version."""
    want = place.version("1.0")
    lines = whole(unpack_script(want)).splitlines()
    commands = [number for number, line in enumerate(lines) if not re.match(r"\s|[}{]|trap|\S+\(\)", line)]
    assert len(commands) > 8
    for damage, cut in itertools.product((False, True), commands):
        place.machine.run(f"rm -rf {PLACE}")
        if damage:
            place.bring(want)
            place.machine.run(f"echo x >>{PLACE}/1.0/lib/core-1.0.jar")
        place.unpack(want, "\n".join([*lines[:cut], "kill -9 $$", *lines[cut:]]), check=False)
        left = place.machine.run(f"ls {PLACE}/1.0/lib 2>/dev/null || :").out.split()
        assert left in ([], ["api-1.0.jar", "core-1.0.jar"])
        assert place.bring(want)
        assert place.there() == ["1.0", "1.0.listing"]
