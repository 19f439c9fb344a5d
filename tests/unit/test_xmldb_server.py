"""The XML database server's files: as whom applications run, who is let in, and with how much memory."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from facts.xmldb_server import server_accounts
from recettes.declarations.base import noted
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlDumps, XmlServer, check_server
from recettes.roles.xmldb import xmldb
from recettes.secrets import Secret
from recettes.xmldb.jetty import Listening, admitted, allowed, servlets
from recettes.xmldb.server import Accounts, accounts_script, plan_accounts
from recettes.xmldb.unit import unit_text

HERE = Listening("10.0.0.3", ("10.0.0.2",))
SECRET = Secret("basex-admin", "q" * 32)
PAGES = XmlApp(name="pages", source=Folder(path="x"), transforms=("/letter/",))
DATA = XmlApp(name="data", source=Folder(path="x"))


def test_each_application_runs_as_its_own_users_and_none_as_the_administrator() -> None:
    assert [(one.user, one.pattern) for one in servlets([PAGES, DATA])] == [
        ("_health", "/health/*"),
        ("run-data", "/run/data/*"),
        ("run-pages", "/run/pages/*"),
        ("render-pages", "/render/pages/*"),
    ]
    tree = next(iter(xmldb(XmlServer(), [PAGES, DATA], [], listening=HERE, password=None).trees.values()))
    web = ET.fromstring((tree.files["webapp/WEB-INF/web.xml"].content or b"").decode())
    space = "{https://jakarta.ee/xml/ns/jakartaee}"
    users = {
        one.findtext(f"{space}servlet-name"): one.findtext(f"{space}init-param/{space}param-value")
        for one in web.iter(f"{space}servlet")
    }
    assert users == {"rest": None} | {one.user: one.user for one in servlets([PAGES, DATA])}
    # What names a session is read from nowhere: applications would share them.
    assert [one.text for one in web.iter(f"{space}tracking-mode")] == ["SSL"]


def test_sessions_are_there_only_where_they_are_declared() -> None:
    blueprint = xmldb(XmlServer(sessions=True), [PAGES], [], listening=HERE, password=None)
    web = ET.fromstring(blueprint.trees["/etc/recettes/jetty"].files["webapp/WEB-INF/web.xml"].content or b"")
    (config,) = web.iter("{https://jakarta.ee/xml/ns/jakartaee}session-config")
    assert [one.text for one in config.iter() if (one.text or "").strip()] == ["30", "true", "true", "COOKIE"]


def test_no_user_of_an_application_runs_the_functions_of_another_nor_transforms_where_that_is_not_declared() -> None:
    apps = [PAGES, DATA, XmlApp(name="all", source=Folder(path="x"), transforms=("/",))]
    assert allowed(apps) == {
        "_health": ["/"],
        "run-all": ["/all"],
        "render-all": ["/all"],
        "run-data": ["/data"],
        "run-pages": ["/pages"],
        "render-pages": ["/pages/letter"],
    }
    assert set(allowed(apps)) == {one.user for one in servlets(apps)}
    blueprint = xmldb(XmlServer(), apps, [], listening=HERE, password=None)
    guard = "/srv/basex/restxq/_guard.xqm"
    assert b"'render-pages': ('/pages/letter')" in (blueprint.files[guard].content or b"")
    assert b"request:attribute('jakarta.servlet.forward.servlet_path')" in (blueprint.files[guard].content or b"")
    assert guard in blueprint.units["basex.service"].reads


def test_the_front_passes_visitors_on_and_reaches_rest_only_where_declared() -> None:
    assert admitted(XmlServer(), HERE) == ["10.0.0.3", "10.0.0.2|/run/*", "10.0.0.2|/render/*", "10.0.0.2|/health/"]
    assert "10.0.0.2|/rest/*" in admitted(XmlServer(rest=True), HERE)
    assert admitted(XmlServer(), Listening("10.0.0.3", ("10.0.0.3",))) == ["10.0.0.3"]


@pytest.mark.parametrize(("heap", "java", "limit"), [("1g", "-Xmx1g", str(1536 << 20)), (None, "-XX:MaxRAMPercentage=50", "75%")])
def test_memory_is_bounded_by_the_heap_or_by_the_machine(heap: str | None, java: str, limit: str) -> None:
    unit = unit_text(XmlServer(heap=heap), HERE)
    assert java in unit
    assert f"\nMemoryMax={limit}\n" in unit


@pytest.mark.parametrize("heap", ["1k", "63m", "2000g"])
def test_memory_that_java_does_not_start_with_is_a_mistake(heap: str) -> None:
    noted()
    XmlServer(heap=heap)
    [mistake] = noted()
    assert "XmlServer.heap: is no memory that the server can start with" in str(mistake)


@pytest.mark.parametrize("time", ["24:00", "2:30", "02:3\N{ARABIC-INDIC DIGIT ZERO}", "02:30\n"])
def test_a_time_that_systemd_does_not_read_is_a_mistake(time: str) -> None:
    noted()
    XmlDumps(at=time)
    [mistake] = noted()
    assert "XmlDumps.at: is not a time of day" in str(mistake)


def test_it_listens_at_one_port_of_one_family() -> None:
    four, six = unit_text(XmlServer(), HERE), unit_text(XmlServer(), Listening("fd00::3"))
    assert "\nSocketBindAllow=ipv4:tcp:8984\n" in four
    assert "\nRestrictAddressFamilies=AF_INET\n" in four
    assert "\nSocketBindAllow=ipv6:tcp:8984\n" in six
    assert "http://[fd00::3]:8984/health/" in six


def test_the_password_s_file_is_root_s_and_shows_nothing() -> None:
    file = xmldb(XmlServer(), [], [], listening=HERE, password=SECRET).files["/var/lib/recettes/basex/admin"]
    assert (file.owner, file.mode, file.secret) == ("root", 0o600, True)
    assert SECRET.reveal() not in repr(server_accounts(SECRET))
    assert SECRET.reveal() not in accounts_script(SECRET).replace(f"printf %s {SECRET.reveal()}", "")


def test_the_password_is_set_before_the_first_start_and_whenever_it_differs() -> None:
    [first] = plan_accounts(Accounts())
    assert "is stopped" not in first.wanted
    [again] = plan_accounts(Accounts(admin=False, health="none", running=True))
    assert "basex.service is stopped meanwhile" in again.wanted
    assert "_health" not in again.wanted
    assert plan_accounts(Accounts(admin=True, health="none", running=True)) == []


def test_accounts_are_read_and_an_odd_answer_is_an_error() -> None:
    part = server_accounts(SECRET)
    assert part.parse(["running inactive"]) == Accounts()
    assert part.parse(["running active", "admin same", "health none"]) == Accounts(True, "none", True)
    assert part.parse(["running active", "admin differs", "health absent"]) == Accounts(False, None, True)
    assert server_accounts(None).parse(["running inactive", "admin same", "health none"]).admin is False
    for odd in ([], ["running active", "admin same"], ["running active", "Traceback (most recent call last):"]):
        with pytest.raises((ValueError, KeyError)):
            part.parse(odd)


def test_a_version_that_is_not_in_the_catalogue_is_named_with_those_that_are() -> None:
    noted()
    check_server(XmlServer())
    assert noted() == []
    check_server(XmlServer(basex="1.0"))
    [mistake] = noted()
    assert "test_xmldb_server.py" in str(mistake)
    assert "XmlServer.basex: basex 1.0 is not in the catalogue" in str(mistake)
    assert "11.8" in str(mistake)
