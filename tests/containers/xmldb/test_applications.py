"""Applications and packages of the XML databases: looked at by BaseX before they are in force, exchanged whole, taken away."""

from __future__ import annotations

import hashlib
import zipfile

import pytest

from tests.containers.xmldb.desk import MODULE, Desk, desk_on, tei
from tests.harness import TestLab

VERSION = "/run/desk/desk/version"
CHANGED = (("xml-apps", "publish", "desk"), ("units", "reload", "basex.service"))
DESCRIPTOR = """\
<package xmlns="http://expath.org/ns/pkg" name="http://lab.test/tools" abbrev="tools" version="1" spec="1.0">
  <title>Tools</title>
  <xquery><namespace>http://lab.test/tools</namespace><file>tools.xqm</file></xquery>
</package>
"""
RIGHTS = "reads=('corpus',)"


def importing(module: str, version: str) -> str:
    """The application's module with another one imported, and what it says its version is."""
    return MODULE.replace("/desk';", f"/desk';\nimport module namespace {module};", 1).replace("'one'", version)


@pytest.fixture(scope="module")
def desk(edition_made: TestLab, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = desk_on(edition_made, tmp_path_factory.mktemp("desk"))
    desk.database("corpus", a=tei("the river"))
    desk.app("desk", RIGHTS, app=MODULE)
    ran = desk.apply()
    assert ran.status == 0, ran.output
    assert desk.ask(VERSION) == "one 200"
    return desk


@pytest.fixture(autouse=True)
def as_declared(desk: Desk) -> None:
    desk.packages.clear()
    desk.app("desk", RIGHTS, app=MODULE)
    ran = desk.apply()
    assert ran.status == 0, ran.output


def test_a_changed_module_is_published_and_read_and_no_visitor_sees_an_error(desk: Desk) -> None:
    with desk.visited(VERSION) as seen:
        library = "module namespace lib = 'lib';\ndeclare function lib:version() { 'two' };\n"
        desk.app("desk", RIGHTS, app=importing("lib = 'lib' at 'lib/lib.xqm'", "lib:version()"), lib__lib=library)
        desk.brings(*CHANGED)
        assert desk.ask(VERSION) == "two 200"
    assert set(seen) == {"one 200", "two 200"}
    assert desk.dry().changes == []


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("'one'", "no-such-function()", "app.xqm:2:"),
        ("'/desk/find'", "'/letters/find'", "the path '/letters/find' does not begin with /desk"),
        ("'/desk/find'", "'/{$any}/find'", "does not begin with /desk"),
        ("'/desk/find'", "'/desk/{$what}'", "app.xqm:4:"),
        ("%rest:GET %rest:path('/desk/find')", "%rest:error('*')", "%rest:error would get the errors of all applications"),
        ("%rest:GET %rest:path('/desk/find')", "%perm:check", "%perm:check without '/desk'"),
        ("/desk';", "/desk';\nimport module namespace x = 'x' at 'x.xqm';", "app.xqm:2:"),
    ],
)
def test_a_module_that_is_no_good_is_refused_with_its_place_and_the_old_one_serves_on(
    desk: Desk, was: str, becomes: str, said: str
) -> None:
    desk.app("desk", RIGHTS, app=MODULE.replace(was, becomes, 1))
    refused = desk.apply()
    assert refused.status != 0
    assert said in refused.output
    assert "app.xqm:" in refused.output
    assert "/srv/basex" not in refused.output.partition("what was before stays")[2]
    assert desk.ask(VERSION) == "one 200"


