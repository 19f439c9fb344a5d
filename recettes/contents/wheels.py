"""Wheels for another computer: those that a lock file pins by SHA-256, fetched once with pip and kept in the controller's cache.

pip is the controller's own and reads its usual configuration, for mirrors and proxies.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from recettes.contents.cache import cache_folder
from recettes.contents.entries import ContentsError
from recettes.durable import locked

REQUIREMENTS = "requirements.txt"
_FETCH_SECONDS = 3600.0
# One entry of what `pip freeze` and `uv pip compile --generate-hashes` write.
_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==\S+(?:[^\n]*\\\n)*[^\n]*\n?", re.M)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pinned(lock: str, provided: Collection[str] = ()) -> str:
    """The entries of a lock file that are not `provided` (names of distributions). ContentsError where one has no hash."""
    leave = {_plain(name) for name in provided}
    entries = [found.group(0) for found in _ENTRY.finditer(lock) if _plain(found.group(1)) not in leave]
    if not entries:
        raise ContentsError("The lock file pins no wheel that is not there already. Nothing was changed.")
    if bare := [entry.split("==")[0] for entry in entries if not _HASH.search(entry)]:
        raise ContentsError(f"The lock file has no --hash=sha256:… for {', '.join(bare)}. Nothing was changed.")
    return "".join(entry.rstrip("\\\n ") + "\n" for entry in entries)


def digest_of(requirements: str, version: str, platforms: Sequence[str]) -> str:
    """Names what `wheels` fetches for these, before anything is fetched; 12 hexadecimal digits."""
    return hashlib.sha256("\n".join([requirements, version, *platforms]).encode()).hexdigest()[:12]


def wheels(requirements: str, version: str, platforms: Sequence[str]) -> Path:
    """A folder of the cache with a wheel of each entry for Python `version` on `platforms`, and the requirements as a file.

    Nothing is built, no dependency is added, every file has one of the pinned checksums. Raises ContentsError.
    """
    folder = cache_folder() / "wheels" / digest_of(requirements, version, platforms)
    with locked(cache_folder() / "wheels.lock", _FETCH_SECONDS):
        if not (folder / REQUIREMENTS).exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _download(folder, requirements, version, platforms)
    return folder


def _download(folder: Path, requirements: str, version: str, platforms: Sequence[str]) -> None:
    wanted = folder / "wanted.txt"
    wanted.write_text(requirements, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", version]
    command += [word for platform in platforms for word in ("--platform", platform)]
    run = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.strip()][-3:]
        raise ContentsError("\n".join(["The wheels could not be fetched; pip said:", *said, "Nothing was changed."]))
    wanted.replace(folder / REQUIREMENTS)  # last: a folder with it is whole


def pack_wheels(folder: Path, stream: BinaryIO) -> None:
    """The folder as a tar: wheels are compressed already."""
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name, filter=_plain_member)


def _plain_member(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _plain(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
