"""Sites of applications on the XML databases: what is declared wrongly, and which paths of their server are reachable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from recettes.declarations.base import noted
from recettes.declarations.flows import Flow
from recettes.declarations.sites import XmlSite, check_sites
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp, XmlServer
from recettes.lab import load
from recettes.roles import blueprints_of, certificates_of, rules_of, sshd_config_of
from recettes.secrets import Secret, Vault
from recettes.web.nginx import nginx_tree
from recettes.web.vhost import Front, vhost
from recettes.web.xml_paths import locations

HERE = Folder(path=str(Path(__file__).parent))
FLOW = Flow(source="web", to="xmldb", port=8984, why="the editions")
LETTERS = XmlApp(name="letters", source=HERE, transforms=("/letter", "/atlas/map/"))
FRONT = Front(addresses={"xmldb": ("10.0.0.4",)}, apps={"letters": LETTERS})
REST = XmlServer(rest=True)


@pytest.fixture(autouse=True)
def _nothing_noted_before() -> None:
    noted()


def site(**more: Any) -> XmlSite:
    return XmlSite(**{"name": "letters", "host": "l.test", "app": "letters", **more})


def said(*sites: XmlSite, flows: tuple[Flow, ...] = (FLOW,), server: XmlServer | None = None) -> list[str]:
    if not (mistakes := noted()):
        check_sites(sites, groups=("web", "xmldb"), flows=flows, apps=(LETTERS,), xmldb=server)
        mistakes = noted()
    assert all(mistake.file.endswith("test_xml_sites.py") and mistake.line for mistake in mistakes)
    return [f"{mistake.key}: {mistake.problem}" for mistake in mistakes]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_sound_site_is_accepted() -> None:
    assert said(site(paths=("/", "/api"), methods=("GET", "POST"), body="1m", rest=True, health="/health"), server=REST) == []


def test_an_application_that_nobody_declared_is_a_mistake() -> None:
    assert said(site(app="diaries")) == ["XmlSite.app: there is no XmlApp 'diaries'; declared are letters"]


@pytest.mark.parametrize(
    "flows",
    [
        (),
        (Flow(source="web", to="xmldb", port=8080, why="another port"),),
        (Flow(source="apps", to="xmldb", port=8984, why="from elsewhere"),),
        (Flow(source="web", to="xmldb", port=8984, protocol="udp", why="another protocol"),),
    ],
)
def test_without_a_flow_the_line_to_add_is_said(flows: tuple[Flow, ...]) -> None:
    (line,) = said(site(), flows=flows)
    assert 'add Flow(source="web", to="xmldb", port=8984, why="the editions") to the flows of Lab' in line


def test_rest_is_opened_only_where_the_server_has_it() -> None:
    assert said(site(rest=True), server=REST) == []
    (line,) = said(site(rest=True))
    assert line.startswith("XmlSite.rest: opens what is not there") and "XmlServer(rest=True)" in line


@pytest.mark.parametrize(
    "more", [{"basic_auth": ("ann",)}, {"paths": ("/rest",)}, {"paths": ("/a", "/rest/x")}, {"paths": ()}, {"methods": ()}]
)
def test_what_contradicts_itself_is_a_mistake(more: dict[str, Any]) -> None:
    site(rest=True, **more)
    assert len(said()) == 1


def test_rest_does_not_hide_a_transformation_of_the_application() -> None:
    site_ = site(rest=True)
    app = LETTERS.model_copy(update={"transforms": ("/rest/of-it",)})
    check_sites([site_], groups=("web", "xmldb"), flows=(FLOW,), apps=(app,), xmldb=REST)
    assert [mistake.key for mistake in noted()] == ["XmlSite.rest"]


def test_a_body_larger_than_the_server_takes_is_a_mistake() -> None:
    assert said(site(body="2048k")) == []
    assert said(site(body="3m")) == ["XmlSite.body: is more than the database's server takes: 2m, XmlServer.upload"]


@pytest.mark.parametrize("value", ["/a b", "/a;b", "/a{", "/../rest", "/$uri", "a", "/a//b", '/"', "/a\\"])
@pytest.mark.parametrize("key", ["paths", "health"])
def test_a_path_is_one_of_the_site_and_nothing_else(key: str, value: str) -> None:
    site(**{key: (value,) if key == "paths" else value})
    assert len(said()) == 1


def opened(paths: tuple[str, ...], transforms: tuple[str, ...] = LETTERS.transforms) -> dict[str, str]:
    app = LETTERS.model_copy(update={"transforms": transforms})
    return {location.place: location.target for location in locations(site(paths=paths), app)}


def test_the_root_of_the_site_is_the_root_of_the_application_and_transformations_have_their_own_servlet() -> None:
    assert opened(("/",)) == {
        "/": "/run/letters/letters/",
        "= /letter": "/render/letters/letters/letter",
        "/letter/": "/render/letters/letters/letter/",
        "= /atlas/map": "/render/letters/letters/atlas/map",
        "/atlas/map/": "/render/letters/letters/atlas/map/",
    }


def test_only_public_paths_are_open_and_what_they_lie_in_decides_who_answers() -> None:
    assert opened(("/api/", "/letter/x", "/atlas")) == {
        "= /api": "/run/letters/letters/api",
        "/api/": "/run/letters/letters/api/",
        "= /letter/x": "/render/letters/letters/letter/x",
        "/letter/x/": "/render/letters/letters/letter/x/",
        "= /atlas": "/run/letters/letters/atlas",
        "/atlas/": "/run/letters/letters/atlas/",
        "= /atlas/map": "/render/letters/letters/atlas/map",
        "/atlas/map/": "/render/letters/letters/atlas/map/",
    }


def test_an_application_may_transform_everywhere() -> None:
    assert opened(("/", "/", "/a", "/a/"), ("/",)) == {
        "/": "/render/letters/letters/",
        "= /a": "/render/letters/letters/a",
        "/a/": "/render/letters/letters/a/",
    }


def test_nothing_but_the_application_is_passed_on() -> None:
    targets = [line.split()[1] for line in lines(vhost(site(paths=("/api",)), FRONT)) if line.startswith("proxy_pass")]
    assert targets == ["http://site-letters/run/letters/letters/api;", "http://site-letters/run/letters/letters/api/;"]
    assert [line for line in lines(vhost(site(rest=True), FRONT)) if "site-letters/rest" in line]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("/run/letters/search?q=a/b", "/search?q=a/b"),
        ("/run/letters/letters/search", "/search"),
        ("/render/letters/letter/1#top", "/letter/1#top"),
        ("/run/letters/", "/"),
        ("/run/letters/letters?x", "/?x"),
        ("/run/letters/letters-of-others", "/letters-of-others"),
        # Never to another host.
        ("/run/letters//evil.test/x", "/evil.test/x"),
        ("/run/letters/letters//evil.test", "/evil.test"),
        ("search", None),
        ("/run/diaries/x", None),
        ("https://other.test/run/letters/x", None),
    ],
)
def test_a_redirect_of_the_application_leads_where_the_site_has_it(sent: str, told: str | None) -> None:
    (rule,) = [line for line in lines(vhost(site(), FRONT)) if line.startswith("proxy_redirect")]
    _, pattern, target = rule.split(maxsplit=2)
    found = re.search(pattern.strip('"').removeprefix("~").replace("(?<", "(?P<"), sent)
    assert target == "/$rest;"
    assert (f"/{found['rest']}" if found else None) == told


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("", True),
        ("Basic YWRhOnB3", True),
        ("basic YWRhOnB3ZA==", True),
        ("Basic YWRhOnB3ZGU=", True),
        ("Basic !!", False),
        ("Basic YWRhOn", False),
        ("Basic YWRhOnB3 x", False),
        ("Bearer YWRhOnB3", False),
    ],
)
def test_what_is_no_name_and_password_never_gets_to_the_rest_interface(sent: str, passed: bool) -> None:
    rules = {line for line in lines(vhost(site(rest=True), FRONT)) if line.startswith("if ($http_authorization")}
    (pattern,) = [rule.split('"')[1] for rule in rules]
    assert bool(re.search(pattern, sent, re.IGNORECASE)) == passed


def test_the_limits_are_the_servers_unless_declared() -> None:
    front = Front(addresses=FRONT.addresses, apps=FRONT.apps, xmldb=XmlServer(upload="7m", timeout=33))
    assert {"client_max_body_size 7m;", "proxy_read_timeout 43s;"} <= set(lines(vhost(site(), front)))
    own = lines(vhost(site(body="1k", timeout=3), front))
    assert {"client_max_body_size 1k;", "proxy_read_timeout 3s;"} <= set(own)


@pytest.mark.parametrize(("kept", "told"), [("whole", "$remote_addr"), ("network", "$visitor_network"), ("nothing", '""')])
def test_the_database_s_server_learns_no_more_of_a_visitor_than_its_log_may_keep(kept: Any, told: str) -> None:
    front = Front(addresses=FRONT.addresses, apps=FRONT.apps, xmldb=XmlServer(visitors=kept))
    assert f"set $visitor {told};" in lines(vhost(site(), front))


def test_who_may_get_may_head() -> None:
    assert site().allowed == ("GET", "HEAD")
    assert site(methods=("POST", "GET", "HEAD")).allowed == ("POST", "GET", "HEAD")
    assert site(methods=("PUT",)).allowed == ("PUT",)


def test_the_health_of_an_application_is_asked_for_on_its_servlet() -> None:
    status = nginx_tree([site(health="/health")], FRONT, lambda name: Secret(name, "x")).files["nginx.conf"].content or b""
    assert b"proxy_pass http://site-letters/run/letters/letters/health;" in status
    for path in ("/letter", "/atlas/map/1"):
        status = nginx_tree([site(health=path)], FRONT, lambda name: Secret(name, "x")).files["nginx.conf"].content or b""
        assert f"proxy_pass http://site-letters/render/letters/letters{path};".encode() in status
    none = nginx_tree([site(health="/health")], Front(apps=FRONT.apps), lambda name: Secret(name, "x")).files["nginx.conf"]
    assert b"location = /health/" not in (none.content or b"")


LAB = """
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab, Project
from recettes.declarations.sites import XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp
lab = Lab(name="Lab", domain="lab.test", contact="a@lab.test", flows=(
    Flow(source="world", to="web", port=443, why="the sites"),
    Flow(source="web", to="xmldb", port=8984, why="the editions"),
))
project = Project(name="one", title="One", answers="Ada", xml_apps=(XmlApp(name="letters", source=Folder(path="samples")),),
    sites=(XmlSite(name="letters", host="letters.lab.test", app="letters"),))
"""


def test_a_machine_of_databases_alone_is_the_lab_s_front_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ESTATES", str(tmp_path)), ("ESTATE", "mylab"), ("GROUP_DATA", str(tmp_path))):
        monkeypatch.setenv(f"RECETTES_{name}", value)
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "machines.toml").write_text('[books]\naddress = "203.0.113.5"\ngroups = ["xmldb"]\n')
    (tmp_path / "lab.py").write_text(LAB)
    Vault.disposable(tmp_path / "mylab")
    lab = load()
    site_file = blueprints_of(lab, "books")["web"].trees["/etc/recettes/nginx"].files["sites/letters.conf"].content or b""
    assert b"server 203.0.113.5:8984;" in site_file
    assert [certificate.name for certificate in certificates_of(lab)] == ["letters"]
    assert rules_of(lab, "books").admits("198.51.100.9", 443)
    assert not rules_of(lab, "books").admits("198.51.100.9", 8984)
    assert "AllowTcpForwarding local" in sshd_config_of(lab, "books")
