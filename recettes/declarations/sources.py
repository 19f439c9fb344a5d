"""Where the contents of a site come from. Paths are on the controller, relative to the project's root unless absolute."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from recettes.declarations.base import Declaration, written_as


def _inside(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("is not a folder inside the repository: no leading /, no ..")
    return value.strip("/")


_PLAIN_URL = re.compile(r"(https://|ssh://|file:///)[^\s-]\S*")
_SHORT_SSH = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s:-]\S*")  # git@host:path


def _repository(value: str) -> str:
    if not (_PLAIN_URL.fullmatch(value) or _SHORT_SSH.fullmatch(value)):
        raise ValueError("is not an address of a git repository: allowed are https://, ssh://, user@host:path and file:///")
    return value


def _ref(value: str) -> str:
    # The rules of git-check-ref-format(1).
    if re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$|^[-/]|^@$", value) or not value:
        raise ValueError("is not the name of a branch, a tag or a full commit")
    return value


class Folder(Declaration):
    """All files below a folder, without .git."""

    path: Annotated[str, StringConstraints(min_length=1)]


class Archive(Declaration):
    """A tar archive (plain, gz, bz2, xz) or a zip. `strip` leaves out the one folder that everything in it lies in."""

    path: Annotated[str, StringConstraints(min_length=1)]
    sha256: Annotated[str, written_as(r"[0-9a-f]{64}", "is not a SHA-256: the 64 digits that `sha256sum FILE` prints")]
    strip: bool = False


class Git(Declaration):
    """The files of a git repository at a branch, a tag or a full commit; of one folder of it where `subfolder` is given."""

    url: Annotated[str, AfterValidator(_repository)]
    ref: Annotated[str, AfterValidator(_ref)]
    subfolder: Annotated[str, AfterValidator(_inside)] = ""


Source = Folder | Archive | Git
