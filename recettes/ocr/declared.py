"""The files on the controller that declarations of models and of Kraken name."""

from __future__ import annotations

from pathlib import Path

from recettes.contents.cache import sha256_of
from recettes.contents.entries import ContentsError
from recettes.contents.wheels import pinned
from recettes.declarations.ocr import KrakenWheels
from recettes.ocr.large import Large
from recettes.ocr.venv import Venv
from recettes.recipes import ROOT


def venv_of(kraken: KrakenWheels) -> Venv:
    """Raises ContentsError where the lock file cannot be read, or pins nothing."""
    lock = ROOT / kraken.requirements
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise ContentsError(f"{lock} cannot be read: {error.strerror}. Nothing was changed.") from None
    requirements = pinned(text, kraken.provided)
    return Venv(requirements, kraken.version, kraken.platforms, kraken.python, kraken.modules, bool(kraken.provided))


def large_of(file: str, sha256: str) -> Large:
    """Raises ContentsError where the file is not there, or is another one than declared."""
    path: Path = ROOT / file
    try:
        with path.open("rb") as stream:
            actual = sha256_of(stream)
    except OSError as error:
        raise ContentsError(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from None
    if actual != sha256:
        raise ContentsError(f"{path} is not the declared file: its SHA-256 is {actual}. Nothing was changed.")
    return Large(path, sha256)
