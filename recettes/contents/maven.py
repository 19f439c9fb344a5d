"""Files from the Maven repository, fetched once and kept in the controller's cache, each checked before it counts.

Another repository is named as central in jgo's own configuration (~/.config/jgo.conf, or what JGO_CONFIG_FILE names):

    [repositories]
    central = ADDRESS OF THE MIRROR

Proxies and certificate authorities are those of `requests`: HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE. Unlike the rest of the
cache these files are worth a backup: one day they may be had nowhere else. Who has one may put it into the cache by hand.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recettes.catalogue import Maven, Piece
from recettes.contents.cache import cache_folder, sha256_of
from recettes.contents.entries import ContentsError
from recettes.durable import locked

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_AT_ONCE = 4
_SECONDS = 30  # without an answer, or without more of it
_WAIT = 900.0  # seconds for another command that is fetching
_COMING = ".coming-"


class FetchError(ContentsError):
    """What could not be had, a sentence each for the administrator. Nothing was changed on any machine."""

    def __init__(self, sentences: Iterable[str]) -> None:
        super().__init__("\n".join([*sentences, "Nothing was changed."]))


class _FetchError(Exception):
    """A sentence about one piece."""


def cached(source: Maven) -> Path:
    """Where the cache has the file, or would."""
    return cache_folder() / "artifacts" / source.group / source.file


def fetch(pieces: Iterable[Piece]) -> dict[Piece, Path]:
    """The files, from the cache and else from the Maven repository. Raises FetchError with all that is wrong."""
    found, problems, missing = {}, [], []
    for piece in dict.fromkeys(pieces):
        path = found[piece] = cached(piece.source)
        if not path.exists():
            missing.append(piece)
        elif why := _unlike(piece, path):
            problems.append(f"{path} is not what the catalogue names: {why}. Remove it, and the next run fetches it anew.")
    if missing:
        problems += _fetch_missing(missing)
    if problems:
        raise FetchError(problems)
    return found


def _fetch_missing(pieces: list[Piece]) -> list[str]:
    with _landing() as folder:
        context = _context(folder)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return [problem for problem in threads.map(lambda piece: _problem(piece, context), pieces) if problem]


@contextmanager
def _landing() -> Iterator[Path]:
    """A folder in the cache for files that do not count yet; what killed runs left of theirs goes."""
    home = cache_folder() / "artifacts"
    home.mkdir(mode=0o700, exist_ok=True)
    try:
        with locked(home / "lock", _WAIT):
            for stray in home.glob(f"{_COMING}*"):
                shutil.rmtree(stray, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=home, prefix=_COMING) as folder:
                yield Path(folder)
    except TimeoutError as error:
        raise FetchError([f"{error}."]) from None


def _context(folder: Path) -> MavenContext:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # Its warnings quote addresses, and addresses may hold passwords.
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    repositories = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    return MavenContext(repo_cache=folder, remote_repos=repositories, timeout=_SECONDS)


def _problem(piece: Piece, context: MavenContext) -> str | None:
    place = cached(piece.source)
    try:
        if not place.exists():  # another command may just have brought it
            _fetch_one(piece, context, place)
    except _FetchError as error:
        return f"{piece.source} {error}."
    except OSError as error:
        return f"{piece.source} could not be kept in {place.parent}: {error.strerror or error}."
    return None


def _fetch_one(piece: Piece, context: MavenContext, place: Path) -> None:
    file = _download(piece.source, context)
    if why := _unlike(piece, file):
        raise _FetchError(f"as the Maven repository gives it is not what the catalogue names: {why}")
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    file.replace(place)


def _download(source: Maven, context: MavenContext) -> Path:
    import requests

    component = context.project(source.group, source.artifact).at_version(source.version)
    try:
        return component.artifact(classifier=source.classifier, packaging=source.packaging).resolve()
    except requests.RequestException as error:
        # Not quoted: these errors may hold addresses, and addresses passwords.
        raise _FetchError(f"could not be fetched: {_words(error)}") from None
    except RuntimeError:
        # What jgo raises for every answer that is not the file.
        known = _versions(source, context)
    if known and source.version not in known:
        newest = ", ".join(known[-5:])
        raise _FetchError(f"could not be fetched: the Maven repository has no such version; its newest are {newest}")
    raise _FetchError("could not be fetched: the Maven repository does not give it")


def _words(error: Exception) -> str:
    import requests

    known: dict[type[Exception], str] = {
        requests.exceptions.ProxyError: "the proxy does not let it through",
        requests.exceptions.SSLError: "the certificate of the Maven repository is not trusted (REQUESTS_CA_BUNDLE names what is)",
        requests.exceptions.ConnectTimeout: f"no answer from the Maven repository within {_SECONDS} seconds",
        requests.exceptions.ReadTimeout: f"no answer from the Maven repository within {_SECONDS} seconds",
        requests.exceptions.ConnectionError: "no connection to the Maven repository",
    }
    return known.get(type(error), f"the connection to the Maven repository failed ({type(error).__name__})")


def _versions(source: Maven, context: MavenContext) -> list[str]:
    """Those in the repository, oldest first; none where it does not say."""
    project = context.project(source.group, source.artifact)
    project.update()
    return list(project.metadata.versions)


def _unlike(piece: Piece, path: Path) -> str | None:
    """What makes the file another than the catalogue's."""
    if (size := path.stat().st_size) != piece.size:
        return f"it has {size} bytes instead of {piece.size}"
    with path.open("rb") as stream:
        sha256 = sha256_of(stream)
    return None if sha256 == piece.sha256 else f"its SHA-256 is {sha256} instead of {piece.sha256}"
