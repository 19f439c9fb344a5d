"""Programs that Debian does not have: what is planned of them, and how their files are fetched and checked."""

from __future__ import annotations

import functools
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from datetime import date
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facts.artifacts import programs
from recettes.artifacts import Program, Unpacked, listing_path, plan_artifacts, unpacks, written
from recettes.catalogue import CATALOGUE, Artifact, CatalogueError, Line, Maven, Piece, aged, find
from recettes.contents.maven import FetchError, cached, fetch
from recettes.contents.program import pack
from recettes.declarations.xmldb import XmlServer
from recettes.xmldb import programs as xmldb

WANT = find("basex", "11.8")


def there(want: Artifact, actual: str = "same") -> Unpacked:
    return Unpacked(want.digest, "same", actual)


def planned(is_: Program, want: Artifact | None = WANT) -> list[tuple[str, str]]:
    return [(change.action, change.item) for change in plan_artifacts({"basex": is_}, {"basex": want})]


def test_the_catalogue_says_of_each_version_once_what_it_is() -> None:
    assert len({(one.name, one.version) for one in CATALOGUE}) == len(CATALOGUE)
    for piece in (piece for one in CATALOGUE for piece in one.pieces):
        assert len(bytes.fromhex(piece.sha256)) == 32
        assert piece.size > 0


def test_what_a_server_is_declared_with_is_in_the_catalogue() -> None:
    assert {one.name: one.version for one in xmldb.programs(XmlServer()).values()} == {
        "basex": "11.8",
        "jetty": "12.1.12",
        "saxon": "12.10",
    }


def test_a_version_that_is_not_in_the_catalogue_is_refused_with_those_that_are() -> None:
    with pytest.raises(CatalogueError, match=r"basex 12\.0 is not in the catalogue .*; there are 11\.0, 11\.8"):
        find("basex", "12.0")


def test_a_line_without_repairs_is_said_when_its_time_has_come() -> None:
    line = Line("basex", "11.", date(2027, 3, 1), "its announcement")
    assert aged({"basex": WANT}, date(2027, 2, 28), [line]) == []
    assert aged({"basex": WANT}, date(2027, 3, 1), [line]) == [
        "basex 11.8 gets no more repairs since 2027-03-01: its announcement"
    ]


def test_what_is_missing_is_installed_and_what_is_there_is_left_alone() -> None:
    assert planned(Program()) == [("install", "/opt/basex/11.8")]
    assert planned(Program({"11.8": there(WANT)}, current="11.8")) == []


@pytest.mark.parametrize("is_", [there(WANT, "touched"), Unpacked("0" * 16, "same", "same"), Unpacked("", "", "same")])
def test_what_is_not_as_it_was_unpacked_is_restored(is_: Unpacked) -> None:
    assert planned(Program({"11.8": is_}, current="11.8")) == [("restore", "/opt/basex/11.8")]


def test_versions_go_that_nothing_names_any_more() -> None:
    old = Unpacked("0" * 16, "same")
    versions = {"9.1": old, "11.0": old, "11.8": there(WANT)}
    assert planned(Program(versions, current="11.8", previous="11.0")) == [("remove", "/opt/basex/9.1")]
    assert planned(Program(versions, current="11.0", previous="9.1")) == [("remove", "/opt/basex/9.1")]


def test_a_program_that_is_not_wanted_goes_links_first() -> None:
    is_ = Program({"11.8": there(WANT)}, current="11.8")
    assert planned(is_, None) == [("remove", "/opt/basex/current"), ("remove", "/opt/basex/11.8")]
    assert plan_artifacts({"basex": is_}, {}) == []


def test_what_a_dead_run_left_goes_unless_it_is_written_again() -> None:
    is_ = Program({}, strays=(".new-11.8", ".new-9.1"))
    assert planned(is_) == [("install", "/opt/basex/11.8"), ("remove", "/opt/basex/.new-9.1")]


def test_units_learn_that_a_program_was_unpacked_anew() -> None:
    changes = plan_artifacts({"basex": Program({"9.1": there(WANT)}, strays=(".new-9.1",))}, {"basex": WANT})
    assert written(changes) == {listing_path(WANT): "new", "/opt/basex/9.1.listing": None}
    assert [unpacks(change) for change in changes] == [True, False, False]


def test_an_answer_that_is_odd_is_unread() -> None:
    part = programs({"basex": WANT})
    for odd in (["L current 11.8"], ["P basex", "find: 'x': Input/output error"], ["P basex", "A x"]):
        with pytest.raises(ValueError):
            part.parse(odd)
    with pytest.raises(ValueError, match="current is not a link, so these recipes did not make it"):
        part.parse(["P basex", "O /opt/basex/current"])
    assert part.parse(["P basex", "E mine", "E .new-1.2", "N 11.8 cut", "L current 11.8", "L previous /etc"]) == {
        "basex": Program({"11.8": Unpacked("", "")}, "11.8", None, (".new-1.2",))
    }