def test_a_package_is_there_for_applications_and_a_new_version_of_it_is_read(desk: Desk) -> None:
    archive = desk.folder / "tools.xar"

    def packed(function: str) -> None:
        with zipfile.ZipFile(archive, "w") as xar:
            xar.writestr("expath-pkg.xml", DESCRIPTOR)
            xar.writestr("tools/tools.xqm", f"module namespace t = 'http://lab.test/tools';\n{function}\n")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        source = f"Archive(path={str(archive)!r}, sha256={digest!r})"
        desk.packages["tools"] = f"XmlPackage(name='tools', source={source})"

    desk.app("desk", RIGHTS, app=importing("tools = 'http://lab.test/tools'", "tools:version()"))
    refused = desk.apply()
    assert refused.status != 0
    assert "http://lab.test/tools" in refused.output
    packed("declare function t:version() { 'packed' };")
    ran = desk.apply()
    assert ran.status == 0, ran.output
    assert desk.ask(VERSION) == "packed 200"
    packed("declare function t:version() { 'packed anew' };")
    desk.brings(("xml-packages", "publish", "tools"), ("units", "reload", "basex.service"))
    assert desk.ask(VERSION) == "packed anew 200"
    packed("declare function t:version() { no-such-function() };")
    refused = desk.apply()
    assert refused.status != 0
    assert "tools/tools.xqm:2:" in refused.output
    assert desk.ask(VERSION) == "packed anew 200"
    packed("declare function t:version() { 'packed anew' };")


def test_a_module_is_looked_at_however_its_name_is_written(desk: Desk) -> None:
    desk.app("desk", RIGHTS, app=MODULE)
    shadow = "module namespace s = 's';\ndeclare %rest:path('/letters/stolen') function s:s() { 'stolen' };\n"
    (desk.folder / "app-desk" / "shadow.XQM").write_text(shadow)
    refused = desk.apply()
    assert refused.status != 0
    assert "shadow.XQM:2:" in refused.output
    assert "the path '/letters/stolen' does not begin with /desk" in refused.output


def test_a_package_answers_no_requests(desk: Desk) -> None:
    place = desk.folder / "unpacked"
    (place / "tools").mkdir(parents=True)
    (place / "expath-pkg.xml").write_text(DESCRIPTOR)
    function = "declare %rest:path('/letters/stolen') function t:stolen() { 'stolen' };"
    (place / "tools" / "tools.xqm").write_text(f"module namespace t = 'http://lab.test/tools';\n{function}\n")
    desk.packages["tools"] = f"XmlPackage(name='tools', source=Folder(path={str(place)!r}))"
    # A module of this name would have taken the package's functions for its own.
    desk.app(
        "desk", RIGHTS, app=MODULE, tools="module namespace x = 'x';\nimport module namespace t = 'http://lab.test/tools';\n"
    )
    refused = desk.apply()
    assert refused.status != 0
    assert "tools/tools.xqm:2:" in refused.output
    assert "a package answers no requests" in refused.output


def test_an_application_is_rolled_back_at_once_and_held_until_something_new_is_declared(desk: Desk) -> None:
    desk.app("desk", RIGHTS, app=MODULE.replace("'one'", "'worse'"))
    assert desk.apply().status == 0
    assert desk.ask(VERSION) == "worse 200"
    back = desk.lab.command("bin/rollback", "--kind", "app", "desk")
    assert back.returncode == 0, back.stderr
    assert desk.ask(VERSION) == "one 200"
    held = desk.apply()
    assert held.changes == []
    assert "`bin/rollback --end desk --kind app` at once" in held.output
    desk.app("desk", RIGHTS, app=MODULE.replace("'one'", "'better'"))
    desk.brings(*CHANGED)
    assert desk.ask(VERSION) == "better 200"


def test_an_application_that_is_declared_no_more_is_gone_and_its_data_stay(desk: Desk) -> None:
    app = desk.apps.pop("desk")
    planned, ran = desk.dry(), desk.apply()
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert ("xml-users", "remove", "run-desk") in [change[1:] for change in ran.changes]
    assert desk.ask(VERSION).endswith(" 404")
    assert desk.query("count(db:get('corpus')//p)") == "1"
    assert desk.lab.web.run("ls /srv/basex/apps/desk/current/").out.split() == ["app.xqm"]
    assert desk.dry().changes == []
    desk.apps["desk"] = app
    assert desk.apply().status == 0
    assert desk.ask(VERSION) == "one 200"
