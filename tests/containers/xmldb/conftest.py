"""One machine with a small edition and its front, made once, kept as an image; each test starts from it in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, TestLab, test_lab

SAMPLES = ROOT / "samples"

LAB = """
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab
from recettes.declarations.xmldb import XmlDumps, XmlServer
lab = Lab(
    name="The tests' lab", domain="lab.test", contact="administrator@lab.test", time_zone="America/Montreal",
    flows=(
        Flow(source="world", to="web", port=443, why="the sites"),
        Flow(source="world", to="web", port=80, why="to HTTPS"),
        Flow(source="web", to="xmldb", port=8984, why="the editions"),
    ),
    xmldb=XmlServer({server}),
)
"""

EDITION = """
from recettes.declarations.lab import Project
from recettes.declarations.sites import XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage, XmlUser
project = Project(name="letters", title="Letters", answers="Ada",
    sites=(XmlSite(name="letters", host="letters.lab.test", app="letters", methods=("GET", "POST"), health="/health"),),
    xml_databases=(
        XmlDatabase(name="letters-en", source=Folder(path={en!r}), language="en"),
        XmlDatabase(name="letters-fr", source=Folder(path={fr!r}), language="fr"),
    ),
    xml_apps=(
        XmlApp(name="letters", source=Folder(path={app!r}), reads=("letters-en", "letters-fr"), transforms=("/letter/",)),
    ),
)
"""

# Java starts with half the work without its second compiler, which a test's server does not live long enough to need.
DROP_INS = "/etc/systemd/system/basex.service.d"
QUICK = "Environment=JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1"

# Small, so that memory is soon spent, and short, so that what never ends soon does.
SERVER = 'heap="256m", timeout=5'


def declare_edition(lab: TestLab, server: str = SERVER, **projects: str) -> None:
    """The sample edition, from copies in the lab's scratch folder that tests may change, and further projects."""
    folders = {"en": lab.scratch / "letters-en", "fr": lab.scratch / "letters-fr", "app": lab.scratch / "letters-app"}
    for name, sample in (("en", "letters/en"), ("fr", "letters/fr"), ("app", "letters-app")):
        _copied(SAMPLES / sample, folders[name])
    edition = EDITION.format(**{name: str(folder) for name, folder in folders.items()})
    lab.declare(LAB.format(server=server), letters=edition, **projects)


def _copied(sample: Path, place: Path) -> None:
    """Only what differs is written: a file keeps its time."""
    place.mkdir(exist_ok=True)
    files = {file.name: file.read_bytes() for file in sample.iterdir()}
    for old in place.iterdir():
        if old.name not in files:
            old.unlink()
    for name, content in files.items():
        if not (place / name).exists() or (place / name).read_bytes() != content:
            (place / name).write_bytes(content)


@pytest.fixture(scope="session")
def edition_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """A machine of databases alone, which is its own front, that was bare, then planned, then made; the runs are in `notes`."""
    with test_lab(["books"], tmp_path_factory.mktemp("edition"), groups={"books": ("xmldb",)}) as lab:
        declare_edition(lab)
        lab.web.run(f"mkdir -p {DROP_INS} && printf '%s\\n' '[Service]' '{QUICK}' >{DROP_INS}/quick.conf")
        lab.notes["planned"] = lab.dry("lab")
        lab.notes["ran"] = lab.apply("lab")
        lab.notes["image"] = lab.web.snapshot("edition")
        lab.notes["secrets"] = (lab.estate.folder / "secrets.age").read_bytes()
        yield lab


@pytest.fixture
def edition(edition_made: TestLab) -> TestLab:
    """The same lab, its machine as it was after the first run, its declarations as at first."""
    as_at_first(edition_made)
    return edition_made


def as_at_first(lab: TestLab) -> None:
    """For fixtures that last longer than a test."""
    ran = lab.notes["ran"]
    assert ran.status == 0, ran.output
    declare_edition(lab)
    (lab.estate.folder / "secrets.age").write_bytes(lab.notes["secrets"])
    lab.web.remake(lab.notes["image"])
