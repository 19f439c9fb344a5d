"""Declarations of sites: what is wrong is said by the line where it stands; alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recettes.declarations.base import noted
from recettes.declarations.flows import Flow
from recettes.declarations.sites import PhpSite, ProxySite, RateLimit, RedirectSite, Site, StaticSite, check_sites
from recettes.declarations.sources import Archive, Folder

HERE = Folder(path=str(Path(__file__).parent))
TO_XMLDB = Flow(source="web", to="xmldb", port=8080, why="the database")


@pytest.fixture(autouse=True)
def _nothing_noted_before() -> None:
    noted()


def static(name: str = "a", host: str = "a.test", **more: Any) -> StaticSite:
    return StaticSite(**{"name": name, "host": host, "source": HERE, **more})


def said(*sites: Site, flows: tuple[Flow, ...] = (TO_XMLDB,)) -> list[str]:
    if not (mistakes := noted()):
        check_sites(sites, groups=("web", "xmldb", "images"), flows=flows)
        mistakes = noted()
    assert all(mistake.file.endswith("test_sites.py") and mistake.line for mistake in mistakes)
    return [f"{mistake.key}: {mistake.problem}" for mistake in mistakes]


def test_a_site_of_each_kind_with_sound_values_is_accepted() -> None:
    sites = (
        static(
            www=True,
            aliases=("b.test",),
            rate_limit=RateLimit(per_second=5),
            allow=("10.0.0.0/8", "2001:db8::1"),
            maintenance="Soon.",
        ),
        PhpSite(name="p", host="p.test", source=HERE, uploads=("files", "wp-content/uploads")),
        ProxySite(name="x", host="x.test", to="xmldb", port=8080),
        RedirectSite(name="r", host="r.test", to="https://example.org/a?b=c&d=%C3%A9"),
    )
    assert said(*sites) == []


@pytest.mark.parametrize(
    ("host", "names"),
    [("www.lab.test", ("www.lab.test", "lab.test", "b.test")), ("lab.test", ("lab.test", "www.lab.test", "b.test"))],
)
def test_with_www_a_site_has_both_names_and_the_canonical_one_is_first(host: str, names: tuple[str, ...]) -> None:
    assert static(host=host, www=True, aliases=("b.test",)).names == names


HOSTILE = ["x; return 200", 'x"', "x'", "x\n", "x}", "x{", "x\\", "x$host", "x#", "x\0"]


@pytest.mark.parametrize("value", [*HOSTILE, "A.test", "localhost", "-a.test", "a..test", "é.test", "*.a.test"])
def test_a_host_that_is_no_host_name_is_a_mistake(value: str) -> None:
    static(host=value)
    assert [line.partition(":")[0] for line in said()] == ["StaticSite.host"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["name", "aliases", "basic_auth", "allow", "kept_forever", "fallback", "errors"])
def test_no_value_can_hold_what_means_something_to_nginx(key: str, value: str) -> None:
    path = "/" + value
    as_typed: dict[str, Any] = {"name": value, "fallback": path, "kept_forever": (path,), "errors": {404: path}}
    static(**{key: as_typed.get(key, (value,))})
    assert [line.partition(":")[0].split(".")[:2] for line in said()] == [["StaticSite", key]]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "$host", "é", ""])
def test_a_header_is_one_line_that_nginx_can_write(value: str) -> None:
    static(csp=value)
    static(headers={"X-Lab": value})
    assert len(said()) == 2


def test_headers_with_a_key_of_their_own_are_set_by_that_key() -> None:
    static(headers={"content-security-policy": "default-src 'self'"})
    assert said() == ["StaticSite.headers: has content-security-policy, which is set by csp="]


@pytest.mark.parametrize("value", ["/files", "files/", "../x", "a/../b", ".hidden", "a b", "a;b", ""])
def test_an_upload_folder_lies_in_the_site(value: str) -> None:
    PhpSite(name="p", host="p.test", source=HERE, uploads=(value,))
    assert len(said()) == 1


@pytest.mark.parametrize(
    "value", ["ftp://a.test/", "https://a.test/$x", 'https://a.test/"', "https://a.test/;}", "/a", "javascript:x"]
)
def test_a_redirect_leads_to_a_web_address(value: str) -> None:
    if value == "https://a.test/;}":
        value += "{"
    RedirectSite(name="r", host="r.test", to=value)
    assert len(said()) == 1


def test_a_site_has_a_kind() -> None:
    Site(name="a", host="a.test")
    assert said() == ["Site: is no kind of site: there are StaticSite, PhpSite, ProxySite, XmlSite and RedirectSite"]


def test_an_unknown_key_names_those_that_are_known() -> None:
    static(hosts="a.test")
    (line,) = said()
    assert line.startswith("StaticSite.hosts: is not known here; known are aliases, allow, basic_auth")


def test_two_sites_of_one_name_are_a_mistake() -> None:
    assert said(static(), static(host="b.test")) == ["StaticSite.name: there is already a site 'a'; each name is used once"]


@pytest.mark.parametrize("other", [{"aliases": ("a.test",)}, {"host": "www.a.test", "www": True}, {"host": "a.test"}])
def test_a_host_name_leads_to_one_site(other: dict[str, Any]) -> None:
    assert said(static(), static(**{"name": "b", "host": "b.test", **other})) == [
        "StaticSite.host: a.test is already a name of the site 'a'; each host name leads to one site"
    ]


@pytest.mark.parametrize("name", ["default", "data", "global"])
def test_reserved_names_are_refused(name: str) -> None:
    (line,) = said(static(name=name))
    assert line.startswith(f"StaticSite.name: '{name}' is reserved for ")


def test_the_name_of_a_php_site_fits_in_that_of_an_account() -> None:
    assert said(static(name="a" * 29)) == []
    long = PhpSite(name="a" * 29, host="a.test", source=HERE)
    assert said(long) == ["PhpSite.name: is too long for a Unix account: 28 characters at most"]


def test_a_proxy_to_a_machine_that_does_not_exist_is_a_mistake() -> None:
    site = ProxySite(name="x", host="x.test", to="nosuch", port=8080)
    assert said(site) == ["ProxySite.to: there is no machine 'nosuch'; there are images, web, xmldb"]


@pytest.mark.parametrize(
    "flow",
    [
        Flow(source="web", to="xmldb", port=8081, why="another port"),
        Flow(source="web", to="images", port=8080, why="another machine"),
        Flow(source="images", to="xmldb", port=8080, why="from elsewhere"),
        Flow(source="web", to="xmldb", port=8080, protocol="udp", why="not TCP"),
    ],
)
def test_a_proxy_needs_a_flow_that_lets_it_through(flow: Flow) -> None:
    site = ProxySite(name="x", host="x.test", to="xmldb", port=8080)
    mistake = "ProxySite.port: no flow lets web reach xmldb at port 8080; declare one, or correct the port"
    assert said(site, flows=(flow,)) == [mistake]
    assert said(site, flows=(Flow(source="web", to="xmldb", port="8000-8100", why="a range"),)) == []


def test_an_application_on_the_front_itself_needs_no_flow() -> None:
    assert said(ProxySite(name="x", host="x.test", to="web", port=3000), flows=()) == []


def test_missing_contents_are_said_before_any_machine_is_touched(tmp_path: Path) -> None:
    folder, archive = Folder(path=str(tmp_path / "none")), Archive(path=str(tmp_path / "none.tar"), sha256="0" * 64)
    assert set(said(static(source=folder), static("b", "b.test", source=archive))) == {
        f"Folder.path: there is no folder {tmp_path}/none",
        f"Archive.path: there is no file {tmp_path}/none.tar",
    }
