"""XML databases, the applications on them, and the server of both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recettes.catalogue import CatalogueError, find
from recettes.declarations.base import TIME_OF_DAY, Declaration, Name, unique, written_as, wrong
from recettes.declarations.sources import Source
from recettes.web.values import Size, UrlPath, size_bytes
from recettes.xmldb.names import RESERVED, renderer, runner

# Languages with a stemmer in BaseX's core or in Lucene's, which the catalogue adds: https://docs.basex.org/main/Full-Text#languages
Language = Literal["ar", "da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv"]
# Java, Jetty and BaseX take some 40 MB.
LEAST_HEAP, MOST_HEAP = 64 << 20, 1 << 40


def _time(value: str) -> str:
    if not re.fullmatch(TIME_OF_DAY, value):
        raise ValueError('is not a time of day such as "02:30"')
    return value


def _heap(value: str) -> str:
    if not LEAST_HEAP <= size_bytes(value) <= MOST_HEAP:
        raise ValueError("is no memory that the server can start with: from 64m to 1024g")
    return value


Time = Annotated[str, AfterValidator(_time)]
Heap = Annotated[Size, AfterValidator(_heap)]
Version = Annotated[str, written_as(r"\d+(\.\d+){1,3}", "is not a version such as 11.8")]


class XmlDatabase(Declaration):
    """All XML files of `source`, as one database.

    It is built anew beside the old one when the source or the options change. One that an application or a person may write to
    is made of its source once, and then left to them. With `fulltext` it is indexed for search in `language`; `stemming` finds
    other forms of a word, `diacritics` and `case` tell é from e and E from e. `whitespace` keeps text nodes that are only blanks.
    `values` are BaseX's indexes of whole values: of text nodes, of attributes, of the words in attributes (class="a b").
    """

    name: Name
    source: Source
    fulltext: bool = True
    language: Language = "en"
    stemming: bool = True
    diacritics: bool = False
    case: bool = False
    whitespace: bool = True
    values: tuple[Literal["text", "attribute", "token"], ...] = ("text", "attribute")


class XmlPackage(Declaration):
    """XQuery modules that applications import: an unpacked EXPath package, or an Archive of one (.xar)."""

    name: Name
    source: Source


class XmlApp(Declaration):
    """RESTXQ modules, all of whose paths begin with /NAME. They run as a user who may read the databases `reads` and no more.

    `writes` are databases that they may also change. Below the paths `transforms` (as visitors see them, without
    /NAME) they run as a second user who may also transform, parse and create (xslt:transform, parse-xml).
    """

    name: Name
    source: Source
    reads: tuple[Name, ...] = ()
    writes: tuple[Name, ...] = ()
    transforms: tuple[UrlPath, ...] = ()


class XmlUser(Declaration):
    """A person who works with the databases through the REST interface; the password is the secret basex-user-NAME."""

    name: Name
    reads: tuple[Name, ...] = ()
    writes: tuple[Name, ...] = ()


class XmlDumps(Declaration):
    """Every day at `at` (the machine's time) all databases, users and packages are written to files; the newest `keep` stay.

    `copy_to` is a group whose machines get a copy of each.
    """

    at: Time = "02:30"
    keep: Annotated[int, Field(ge=1, le=365)] = 14
    copy_to: Name | None = None


class XmlServer(Declaration):
    """The server of all XML databases.

    `heap` is Java's memory; None: half of the machine's. A query of an application may take `timeout` seconds, `parallel` of
    them run at a time, and a request may be as large as `upload`. With `rest` the declared users reach their databases from
    outside, with their passwords, below /rest/ of the sites that open it; without it only this machine's commands do.
    With `sessions` applications may keep something of a visitor from one request to the next (`session:set`): one session for all
    of them, and what one writes into it another believes. `visitors` says what the log keeps of a visitor's address.
    """

    basex: Version = "11.8"
    jetty: Version = "12.1.12"
    saxon: Version = "12.10"
    heap: Heap | None = None
    timeout: Annotated[int, Field(ge=1, le=3600)] = 20
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    upload: Size = "2m"
    rest: bool = False
    sessions: bool = False
    visitors: Literal["whole", "network", "nothing"] = "network"
    dumps: XmlDumps = XmlDumps()


def check_server(server: XmlServer) -> None:
    """Note versions of its programs that nobody knows."""
    for program in ("basex", "jetty", "saxon"):
        try:
            find(program, getattr(server, program))
        except CatalogueError as error:
            wrong(server, program, str(error))


def check_xmldb(
    databases: Sequence[XmlDatabase], packages: Sequence[XmlPackage], apps: Sequence[XmlApp], users: Sequence[XmlUser]
) -> None:
    """Note what is wrong with them taken together: names used twice or taken, and databases that nobody declared."""
    unique("database", databases)
    unique("package", packages)
    unique("application", apps)
    unique("user", users)
    runs = {user: app.name for app in apps for user in (runner(app.name), renderer(app.name))}
    for person in users:
        if person.name in runs:
            application = runs[person.name]
            wrong(person, "name", f"{person.name!r} is the user as whom the application {application!r} runs; choose another")
    known = {database.name for database in databases}
    listed = ", ".join(sorted(known)) or "none"
    readers: tuple[XmlApp | XmlUser, ...] = (*apps, *users)
    for reader in readers:
        if reader.name in RESERVED:
            wrong(reader, "name", f"{reader.name!r} is reserved for {RESERVED[reader.name]}; choose another")
        for key, names in (("reads", reader.reads), ("writes", reader.writes)):
            for name in names:
                if name not in known:
                    wrong(reader, key, f"there is no database {name!r}; declared are {listed}")
