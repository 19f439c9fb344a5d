"""A git repository at a ref as a source: fetched into a bare mirror in the cache, read from there."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recettes.contents.archive import tar_entry
from recettes.contents.cache import cache_folder
from recettes.contents.entries import DAMAGED, ContentsError, Entry

_COMMIT = re.compile(r"[0-9a-f]{40}")
_ALL = "+refs/*:refs/remote/*"
_NAMES_SHOWN = 12
_ASK_SECONDS = 60
# Fetching never asks, never hangs and runs nothing that the repository brings. The administrator's own settings
# (proxy, credential helper) hold; those of hooks and of protocols that run programs do not.
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "gc.autoDetach=false",
    "maintenance.autoDetach=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "LC_ALL": "C",
}
# Set where this runs inside a git hook; they would name another repository.
_OF_A_HOOK = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"
# With these, reading the mirror depends on nothing but what is in it: no line ends converted, no filter run.
_ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Commit:
    """A commit that is in the mirror."""

    mirror: Path
    sha: str

    def tree(self, subfolder: str) -> str:
        """Name of the tree object of a folder in it."""
        done = _run(self.mirror, "rev-parse", "--verify", "--quiet", f"{self.sha}:{subfolder}", environment=_ALONE)
        tree = done.stdout.strip()
        if done.returncode or _run(self.mirror, "cat-file", "-t", tree, environment=_ALONE).stdout.strip() != "tree":
            raise ContentsError(f"there is no folder {subfolder!r} in commit {self.sha[:12]}")
        return tree

    def entries(self, tree: str) -> Iterator[Entry]:
        """The files of a tree. `export-ignore` in its .gitattributes leaves files out."""
        command = _command(self.mirror, "archive", "--format=tar", tree)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(_ALONE)) as git:
            assert git.stdout is not None
            try:
                with tarfile.open(fileobj=git.stdout, mode="r|") as tar:
                    for member in tar:
                        yield from tar_entry(tar, member, {})
                git.stdout.read()  # the padding; git must not find its output closed
            except DAMAGED as error:
                raise ContentsError(f"git could not read commit {self.sha[:12]}: {error}") from None
            finally:
                git.stdout.close()
        if git.returncode:
            raise ContentsError(f"git could not read commit {self.sha[:12]}; removing {self.mirror} makes it fetch anew")


def find_commit(url: str, ref: str) -> Commit:
    """The commit that a branch, a tag or a full commit name means now, fetched if it is not here yet.

    Raises ContentsError when it does not exist, or when the repository does not answer and is needed.
    """
    _check_address(url)
    mirror = cache_folder() / "git" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.git"
    if not (mirror / "HEAD").exists():
        _run(None, "init", "--quiet", "--bare", str(mirror), environment=_ALONE).check_returncode()
    if _COMMIT.fullmatch(ref):
        return _exact(mirror, url, ref)
    return _named(mirror, url, ref)


def _check_address(url: str) -> None:
    if re.match(r"https://[^/]*@", url) or re.match(r"ssh://[^/@]*:[^/@]*@", url):
        # Not quoted: what stands before the @ may be a password.
        raise ContentsError("its address holds a name or a password; leave it out, and use an SSH key or git's credential helper")


def _exact(mirror: Path, url: str, sha: str) -> Commit:
    commit = Commit(mirror, sha)
    if _present(commit):
        return commit
    # Not every server gives a commit by its name alone.
    if _fetch(mirror, url, sha).returncode or not _present(commit):
        done = _fetch(mirror, url, _ALL)
        if done.returncode:
            raise ContentsError(_unreachable(url, done.stderr))
    if not _present(commit):
        raise ContentsError(f"there is no commit {sha} in {url}")
    return commit


def _named(mirror: Path, url: str, ref: str) -> Commit:
    full, sha = _ask(mirror, url, ref)
    commit = Commit(mirror, sha)
    if not _present(commit):
        done = _fetch(mirror, url, f"+{full}:refs/remote/{full.removeprefix('refs/')}")
        if done.returncode:
            raise ContentsError(_unreachable(url, done.stderr))
    if not _present(commit):
        raise ContentsError(f"{ref} of {url} moved while it was fetched; run again")
    return commit


def _ask(mirror: Path, url: str, ref: str) -> tuple[str, str]:
    """Full name and commit of a branch or tag, as the repository has it now."""
    done = _run(mirror, "ls-remote", "--heads", "--tags", "--", url)
    if done.returncode:
        raise ContentsError(_unreachable(url, done.stderr) + _last_known(mirror, ref))
    found = {name: sha for sha, _, name in (line.partition("\t") for line in done.stdout.splitlines())}
    names = [name for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}") if name.startswith("refs/") and name in found]
    if len(names) > 1:
        raise ContentsError(f"{ref!r} is both a branch and a tag of {url}; write refs/heads/{ref} or refs/tags/{ref}")
    if not names:
        raise ContentsError(f"there is no branch or tag {ref!r} in {url}; there are {_shown(found)}")
    name = names[0]
    return name, found.get(name + "^{}", found[name])  # ^{}: the commit that an annotated tag is about


def _shown(found: dict[str, str]) -> str:
    names = [re.sub(r"^refs/(heads|tags)/", "", name) for name in found if not name.endswith("^{}")]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (", ".join(names[:_NAMES_SHOWN]) or "none at all") + more


def _last_known(mirror: Path, ref: str) -> str:
    """A branch is not taken from the cache: another controller may have published a later commit of it."""
    short = re.sub(r"^refs/", "", ref)
    for name in (f"refs/remote/{short}", f"refs/remote/heads/{short}", f"refs/remote/tags/{short}"):
        done = _run(mirror, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", environment=_ALONE)
        if not done.returncode:
            return f" The commit last fetched here is {done.stdout.strip()}: declared as ref, it needs no network."
    return ""


def _unreachable(url: str, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = next((line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))), lines[0] if lines else "no answer")
    return f"{url} could not be read: {words}."


def _present(commit: Commit) -> bool:
    return _run(commit.mirror, "cat-file", "-e", f"{commit.sha}^{{tree}}", environment=_ALONE).returncode == 0


def _fetch(mirror: Path, url: str, what: str) -> subprocess.CompletedProcess[str]:
    return _run(mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--", url, what)


def _run(mirror: Path | None, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = _command(mirror, *arguments)
    seconds = _ASK_SECONDS if arguments[0] == "ls-remote" else None
    try:
        return subprocess.run(
            command, env=_environment(environment or {}), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"fatal: no answer within {seconds} seconds")
    except FileNotFoundError:
        raise ContentsError("git is not installed on this computer") from None


def _command(mirror: Path | None, *arguments: str) -> list[str]:
    settings = [word for setting in _SAFE for word in ("-c", setting)]
    place = [f"--git-dir={mirror}"] if mirror else []
    return ["git", *place, *settings, *arguments]


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    return {"GIT_SSH_COMMAND": _SSH, **kept, **_ENVIRONMENT, **more}