def jar(name: str, content: bytes, version: str = "1.0") -> Piece:
    return Piece(Maven("org.example", name, version), len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECETTES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "artifacts"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository of the administrator's, in a folder."""
    root = tmp_path / "mirror"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _use(tmp_path, monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield root
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    (folder / "jgo.conf").write_text(f"[repositories]\ncentral = {address}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(folder / "jgo.conf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def publish(root: Path, name: str, content: bytes, version: str = "1.0") -> None:
    folder = root / "org/example" / name / version
    folder.mkdir(parents=True)
    (folder / f"{name}-{version}.jar").write_bytes(content)


def test_files_are_fetched_once_and_kept(mirror: Path, cache: Path) -> None:
    pieces = [jar(name, name.encode() * 1000) for name in ("one", "two", "three")]
    for name in ("one", "two", "three"):
        publish(mirror, name, name.encode() * 1000)
    assert fetch(pieces)[pieces[0]].read_bytes() == b"one" * 1000
    for name in ("one", "two", "three"):
        (mirror / f"org/example/{name}/1.0/{name}-1.0.jar").unlink()
    assert {path.name for path in fetch(pieces).values()} == {"one-1.0.jar", "two-1.0.jar", "three-1.0.jar"}
    assert sorted(path.name for path in cache.iterdir()) == ["lock", "org.example"]


def test_a_file_that_is_not_what_the_catalogue_names_never_counts(mirror: Path, cache: Path) -> None:
    publish(mirror, "one", b"forged!")
    publish(mirror, "two", b"longer than it should be")
    wanted = [jar("one", b"genuine"), jar("two", b"short")]
    with pytest.raises(FetchError) as told:
        fetch(wanted)
    forged, genuine = (hashlib.sha256(content).hexdigest() for content in (b"forged!", b"genuine"))
    assert str(told.value).splitlines() == [
        "org.example:one:1.0 as the Maven repository gives it is not what the catalogue names: "
        f"its SHA-256 is {forged} instead of {genuine}.",
        "org.example:two:1.0 as the Maven repository gives it is not what the catalogue names: it has 24 bytes instead of 5.",
        "Nothing was changed.",
    ]
    assert not any(cached(piece.source).exists() for piece in wanted)


def test_a_wrong_jar_in_the_cache_is_refused_and_named(cache: Path) -> None:
    for piece in WANT.pieces:
        place = cached(piece.source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"PK\x03\x04" + bytes(piece.size - 4))
    with pytest.raises(FetchError) as told:
        fetch(WANT.pieces)
    first, second, third, last = str(told.value).splitlines()
    assert first.startswith(f"{cache}/org.basex/basex-11.8.jar is not what the catalogue names: its SHA-256 is ")
    assert second.startswith(f"{cache}/org.basex/basex-api-11.8.jar is not")
    assert third.startswith(f"{cache}/org.apache.lucene/lucene-analysis-common-")
    assert "Remove it, and the next run fetches it anew." in first
    assert last == "Nothing was changed."


def test_a_version_that_was_never_published_is_told_from_a_repository_that_gives_nothing(mirror: Path) -> None:
    publish(mirror, "one", b"x")
    (mirror / "org/example/one/maven-metadata.xml").write_text(
        "<metadata><versioning><versions><version>0.9</version><version>1.0</version></versions></versioning></metadata>"
    )
    with pytest.raises(FetchError, match=r"org\.example:one:2\.0 could not .* has no such version; its newest are 0\.9, 1\.0\."):
        fetch([jar("one", b"x", "2.0")])
    with pytest.raises(FetchError, match=r"org\.example:two:1\.0 could not be fetched: the Maven repository does not give it\."):
        fetch([jar("two", b"x")])


def test_without_network_it_says_so_and_quotes_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(tmp_path, monkeypatch, "http://ada:opensesame@127.0.0.1:9")
    with pytest.raises(FetchError) as told:
        fetch([jar("one", b"x")])
    assert str(told.value) == (
        "org.example:one:1.0 could not be fetched: no connection to the Maven repository.\nNothing was changed."
    )


def test_what_a_killed_run_was_fetching_goes(mirror: Path, cache: Path) -> None:
    (cache / ".coming-dead").mkdir(parents=True)
    publish(mirror, "one", b"x")
    fetch([jar("one", b"x")])
    assert not list(cache.glob(".coming-*"))


def test_a_program_is_packed_from_jars_and_archives(cache: Path) -> None:
    def member(tar: tarfile.TarFile, name: str, mode: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = 4, mode
        tar.addfile(info, io.BytesIO(b"data"))

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member(tar, "program-1.0/bin/run", 0o755)
        member(tar, "program-1.0/readme", 0o600)
    content = archive.getvalue()
    whole = Piece(Maven("org.example", "home", "1.0", "tar.gz"), len(content), hashlib.sha256(content).hexdigest(), None)
    for piece, data in ((whole, content), (jar("one", b"jar"), b"jar")):
        cached(piece.source).parent.mkdir(parents=True, exist_ok=True)
        cached(piece.source).write_bytes(data)
    output = io.BytesIO()
    pack(Artifact("program", "1.0", (whole, jar("one", b"jar"))), output)
    output.seek(0)
    with tarfile.open(fileobj=output) as tar:
        assert {item.name: (item.mode, item.uid) for item in tar} == {
            "bin/run": (0o755, 0),
            "readme": (0o644, 0),
            "lib/one-1.0.jar": (0o644, 0),
        }
