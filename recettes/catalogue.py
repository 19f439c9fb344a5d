"""Programs that Debian does not have: where each version comes from, what it must be, and where its files lie on a machine.

A new version is a new entry: its coordinates, and the size and SHA-256 that one has looked at oneself. Old entries stay
as long as a machine may run them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


class CatalogueError(ValueError):
    """A program or version that is not in the catalogue; a sentence that says which are."""


@dataclass(frozen=True)
class Maven:
    """Maven coordinates of one file: https://maven.apache.org/pom.html#Maven_Coordinates"""

    group: str
    artifact: str
    version: str
    packaging: str = "jar"
    classifier: str = ""

    @property
    def file(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.{self.packaging}"

    def __str__(self) -> str:
        return ":".join((self.group, self.artifact, *([self.classifier] if self.classifier else []), self.version))


@dataclass(frozen=True)
class Piece:
    """A file of `size` bytes as it is fetched. `folder` is where it lies in the program's folder; None: it is an archive, whose
    contents are the program, without the one folder on top."""

    source: Maven
    size: int
    sha256: str
    folder: str | None = "lib"


@dataclass(frozen=True)
class Artifact:
    """One version of a program, as it lies in /opt/NAME/VERSION."""

    name: str
    version: str
    pieces: tuple[Piece, ...]

    @property
    def digest(self) -> str:
        """Other files, or in other places, are another digest, in 16 hex digits."""
        told = "\n".join(f"{piece.sha256} {piece.folder} {piece.source.file}" for piece in self.pieces)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(piece.size for piece in self.pieces)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Line:
    """Versions that begin alike are maintained together, until `ends`; None while nobody has said until when."""

    name: str
    prefix: str
    ends: date | None
    source: str


def _jetty(version: str, size: int, sha256: str) -> Artifact:
    return Artifact("jetty", version, (Piece(Maven("org.eclipse.jetty", "jetty-home", version, "tar.gz"), size, sha256, None),))


# Of the Lucene project: BaseX itself stems English, German, Greek and Indonesian only. It needs nothing else of Lucene.
_STEMMERS = Piece(
    Maven("org.apache.lucene", "lucene-analysis-common", "9.12.3"),
    1726657,
    "fa571bd7caf0f0b4faf46a72ca004a7836f348c31d92bd522dddcc3d128d287e",
)


def _basex(version: str, core: tuple[int, str], api: tuple[int, str]) -> Artifact:
    """The core and its HTTP layer, which must be of the same version. What they depend on besides is only needed for WebDAV and
    for the client interfaces XMLDB and XQJ, and is not in the Maven repository."""
    return Artifact(
        "basex",
        version,
        (Piece(Maven("org.basex", "basex", version), *core), Piece(Maven("org.basex", "basex-api", version), *api), _STEMMERS),
    )


# What Saxon 12 cannot do without.
_XMLRESOLVER = (
    Piece(
        Maven("org.xmlresolver", "xmlresolver", "5.3.3"),
        167889,
        "1fe4d5b92f708dcdb82dbce12919e0171e6b5ca62c6dca6220483625098feb5f",
    ),
    Piece(
        Maven("org.xmlresolver", "xmlresolver", "5.3.3", classifier="data"),
        1033122,
        "b0c487ad2f3e558be8d829c916d2458d10aca6a5bafa7a4d0524b70845e48a5c",
    ),
)


def _saxon(version: str, size: int, sha256: str) -> Artifact:
    return Artifact("saxon", version, (Piece(Maven("net.sf.saxon", "Saxon-HE", version), size, sha256), *_XMLRESOLVER))


CATALOGUE: tuple[Artifact, ...] = (
    _jetty("12.1.11", 45923778, "7e45cf8f23bac4567faf94624b3ac43e0aeb4925cb925409e76040990a1cbe9c"),
    _jetty("12.1.12", 46026082, "eec07131a682bcbfbb0411232932a72196b58f187412862962af07adebb777bc"),
    # 11.0 and 11.8 are the only versions of BaseX 11 whose HTTP layer is in the Maven repository, and 12 and 13 have none there.
    _basex(
        "11.0",
        (4750943, "1a11cc0d05e93fbff1dfc7fc9b1d04d5c2ce26f07a8ebfa0c1beb1128cac12b9"),
        (235946, "f6057b54fea037f98a217b4f5377844e5f05a72789c81b08c50660834ea5f1a9"),
    ),
    _basex(
        "11.8",
        (4946621, "8681c294ae695513ef583202355518ea00915b75b096c9682738e17eb9146427"),
        (241474, "1d0847812f54cc85ad523ecf1783335a040eb68d84a73c2ea6cb231c34a3bbf3"),
    ),
    _saxon("12.9", 5783933, "8f3a9216a537367132293eacbba9df062eace8f8b16a184af59e2e4839d4cd41"),
    _saxon("12.10", 5793277, "b571af282f25d7301059f788b9a149aab8b5cdc14ef3d212dc5425d3dcbb9a97"),
)

# Without dates: no end was announced for any of them in November 2026.
LINES: tuple[Line, ...] = (
    Line("jetty", "12.1.", None, "https://webtide.com/tag/jetty/ (9, 10 and 11 ended with 2025)"),
    Line("basex", "11.", None, "https://docs.basex.org/main/Changelog (repairs go to the newest version, 13)"),
    Line("saxon", "12.", None, "https://www.saxonica.com/html/documentation12/changes/ (the newest is 13)"),
)


def names(catalogue: Iterable[Artifact] = CATALOGUE) -> tuple[str, ...]:
    return tuple(sorted({one.name for one in catalogue}))


def versions(name: str, catalogue: Iterable[Artifact] = CATALOGUE) -> tuple[str, ...]:
    """Oldest first."""
    return tuple(one.version for one in catalogue if one.name == name)


def find(name: str, version: str, catalogue: Iterable[Artifact] = CATALOGUE) -> Artifact:
    """Raises CatalogueError when it is not there."""
    for one in catalogue:
        if (one.name, one.version) == (name, version):
            return one
    known = ", ".join(versions(name, catalogue)) or "none at all"
    raise CatalogueError(f"{name} {version} is not in the catalogue (recettes/catalogue.py); there are {known}")


def aged(wanted: Mapping[str, Artifact], today: date, lines: Iterable[Line] = LINES) -> list[str]:
    """For each program whose line has ended, a sentence for the administrator."""
    return [
        f"{one} gets no more repairs since {line.ends}: {line.source}"
        for one in wanted.values()
        for line in lines
        if line.name == one.name and one.version.startswith(line.prefix) and line.ends and line.ends <= today
    ]
