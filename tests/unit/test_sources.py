"""Sources of sites: the same files are the same digest, and nothing that would be dangerous or surprising is published."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recettes import sources
from recettes.contents import entries as entries_module
from recettes.declarations.base import noted
from recettes.declarations.sources import Archive, Folder, Git, Source
from recettes.recipes import ROOT
from recettes.sources import SourceError, SourcesError, pack, resolve, resolve_all


@pytest.fixture(autouse=True)
def new_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RECETTES_CACHE", str(tmp_path / "cache"))
    sources.forget()
    yield
    assert noted() == []


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "images").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Éditions</h1>")
    (folder / "images" / "été.svg").write_text("<svg/>")
    (folder / "run.sh").write_text("true")
    (folder / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("images/été.svg")
    return folder


def digest(source: Source) -> str:
    sources.forget()
    return resolve(source).digest


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@lab.test", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(site: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(site, folder / "public", symlinks=True)
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def url(repository: Path) -> str:
    return f"file://{repository}"


def commit(repository: Path, name: str, content: str) -> str:
    (repository / "public" / name).write_text(content)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", name)
    return git(repository, "rev-parse", "HEAD")


def archive(path: Path, **more: bool) -> Archive:
    return Archive(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), **more)


def tarred(path: Path, *members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> Archive:
    with tarfile.open(path, "w") as tar:
        for member in members:
            info, content = member if isinstance(member, tuple) else (member, b"")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive(path)


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def unpacked(source: Source, folder: Path) -> Path:
    packed = folder / "packed.tar.gz"
    with packed.open("wb") as output:
        pack(resolve(source), output)
    target = folder / "unpacked"
    target.mkdir()
    subprocess.run(["tar", "-xzf", packed, "-C", target], check=True, env={**os.environ, "LC_ALL": "C"})
    return target


def test_the_same_files_have_the_same_digest_whatever_they_come_from(site: Path, repository: Path, tmp_path: Path) -> None:
    expected = digest(Folder(path=str(site)))
    assert digest(Git(url=url(repository), ref="main", subfolder="public")) == expected
    for form in ("gztar", "xztar", "bztar", "tar"):
        packed = shutil.make_archive(str(tmp_path / form), form, tmp_path, "site")
        assert digest(archive(Path(packed), strip=True)) == expected, form
    zipped(site, tmp_path)
    assert digest(archive(tmp_path / "site.zip")) == expected


def zipped(site: Path, folder: Path) -> None:
    with zipfile.ZipFile(folder / "site.zip", "w") as out:
        for path in sorted(site.rglob("*")):
            info = zipfile.ZipInfo(str(path.relative_to(site)))
            info.external_attr = path.lstat().st_mode << 16
            if path.is_symlink():
                out.writestr(info, str(path.readlink()))
            elif path.is_file():
                out.writestr(info, path.read_bytes())


def test_times_owners_and_empty_folders_do_not_count(site: Path) -> None:
    before = digest(Folder(path=str(site)))
    os.utime(site / "index.html", (1, 1))
    (site / "empty").mkdir()
    (site / "index.html").chmod(0o600)
    assert digest(Folder(path=str(site))) == before


@pytest.mark.parametrize("change", ["content", "name", "executable", "link"])
def test_what_a_visitor_could_see_counts(site: Path, change: str) -> None:
    before = digest(Folder(path=str(site)))
    match change:
        case "content":
            (site / "index.html").write_text("<h1>Editions</h1>")
        case "name":
            (site / "index.html").rename(site / "index.htm")
        case "executable":
            (site / "index.html").chmod(0o755)
        case "link":
            (site / "latest").unlink()
            (site / "latest").symlink_to("index.html")
    assert digest(Folder(path=str(site))) != before


def test_a_large_folder_is_read_once_only(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in site.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    now = time.time()
    monkeypatch.setattr("recettes.contents.cache.time.time", lambda: now + 60)  # else all is too new to be trusted
    before = digest(Folder(path=str(site)))
    opened: list[Path] = []
    really = Path.open

    def noting(self: Path, *arguments: Any, **more: Any) -> Any:
        opened.append(self)
        return really(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", noting)
    assert digest(Folder(path=str(site))) == before
    assert [path for path in opened if site in path.parents] == []
    status = (site / "run.sh").stat()
    while (site / "run.sh").stat().st_ctime_ns == status.st_ctime_ns:  # until the file system's clock goes on
        (site / "run.sh").write_text("fals")  # the same size, and its old time put back: the inode's own time still tells
        os.utime(site / "run.sh", ns=(status.st_atime_ns, status.st_mtime_ns))
    opened.clear()
    assert digest(Folder(path=str(site))) != before
    assert [path.name for path in opened if site in path.parents] == ["run.sh"]


def test_git_and_the_finder_s_litter_are_not_published(repository: Path, tmp_path: Path) -> None:
    (repository / "public" / ".DS_Store").write_text("x")
    target = unpacked(Folder(path=str(repository)), tmp_path)
    assert sorted(path.name for path in target.rglob("*")) == ["images", "index.html", "latest", "public", "run.sh", "été.svg"]


def test_the_packed_tar_has_plain_owners_modes_and_no_times(site: Path, tmp_path: Path) -> None:
    (site / "index.html").chmod(0o640)
    with (tmp_path / "packed").open("wb") as output:
        pack(resolve(Folder(path=str(site))), output)
    with tarfile.open(tmp_path / "packed") as tar:
        facts = {m.name: (m.mode, m.uid, m.gid, m.mtime, m.type) for m in tar}
    assert facts == {
        "images/été.svg": (0o644, 0, 0, 0, tarfile.REGTYPE),
        "index.html": (0o644, 0, 0, 0, tarfile.REGTYPE),
        "latest": (0o777, 0, 0, 0, tarfile.SYMTYPE),
        "run.sh": (0o755, 0, 0, 0, tarfile.REGTYPE),
    }
    assert (unpacked(Folder(path=str(site)), tmp_path) / "latest").read_text() == "<svg/>"


def test_a_folder_that_changes_between_reading_and_packing_is_not_published(site: Path) -> None:
    resolved = resolve(Folder(path=str(site)))
    (site / "index.html").write_text("<h1>Autre</h1>")
    with pytest.raises(SourceError, match=r"changed during this run; nothing was published"):
        pack(resolved, io.BytesIO())


def test_all_bad_sources_are_named_at_once_with_their_sites(site: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "w.tar"
    wrong.write_bytes(b"x")
    with pytest.raises(SourcesError) as raised:
        resolve_all(
            {
                "good": Folder(path=str(site)),
                "gone": Folder(path=str(tmp_path / "nowhere")),
                "other": Archive(path=str(wrong), sha256="0" * 64),
                "missing": Archive(path=str(tmp_path / "no.zip"), sha256="0" * 64),
            }
        )
    said = str(raised.value)
    assert "no machine was touched" in said
    assert f"site gone: the folder {tmp_path}/nowhere does not exist" in said
    assert f"its SHA-256 is {hashlib.sha256(b'x').hexdigest()}, declared is {'0' * 64}" in said
    assert "site missing: the archive" in said
    assert "good" not in said.replace("good:", "")


def test_an_empty_folder_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no files"):
        resolve(Folder(path=str(tmp_path / "empty")))


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "images/../../secret", "loop/..", "../../x"])
def test_a_link_that_leads_out_of_a_folder_is_refused(site: Path, target: str) -> None:
    (site / "out").symlink_to(target)
    with pytest.raises(SourceError, match="allowed are relative links that stay inside"):
        resolve(Folder(path=str(site)))


def test_a_link_that_climbs_and_stays_inside_is_published(site: Path, tmp_path: Path) -> None:
    (site / "images" / "home").symlink_to("../index.html")
    assert (unpacked(Folder(path=str(site)), tmp_path) / "images" / "home").read_text() == "<h1>Éditions</h1>"


def test_what_is_no_file_is_refused(site: Path) -> None:
    os.mkfifo(site / "pipe")
    with pytest.raises(SourceError, match="pipe is neither a file, a folder nor a link"):
        resolve(Folder(path=str(site)))


@pytest.mark.parametrize("name", [b"a\nb", b"caf\xe9"])
def test_a_name_that_is_no_text_is_refused(site: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(site) + b"/" + name)).write_text("x")
    with pytest.raises(SourceError, match="is not a name that can be published"):
        resolve(Folder(path=str(site)))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([named("../up")], "absolute paths and .. are not allowed"),
        ([named("a/../../up")], "absolute paths and .. are not allowed"),
        ([named("/etc/cron.d/x")], "absolute paths and .. are not allowed"),
        ([named("null", tarfile.CHRTYPE)], "neither a file, a folder nor a link"),
        ([named("disk", tarfile.BLKTYPE)], "neither a file, a folder nor a link"),
        ([named("out", tarfile.SYMTYPE, "/etc")], "links that stay inside"),
        ([named("out", tarfile.SYMTYPE, "../..")], "links that stay inside"),
        ([named("d", tarfile.SYMTYPE, "e"), named("d/x")], "lies below d, which is not a folder"),
        ([named("pw", tarfile.LNKTYPE, "/etc/passwd")], "hard link to '/etc/passwd'"),
        ([named("x"), named("x")], "is in it twice"),
        ([named("x/y"), named("x")], "is in it twice"),
    ],
)
def test_a_hostile_tar_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], said: str) -> None:
    source = tarred(tmp_path / "hostile.tar", *members)
    with pytest.raises(SourceError, match=said):
        resolve(source)


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/../../b"])
def test_a_hostile_zip_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as out:
        out.writestr(name, "x")
    with pytest.raises(SourceError, match=r"absolute paths and \.\. are not allowed"):
        resolve(archive(tmp_path / "hostile.zip"))


def test_a_link_out_of_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as out:
        info = zipfile.ZipInfo("out")
        info.external_attr = 0o120777 << 16
        out.writestr(info, "../../etc/passwd")
    with pytest.raises(SourceError, match="links that stay inside"):
        resolve(archive(tmp_path / "hostile.zip"))


def test_a_hard_link_inside_a_tar_is_its_file(tmp_path: Path) -> None:
    source = tarred(tmp_path / "a.tar", (named("a"), b"same"), named("b", tarfile.LNKTYPE, "a"))
    assert (unpacked(source, tmp_path) / "b").read_bytes() == b"same"


@pytest.mark.parametrize("form", ["gztar", "xztar", "zip"])
def test_a_damaged_archive_is_refused_in_a_sentence(site: Path, tmp_path: Path, form: str) -> None:
    (site / "large").write_bytes(os.urandom(200_000))
    path = Path(shutil.make_archive(str(tmp_path / "a"), form, site))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"not a whole tar or zip archive|could not be read"):
        resolve(archive(path))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("not a tar")
    with pytest.raises(SourceError, match="is not a whole tar or zip archive"):
        resolve(archive(tmp_path / "a.tar"))


def test_a_tar_that_ends_with_a_zip_is_a_tar(site: Path, tmp_path: Path) -> None:
    zipped(site, tmp_path)
    source = tarred(tmp_path / "a.tar", (named("data.zip"), (tmp_path / "site.zip").read_bytes()))
    assert [path.name for path in unpacked(source, tmp_path).iterdir()] == ["data.zip"]


def test_names_of_a_zip_that_do_not_say_they_are_utf_8_are_read_as_such(site: Path, tmp_path: Path) -> None:
    """As macOS writes them. What is no UTF-8 either is refused: it would be published under a wrong name."""
    zipped(site, tmp_path)
    path = tmp_path / "site.zip"
    with zipfile.ZipFile(path) as made:
        assert any(info.flag_bits & 0x800 for info in made.infolist())
    unsaid = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = unsaid.split(signature)
        at = offset - 4
        unsaid = signature.join(
            [
                parts[0],
                *(
                    p[:at] + (int.from_bytes(p[at : at + 2], "little") & ~0x800).to_bytes(2, "little") + p[at + 2 :]
                    for p in parts[1:]
                ),
            ]
        )
    path.write_bytes(unsaid)
    assert digest(archive(path)) == digest(Folder(path=str(site)))
    path.write_bytes(unsaid.replace("été".encode(), b"\x82t\x82__"))
    with pytest.raises(SourceError, match="are not in UTF-8"):
        digest(archive(path))


def test_the_folder_on_top_is_left_out_only_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    tarred(path, named("one/a"), named("two/b"))
    with pytest.raises(SourceError, match="two/b does not lie in the one folder on top"):
        resolve(archive(path, strip=True))


def test_a_large_file_is_never_held_in_memory(site: Path, tmp_path: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(256 << 20)
    script = (
        "import re, sys\nfrom recettes.sources import *\nfrom recettes.declarations.sources import Folder\n"
        "r = resolve(Folder(path=sys.argv[1]))\nwith open(sys.argv[2], 'wb') as out: pack(r, out)\n"
        # Not ru_maxrss: through fork and exec that begins with the size of the tests themselves.
        "print(re.search('VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    command = [sys.executable, "-c", script, str(site), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 128 << 10  # KiB; the file has twice that


# Git


def test_a_branch_a_tag_and_a_commit_are_found(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-am", "first", "v1")
    before = digest(Git(url=url(repository), ref="main", subfolder="public"))
    second = commit(repository, "new.html", "new")
    after = digest(Git(url=url(repository), ref="main", subfolder="public"))
    assert before != after
    assert digest(Git(url=url(repository), ref="v1", subfolder="public")) == before
    assert digest(Git(url=url(repository), ref=first, subfolder="public")) == before
    assert digest(Git(url=url(repository), ref=second, subfolder="public")) == after
    sources.forget()
    assert resolve(Git(url=url(repository), ref="v1")).describe == f"git v1 {first[:12]} of {url(repository)}"


def test_a_commit_that_touches_other_folders_only_changes_nothing(repository: Path) -> None:
    before = digest(Git(url=url(repository), ref="main", subfolder="public"))
    (repository / "README").write_text("x")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "readme")
    assert digest(Git(url=url(repository), ref="main", subfolder="public")) == before


def test_a_branch_is_resolved_once_a_run(repository: Path) -> None:
    one = resolve(Git(url=url(repository), ref="main", subfolder="public"))
    commit(repository, "new.html", "new")
    assert resolve(Git(url=url(repository), ref="main", subfolder="public")) == one
    (repository / "public" / "images" / "b.svg").write_text("b")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "b")
    images = resolve(Git(url=url(repository), ref="main", subfolder="public/images"))  # another site of the same branch
    assert images.describe.split()[2] == one.describe.split()[2]


def test_a_force_pushed_branch_is_followed(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    before = digest(Git(url=url(repository), ref="main"))
    commit(repository, "new.html", "new")
    assert digest(Git(url=url(repository), ref="main")) != before
    git(repository, "reset", "--hard", first)
    assert digest(Git(url=url(repository), ref="main")) == before
    commit(repository, "other.html", "other")
    assert digest(Git(url=url(repository), ref="main")) != before


def test_a_ref_that_does_not_exist_is_named_with_those_that_do(repository: Path) -> None:
    git(repository, "branch", "drafts")
    with pytest.raises(SourceError, match=r"there is no branch or tag 'nope' in file://.*; there are drafts, main"):
        resolve(Git(url=url(repository), ref="nope"))
    with pytest.raises(SourceError, match=f"there is no commit {'a' * 40}"):
        resolve(Git(url=url(repository), ref="a" * 40))
    with pytest.raises(SourceError, match=r"there is no folder 'nowhere' in commit"):
        resolve(Git(url=url(repository), ref="main", subfolder="nowhere"))
    with pytest.raises(SourceError, match=r"there is no folder 'public/run.sh' in commit"):
        resolve(Git(url=url(repository), ref="main", subfolder="public/run.sh"))


def test_a_name_that_is_branch_and_tag_is_not_guessed(repository: Path) -> None:
    git(repository, "branch", "v1")
    commit(repository, "new.html", "new")
    git(repository, "tag", "v1", "main")
    with pytest.raises(SourceError, match="write refs/heads/v1 or refs/tags/v1"):
        resolve(Git(url=url(repository), ref="v1"))
    assert digest(Git(url=url(repository), ref="refs/tags/v1")) == digest(Git(url=url(repository), ref="main"))


def test_a_repository_that_is_gone_is_needed_for_a_branch_and_not_for_a_commit_once_fetched(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    address = url(repository)
    before = digest(Git(url=address, ref="main"))
    repository.rename(repository.with_name("away"))
    with pytest.raises(SourceError, match=f"could not be read: fatal: .*The commit last fetched here is {first}"):
        digest(Git(url=address, ref="main"))
    assert digest(Git(url=address, ref=first)) == before


def test_no_program_is_run_that_an_address_names(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for address in (f"ext::touch {marker}", "-u", "--upload-pack=touch", "git://host/x", "http://host/x", "/srv/git"):
        Git(url=address, ref="main")
        assert ["is not an address of a git repository" in str(mistake) for mistake in noted()] == [True], address
    # Declared past the check, and by the administrator's own configuration: git itself is told to refuse.
    hostile = Git.model_construct(url=f"ext::touch {marker}", ref="main", subfolder="")
    with pytest.raises(SourceError, match="not allowed"):
        resolve(hostile)
    assert not marker.exists()


def test_an_address_with_a_password_is_refused_and_never_shown() -> None:
    for address in ("https://ada:hunter2@host/x", "https://hunter2@host/x", "ssh://ada:hunter2@host/x"):
        with pytest.raises(SourceError) as raised:
            resolve(Git(url=address, ref="main"))
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("ref", ["-x", "a..b", "a b", "a~1", "main^", "a:b", "*", "@{-1}", "a.lock", "", "/a", "a/"])
def test_what_is_no_ref_is_a_mistake(ref: str) -> None:
    Git(url="https://host/x", ref=ref)
    assert "is not the name of a branch, a tag or a full commit" in str(noted())


def test_nothing_that_a_repository_or_a_configuration_brings_is_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters of the administrator's own configuration (as Git LFS installs them), hooks, line ends."""
    before = digest(Git(url=url(repository), ref="main"))
    marker = tmp_path / "ran"
    config = tmp_path / "gitconfig"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("reference-transaction", "post-checkout"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / hook).chmod(0o755)
    config.write_text(f'[core]\nautocrlf=true\nhooksPath={hooks}\n[filter "x"]\nsmudge=touch {marker}; cat\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    (repository / ".gitattributes").write_text("*.html filter=x\n* text=auto\n")
    with (repository / "public" / "two.html").open("w") as file:
        file.write("one\ntwo\n")
    subprocess.run(["git", "-C", repository, "add", "."], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(
        ["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], check=True, env=env
    )
    sources.forget()
    target = unpacked(Git(url=url(repository), ref="main"), tmp_path)
    assert (target / "public" / "two.html").read_bytes() == b"one\ntwo\n"
    assert digest(Git(url=url(repository), ref="main")) != before
    assert not marker.exists()


def test_a_pointer_of_git_lfs_is_not_published_in_place_of_its_file(repository: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    commit(repository, "photo.jpg", pointer)
    with pytest.raises(SourceError, match=r"public/photo.jpg is only a pointer of Git LFS"):
        resolve(Git(url=url(repository), ref="main"))


def test_a_digest_remembered_for_a_tree_is_not_computed_again(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(Git(url=url(repository), ref="main"))
    monkeypatch.setattr(entries_module, "Listing", None)  # would raise
    assert digest(Git(url=url(repository), ref="main")) == before
