"""Rendering of sites, as far as it shows without nginx: nothing breaks out, nothing changes by itself, no secret is shown."""

from __future__ import annotations

import pytest

from recettes.declarations.base import noted
from recettes.declarations.sites import PhpSite, ProxySite, RedirectSite, Site, StaticSite
from recettes.declarations.sources import Folder
from recettes.files import File
from recettes.roles.web import web
from recettes.secrets import Secret
from recettes.web.names import NGINX_ROOT
from recettes.web.nginx import nginx_tree, secret_names
from recettes.web.passwords import password_file
from recettes.web.template import Quoted, _environment, nginx_quote, page
from recettes.web.vhost import Front, vhost

HERE = Folder(path="x")
STATIC = StaticSite(name="a", host="a.test", source=HERE)
LOCKED = StaticSite(name="locked", host="l.test", source=HERE, basic_auth=("ann", "bob"))
PROXY = ProxySite(name="x", host="x.test", to="xmldb", port=8080)


def password(name: str) -> Secret:
    return Secret(name, f"the password of {name}")


def files(*sites: Site) -> dict[str, File]:
    return dict(nginx_tree(sites, Front(), password).files)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("value", "written"), [("a b", '"a b"'), ('"; }', '"\\"; }"'), ("\\", '"\\\\"'), ('\\"', '"\\\\\\""'), ("é", '"é"')]
)
def test_quoting_leaves_one_word(value: str, written: str) -> None:
    assert nginx_quote(value) == written


@pytest.mark.parametrize("value", ["$host", "a\nb", "a\rb", "\0", "\x7f"])
def test_what_nginx_cannot_quote_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cannot quote"):
        nginx_quote(value)


@pytest.mark.parametrize("value", ["a;b", "a{", 'a"', "a'", "a\n", "a$b", "a#b", "a\\", True, None, ["a"]])
def test_a_template_writes_no_value_that_is_neither_plain_nor_quoted(value: object) -> None:
    template = _environment().from_string("listen {{ value }};")
    with pytest.raises(ValueError, match="not plain and not quoted") as raised:
        template.render(value=value)
    assert not isinstance(value, str) or value not in str(raised.value)
    assert template.render(value=Quoted('"a;b"')) == 'listen "a;b";'


def test_a_page_is_one_line_of_html_that_nginx_can_quote() -> None:
    text = page("A & B", (("fr", "<script>$host</script>"),))
    assert "<h1>A &amp; B</h1>" in text and "&lt;script&gt;&#36;host" in text
    assert nginx_quote(text)


def test_the_same_declarations_give_the_same_files() -> None:
    sites = (STATIC, LOCKED, PROXY)
    assert files(*sites) == files(*sites)


def test_another_password_gives_another_file_and_no_password_is_in_it() -> None:
    one = password_file("s", [("ann", Secret("n", "first password"))])
    assert one == password_file("s", [("ann", Secret("n", "first password"))])
    assert one != password_file("s", [("ann", Secret("n", "other password"))])
    assert one.startswith(b"ann:$2b$05$") and len(one) == len("ann:\n") + 60
    assert b"password" not in one


def test_equal_passwords_have_different_hashes() -> None:
    same = Secret("n", "a password of two people")
    first, second = password_file("s", [("ann", same), ("bob", same)]).split()
    assert first.partition(b":")[2] != second.partition(b":")[2]


def test_passwords_that_differ_behind_what_bcrypt_reads_give_different_files() -> None:
    long = "x" * 80
    assert password_file("s", [("ann", Secret("n", long + "1"))]) != password_file("s", [("ann", Secret("n", long + "2"))])


def test_a_password_file_is_secret_and_only_for_nginx() -> None:
    file = files(LOCKED)["passwords/locked"]
    assert (file.secret, file.owner, file.group, file.mode) == (True, "root", "www-data", 0o640)
    assert secret_names([STATIC, LOCKED]) == ["site-locked-ann", "site-locked-bob"]


def test_a_password_that_is_not_made_yet_does_not_look_like_one_that_is() -> None:
    tree = nginx_tree([LOCKED], Front(), lambda name: None)
    assert tree.files["passwords/locked"].digest != files(LOCKED)["passwords/locked"].digest
    assert b":" not in (tree.files["passwords/locked"].content or b"")


def test_every_file_of_a_dropped_site_leaves_the_tree() -> None:
    snippet = StaticSite(name="b", host="b.test", source=HERE, snippet="gzip off;", basic_auth=("ann",))
    assert files(STATIC, snippet).keys() - files(STATIC).keys() == {"sites/b.conf", "snippets/b.conf", "passwords/b"}


def test_one_edited_site_changes_one_file() -> None:
    before, after = files(STATIC, PROXY), files(STATIC, PROXY.model_copy(update={"body": "1m"}))
    assert [name for name in after if before[name] != after[name]] == ["sites/x.conf"]


def test_nothing_in_the_tree_names_the_tree() -> None:
    """Else the check would read the live files instead of the staged ones."""
    for name, file in files(STATIC, LOCKED, PROXY).items():
        assert NGINX_ROOT.encode() not in (file.content or b""), name


def test_a_group_of_several_machines_is_balanced_and_an_ipv6_address_is_in_brackets() -> None:
    text = lines(vhost(PROXY, Front(addresses={"xmldb": ("10.0.0.4", "2001:db8::4")})))
    assert "server 10.0.0.4:8080;" in text and "server [2001:db8::4]:8080;" in text


def test_a_site_that_names_who_may_frame_it_has_no_older_header_against_it() -> None:
    framed = STATIC.model_copy(update={"csp": "frame-ancestors https://moodle.test"})
    assert "X-Frame-Options" in vhost(STATIC, Front())
    assert "X-Frame-Options" not in vhost(framed, Front())


@pytest.mark.parametrize(
    ("hsts", "value"), [("on", '"max-age=63072000"'), ("subdomains", '"max-age=63072000; includeSubDomains"'), ("off", None)]
)
def test_hsts_is_two_years_unless_declared_otherwise(hsts: str, value: str | None) -> None:
    text = vhost(StaticSite.model_validate({**dict(STATIC), "hsts": hsts}), Front())
    assert ("Strict-Transport-Security" in text) == (value is not None)
    assert value is None or f"add_header Strict-Transport-Security {value} always;" in lines(text)


def test_passwords_of_the_front_do_not_reach_the_application() -> None:
    locked = PROXY.model_copy(update={"basic_auth": ("ann",)})
    front = Front(addresses={"xmldb": ("10.0.0.4",)})
    assert 'proxy_set_header Authorization "";' in lines(vhost(locked, front))
    assert 'proxy_set_header Authorization "";' not in lines(vhost(PROXY, front))


def test_without_php_sites_there_is_nothing_of_php() -> None:
    blueprint = web([STATIC, PROXY, RedirectSite(name="r", host="r.test", to="https://b.test/")], Front(), password)
    trees = [root for root, tree in blueprint.trees.items() if tree.files]
    assert not [name for name in (*blueprint.packages, *trees, *blueprint.files) if "php" in name]
    assert [name for name, unit in blueprint.units.items() if unit.wanted] == ["nginx.service"]
    assert blueprint.accounts.keys() == {"www-data"}


def test_the_declarations_of_these_tests_are_sound() -> None:
    PhpSite(name="p", host="p.test", source=HERE)
    assert noted() == []
