"""A project of the tests' own on the machine with the sample edition: databases, an application that reads and writes, people."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.containers.xmldb.conftest import as_at_first, declare_edition
from tests.harness import Run, TestLab

INSIDE = "http://$(hostname -i):8984"
PROJECT = """
from recettes.declarations.lab import Project
from recettes.declarations.sources import Archive, Folder
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage, XmlUser
desk = Project(name="desk", title="Desk", answers="Ada",
    xml_databases=({databases}), xml_packages=({packages}), xml_apps=({apps}), xml_users=({users}),
)
"""
MODULE = """\
module namespace desk = 'http://lab.test/desk';
declare %rest:GET %rest:path('/desk/version') %output:method('text') function desk:version() { 'one' };
declare %rest:GET %rest:path('/desk/count/{$db}') %output:method('text') function desk:count($db) { count(db:get($db)//p) };
declare %rest:GET %rest:path('/desk/find') %output:method('text') function desk:find() { count(ft:search('corpus', 'rivers')) };
declare %rest:GET %rest:path('/desk/notes') %output:method('text') function desk:notes() { count(ft:search('notes', 'word')) };
declare %rest:POST %rest:path('/desk/note') %updating function desk:note() { db:put('notes', <n><p>a word</p></n>, 'note.xml') };
declare %rest:POST %rest:path('/desk/drop/{$db}') %updating function desk:drop($db) { db:drop($db) };
declare %rest:POST %rest:path('/desk/make') %updating function desk:make() { db:create('mine', <mine/>, 'mine.xml') };
declare %rest:POST %rest:path('/desk/spoil') %updating function desk:spoil() { delete node db:get('corpus')//p };
declare %rest:GET %rest:path('/desk/sheet') %output:method('text') function desk:sheet() {
  xslt:transform(<a/>, <x:stylesheet version='3.0' xmlns:x='http://www.w3.org/1999/XSL/Transform'>
    <x:template match='/'><b>{desk:version()}</b></x:template></x:stylesheet>)
};
"""


def tei(*paragraphs: str) -> str:
    return "<text>\n" + "".join(f"<p>{one}</p>\n" for one in paragraphs) + "</text>\n"


@dataclass
class Desk:
    """The declarations by kind and name, as Python text; sources are folders of their names in `folder`."""

    lab: TestLab
    folder: Path
    databases: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    apps: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    def source(self, name: str, **files: str) -> Path:
        """Only these files, `__` for a slash in names; those of a database end in .xml, of an application in .xqm."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        for file, content in files.items():
            path = place / (file.replace("__", "/") + (".xml" if content.lstrip().startswith("<") else ".xqm"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return place

    def database(self, name: str, more: str = "", **files: str) -> None:
        self.databases[name] = f"XmlDatabase(name={name!r}, source=Folder(path={str(self.source(name, **files))!r}), {more})"

    def app(self, name: str, more: str = "", **files: str) -> None:
        self.apps[name] = f"XmlApp(name={name!r}, source=Folder(path={str(self.source(f'app-{name}', **files))!r}), {more})"

    def declare(self) -> None:
        parts = {
            kind: "".join(f"{one}, " for one in getattr(self, kind).values())
            for kind in ("databases", "packages", "apps", "users")
        }
        declare_edition(self.lab, desk=PROJECT.format(**parts))

    def dry(self) -> Run:
        self.declare()
        return self.lab.dry("xmldb")

    def apply(self) -> Run:
        self.declare()
        return self.lab.apply("xmldb")

    def brings(self, *expected: tuple[str, str, str]) -> Run:
        """Planned and done alike, and done: just these changes, each its subsystem, action and item."""
        planned, ran = self.dry(), self.apply()
        assert ran.status == 0, ran.output
        assert [record.change for record in planned.records] == [record.change for record in ran.records]
        assert [tuple(change[1:]) for change in ran.changes] == list(expected), ran.output
        return ran

    # From outside the code that is tested.

    def ask(self, path: str, *words: str) -> str:
        """Body and status of an answer that the front gets."""
        quoted = " ".join(words)
        return self.lab.web.run(f"curl -s -m 20 -w ' %{{http_code}}' {quoted} {INSIDE}{path}", check=False).out.strip()

    def query(self, text: str) -> str:
        """As BaseX's administrator."""
        return self.lab.web.run(f"/usr/local/lib/recettes/xmldb query <<'END'\n{text}\nEND").out

    @contextmanager
    def visited(self, path: str) -> Iterator[list[str]]:
        """While it lasts, somebody asks for the path all the time; the answers that were had, each once, are there at the end."""
        machine, seen = self.lab.web, list[str]()
        machine.run("rm -f /run/visited /run/visits-end")
        loop = f'curl -s -m 20 -w " %{{http_code}}\\n" "{INSIDE}{path}" || echo none'
        script = f"until [ -e /run/visits-end ]; do {loop}; done >/run/visited"
        visitor = threading.Thread(target=machine.run, args=(script,))
        visitor.start()
        try:
            yield seen
        finally:
            machine.run("touch /run/visits-end")
            visitor.join()
        seen += sorted(set(machine.run("cat /run/visited").out.splitlines()))


def desk_on(lab: TestLab, folder: Path) -> Desk:
    """The machine with the sample edition as at first, and on it nothing of the desk yet."""
    as_at_first(lab)
    return Desk(lab, folder)
