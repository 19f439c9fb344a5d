"""What visitors get from rendered sites: real nginx and PHP-FPM on a real machine, looked at from outside."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.declarations.base import noted
from recettes.declarations.sites import PhpSite, ProxySite, RateLimit, RedirectSite, Site, StaticSite, XmlSite
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlApp
from recettes.files import text
from recettes.roles.web import web
from recettes.secrets import Secret
from recettes.web.names import NGINX_ROOT, PHP_ROOT
from recettes.web.vhost import Front
from tests.containers.front import Visitor, bring_up, exposure, put, put_tree, start_application

pytestmark = pytest.mark.containers

HERE = Folder(path="tests")  # contents are put there by hand
HOSTILE = "default-src 'self'; } \" ' ; server { listen 81; } # \\"

SITES: tuple[Site, ...] = (
    StaticSite(name="home", host="www.home.test", www=True, aliases=("maison.test",), source=HERE, kept_forever=("/v1/",)),
    StaticSite(
        name="bare", host="bare.test", source=HERE, csp=None, hsts="off", headers={"X-Frame-Options": None, "X-Lab": HOSTILE}
    ),
    StaticSite(name="locked", host="locked.test", source=HERE, basic_auth=("ann", "bob")),
    StaticSite(name="elsewhere", host="elsewhere.test", source=HERE, allow=("127.0.0.0/8",)),
    StaticSite(name="limited", host="limited.test", source=HERE, rate_limit=RateLimit(per_second=1, burst=2)),
    StaticSite(name="works", host="works.test", source=HERE, maintenance='Until "soon" <b>; } costs $5 \\'),
    StaticSite(name="tea", host="tea.test", source=HERE, snippet="location = /tea {\n    return 418 short;\n}"),
    StaticSite(name="one-page", host="one-page.test", source=HERE, fallback="/index.html"),
    PhpSite(
        name="omeka",
        host="omeka.test",
        source=HERE,
        uploads=("files",),
        private=("/config/",),
        upload="1m",
        errors={"50x": "/50.html"},
    ),
    PhpSite(name="other", host="other.test", source=HERE),
    ProxySite(
        name="db", host="db.test", to="xmldb", port=8080, path="/exist", websocket=True, body="2m", buffering=False, health="/up"
    ),
    ProxySite(name="gone", host="gone.test", to="xmldb", port=8090, basic_auth=("ann",)),
    ProxySite(name="nowhere", host="nowhere.test", to="images", port=8182),
    XmlSite(name="edition", host="edition.test", app="letters", body="1k", health="/health"),
    XmlSite(name="part", host="part.test", app="letters", paths=("/api", "/letter/x"), methods=("GET", "POST"), rest=True),
    RedirectSite(name="old", host="old.test", to="https://www.home.test/new?a=1&b=2", code=308),
    RedirectSite(name="moved", host="moved.test", to="https://www.home.test/", keep_path=True),
)
APPS = {"letters": XmlApp(name="letters", source=HERE, transforms=("/letter",))}
FRONT = Front("admin@lab.test", (), {"xmldb": ("127.0.0.1",)}, APPS)
LOOK = "<?php header('Content-Type: text/plain'); "
LONG = "x" * 5000
LIES = [
    word
    for header in (
        "X-Forwarded-For: 203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "Forwarded: for=203.0.113.9;host=evil",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Server: evil",
        "X-Proxied-Https: on",
        "Proxy: evil",
    )
    for word in ("-H", header)
]
CONTENTS: dict[str, dict[str, str | bytes]] = {
    "home": {
        "index.html": f"<p>home {LONG}",
        "404.html": "<p>not found, says home",
        "packed.txt": "plain",
        "packed.txt.gz": gzip.compress(b"packed before"),
        "packed.txt.br": b"brotli before",
        "app.3f9a1c2e.js": "1",
        "index-BxK3dF_9.js": "1",
        "assets/index-BxK3dF_9.js": "1",
        "report-20240101.png": "1",
        "v1/any.css": "1",
        ".env": "secret",
        ".git/config": "secret",
        "page.html.bak": "secret",
        "page.html~": "secret",
        "dump.sql": "secret",
        ".page.swp": "secret",
        "config.php": "secret",
        ".well-known/dnt-policy.txt": "public",
        "folder/index.html": "folder",
    },
    "omeka": {
        "index.php": LOOK + "echo 'omeka ', $_SERVER['REQUEST_URI'], ' ', posix_getpwuid(posix_geteuid())['name'];",
        "own.php": "<?php header('Content-Security-Policy: default-src https:'); header('X-Powered-By: PHP/8'); echo 'own';",
        "upload.php": LOOK + "echo move_uploaded_file($_FILES['f']['tmp_name'], __DIR__ . '/files/up.txt') ? 'kept' : 'lost';",
        "steal.php": LOOK + "echo @file_get_contents('/srv/www/other/current/index.php') ?: 'nothing';",
        "run.php": LOOK + "echo function_exists('exec') ? 'may' : 'may not';",
        "write.php": LOOK + "echo @file_put_contents(__DIR__ . '/evil.php', 'x') ? 'wrote' : 'could not';",
        "session.php": LOOK + "session_start(); echo session_id() ? 'session' : 'none';",
        "wrong.php": LOOK + "error_log('said by php'); http_response_code(500); echo 'php says 500';",
        "50.html": "omeka is down",
        "config/database.ini": "secret",
        "settings.ini": "secret",
        "app.3f9a1c2e.js": "1",
    },
    "other": {"index.php": LOOK + "echo 'other';"},
}


@dataclass(frozen=True)
class Stage:
    machine: Machine
    visitor: Visitor


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    assert noted() == []
    with temporary_estate(["web"]) as estate:
        machine = estate.machine("web")
        bring_up(machine, web(SITES, FRONT, password), SITES)
        for site in SITES:
            files: dict[str, str | bytes] = CONTENTS.get(site.name, {"index.html": site.name})
            put(machine, {f"/srv/www/{site.name}/releases/1/{path}": content for path, content in files.items()})
            machine.run(f"chmod -R a+rX /srv/www/{site.name}/releases; ln -s releases/1 /srv/www/{site.name}/current")
        machine.run("cd /srv/www/omeka; echo '<?php echo 6 * 7;' >data/files/evil.php")
        for site in SITES:
            for upload in site.uploads if isinstance(site, PhpSite) else ():
                machine.run(f"ln -s /srv/www/{site.name}/data/{upload} /srv/www/{site.name}/releases/1/{upload}")
        machine.run("cd /srv/www/omeka/data/files; cp evil.php evil.php.jpg; chown www-omeka: *")
        start_application(machine)
        trusted = tmp_path_factory.mktemp("front") / "trusted.pem"
        trusted.write_text(machine.run("cat /etc/recettes/tls/*/fullchain.pem").out)
        yield Stage(machine, Visitor(machine.address, trusted))


@pytest.fixture
def visitor(stage: Stage) -> Visitor:
    return stage.visitor


@pytest.fixture
def machine(stage: Stage) -> Machine:
    return stage.machine


def password(name: str) -> Secret:
    return Secret(name, f"the password of {name}")


def test_every_kind_of_site_answers_over_https(visitor: Visitor) -> None:
    assert visitor.get("https://www.home.test/").body.startswith(b"<p>home")
    assert visitor.get("https://omeka.test/").body.startswith(b"omeka / ")
    assert json.loads(visitor.get("https://db.test/a?b=c").body)["path"] == "/exist/a?b=c"
    redirect = visitor.get("https://old.test/any")
    assert (redirect.status, redirect.headers["location"]) == (308, "https://www.home.test/new?a=1&b=2")
    assert visitor.get("https://moved.test/a/b?c=d").headers["location"] == "https://www.home.test/a/b?c=d"


@pytest.mark.parametrize("name", ["home.test", "maison.test"])
def test_other_names_redirect_to_the_canonical_one(visitor: Visitor, name: str) -> None:
    for scheme in ("http", "https"):
        reply = visitor.get(f"{scheme}://{name}/a?b=c")
        assert (reply.status, reply.headers["location"]) == (301, "https://www.home.test/a?b=c")
    assert "strict-transport-security" in reply.headers


def test_http_redirects_to_https_but_for_acme_challenges(visitor: Visitor, machine: Machine) -> None:
    assert visitor.get("http://www.home.test/a?b=c").headers["location"] == "https://www.home.test/a?b=c"
    put(machine, {"/var/lib/recettes/acme/.well-known/acme-challenge/token": "proof"})
    for name in ("www.home.test", "maison.test", "works.test", "locked.test", "elsewhere.test"):
        assert visitor.get(f"http://{name}/.well-known/acme-challenge/token").body == b"proof"


def test_unknown_names_get_no_answer(visitor: Visitor) -> None:
    for url in ("http://nobody.test/", "http://192.0.2.1/"):
        done = visitor.curl(url)
        assert (done.returncode in (52, 56), done.stdout) == (True, b"")  # an empty reply, or the connection is reset
    assert b"unrecognized name" in visitor.curl("https://nobody.test/").stderr


def test_http2_is_spoken(visitor: Visitor) -> None:
    assert visitor.get("https://www.home.test/").version == "HTTP/2"


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ("-groups X25519MLKEM768", True),
        ("-groups X25519", True),
        ("-groups secp521r1", False),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384", False),
        ("-tls1_1 -cipher ALL:@SECLEVEL=0", False),
    ],
)
def test_tls_takes_what_mozilla_calls_intermediate(machine: Machine, options: str, taken: bool) -> None:
    done = machine.run(f"openssl s_client -connect 127.0.0.1:443 -servername www.home.test {options} </dev/null", check=False)
    assert (done.code == 0 and "Cipher is (NONE)" not in done.out) == taken, done.out + done.err


@pytest.mark.parametrize("path", ["/", "/nothing-here"])
def test_pages_and_error_pages_have_the_security_headers(visitor: Visitor, path: str) -> None:
    for host in (site.host for site in SITES if site.name not in ("bare", "limited", "old", "moved")):
        headers = visitor.get(f"https://{host}{path}").headers
        assert headers["strict-transport-security"] == "max-age=63072000", host
        assert headers["x-content-type-options"] == "nosniff", host
        assert headers["x-frame-options"] == "SAMEORIGIN", host
        assert "frame-ancestors 'self'" in headers["content-security-policy"], host
        assert headers["referrer-policy"] and headers["permissions-policy"], host
        assert headers["server"] == "nginx", host


def test_a_site_changes_its_headers(visitor: Visitor) -> None:
    headers = visitor.get("https://bare.test/").headers
    assert not headers.keys() & {"strict-transport-security", "x-frame-options", "content-security-policy"}
    assert headers["x-content-type-options"] == "nosniff"


def test_what_an_application_says_itself_is_not_said_twice(visitor: Visitor) -> None:
    for url, wanted in (("https://db.test/own", "default-src 'none'"), ("https://omeka.test/own.php", "default-src https:")):
        reply = visitor.get(url)
        assert [value for name, value in reply.all_headers if name == "content-security-policy"] == [wanted]
        assert "x-powered-by" not in reply.headers


def test_no_value_becomes_a_directive(visitor: Visitor, machine: Machine) -> None:
    assert visitor.get("https://bare.test/").headers["x-lab"] == HOSTILE
    works = visitor.get("https://works.test/").body.decode()
    assert "Until &#34;soon&#34; &lt;b&gt;; } costs &#36;5 \\</p>" in works
    assert machine.run("ss -Hltn sport = :81").out.split()[3] == "127.0.0.1:81"


@pytest.mark.parametrize(
    "path",
    ["/.env", "/.git/config", "/page.html.bak", "/page.html~", "/dump.sql", "/.page.swp", "/config.php", "/folder/..%2f.env"],
)
def test_what_is_for_nobody_is_not_found(visitor: Visitor, path: str) -> None:
    reply = visitor.get(f"https://www.home.test{path}")
    assert (reply.status, reply.body) == (404, b"<p>not found, says home")


def test_well_known_files_are_served(visitor: Visitor) -> None:
    assert visitor.get("https://www.home.test/.well-known/dnt-policy.txt").body == b"public"


def test_security_txt_says_whom_to_write_to_and_has_not_expired(visitor: Visitor) -> None:
    for host in ("www.home.test", "locked.test", "db.test"):
        said = visitor.get(f"https://{host}/.well-known/security.txt")
        assert said.headers["content-type"] == "text/plain; charset=utf-8" or host == "db.test"
        lines = dict(line.split(": ", 1) for line in said.body.decode().splitlines())
        assert lines["Contact"] == "mailto:admin@lab.test"
        assert lines["Canonical"] == f"https://{host}/.well-known/security.txt"
        assert time.strptime(lines["Expires"], "%Y-%m-%dT%H:%M:%SZ") > time.gmtime()


def test_basic_auth_lets_in_who_knows_the_password(visitor: Visitor, machine: Machine) -> None:
    assert visitor.get("https://locked.test/").status == 401
    assert visitor.get("https://locked.test/", "-u", "ann:wrong").status == 401
    for user in ("ann", "bob"):
        assert visitor.get("https://locked.test/", "-u", f"{user}:the password of site-locked-{user}").body == b"locked"
    assert machine.run(f"stat -c '%U:%G %a' {NGINX_ROOT}/passwords/locked").out.strip() == "root:www-data 640"


def test_only_the_networks_of_an_allow_list_are_let_in(visitor: Visitor, machine: Machine) -> None:
    assert visitor.get("https://elsewhere.test/").status == 403
    assert machine.run("curl -sk --resolve elsewhere.test:443:127.0.0.1 https://elsewhere.test/").out == "elsewhere"


def test_too_many_requests_are_answered_429(visitor: Visitor) -> None:
    # By one curl: six of them, on a busy computer, are so slow that every one is let in.
    shown = ("-o", "/dev/null", "-w", "%{http_code} %header{retry-after}\\n")
    replies = visitor.curl("https://limited.test/?[1-6]", *shown).stdout.splitlines()
    assert replies[:3] == [b"200 "] * 3
    assert replies[-1] == b"429 10"


@pytest.mark.parametrize("path", ["/app.3f9a1c2e.js", "/assets/index-BxK3dF_9.js", "/v1/any.css"])
def test_browsers_keep_fingerprinted_files_forever(visitor: Visitor, path: str) -> None:
    assert visitor.get(f"https://www.home.test{path}").headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/index-BxK3dF_9.js", "/report-20240101.png", "/packed.txt"])
def test_browsers_ask_again_for_all_else(visitor: Visitor, path: str) -> None:
    reply = visitor.get(f"https://www.home.test{path}")
    assert reply.headers["cache-control"] == "no-cache"
    assert visitor.get(f"https://www.home.test{path}", "-H", f"If-None-Match: {reply.headers['etag']}").status == 304


def test_a_missing_fingerprinted_file_is_not_kept(visitor: Visitor) -> None:
    assert "immutable" not in visitor.get("https://www.home.test/gone.3f9a1c2e.js").headers.get("cache-control", "")


def test_php_decides_itself_what_is_kept(visitor: Visitor) -> None:
    assert "immutable" in visitor.get("https://omeka.test/app.3f9a1c2e.js").headers["cache-control"]
    assert "cache-control" not in visitor.get("https://omeka.test/any").headers


def test_texts_are_compressed_and_precompressed_files_are_used(visitor: Visitor) -> None:
    for wanted, packed in (("br", b"brotli before"), ("gzip", gzip.compress(b"packed before"))):
        reply = visitor.get("https://www.home.test/", "-H", f"Accept-Encoding: {wanted}")
        assert reply.headers["content-encoding"] == wanted
        assert len(reply.body) < 500
        assert "accept-encoding" in reply.headers["vary"].lower()
        reply = visitor.get("https://www.home.test/packed.txt", "-H", f"Accept-Encoding: {wanted}")
        assert (reply.headers["content-encoding"], reply.body[10:]) == (wanted, packed[10:])
    assert visitor.get("https://www.home.test/packed.txt").body == b"plain"


def test_error_pages_are_the_sites_own_where_it_has_any(visitor: Visitor) -> None:
    assert visitor.get("https://www.home.test/none").body == b"<p>not found, says home"
    assert b"nginx" in visitor.get("https://bare.test/none").body
    assert visitor.get("https://one-page.test/any/view").body == b"one-page"


def test_a_folder_without_its_slash_redirects_on_the_same_site(visitor: Visitor) -> None:
    assert visitor.get("https://www.home.test/folder").headers["location"] == "/folder/"


def test_maintenance_shows_a_page_to_all_but_administrators(visitor: Visitor, machine: Machine) -> None:
    reply = visitor.get("https://works.test/any.css")
    assert (reply.status, reply.headers["retry-after"]) == (503, "600")
    assert reply.headers["content-type"].startswith("text/html")
    inside = machine.run("curl -sk --resolve works.test:443:127.0.0.1 https://works.test/")
    assert inside.out == "works"


def test_an_application_that_does_not_answer_gets_a_page_in_two_languages(visitor: Visitor) -> None:
    for host, options in (("gone.test", ("-u", "ann:the password of site-gone-ann")), ("nowhere.test", ())):
        reply = visitor.get(f"https://{host}/any.png", *options)
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (502, "text/html")
        assert "ne répond pas" in reply.body.decode()


def test_an_application_is_told_who_asks_and_cannot_be_lied_to(visitor: Visitor) -> None:
    reply = visitor.get("https://db.test/", *LIES)
    told = json.loads(reply.body)["headers"]
    assert told["Host"] == "db.test"
    assert told["X-Forwarded-Proto"] == "https"
    assert told["X-Forwarded-For"] == told["X-Real-IP"] != "203.0.113.9"
    network = json.loads(visitor.get("https://edition.test/", *LIES).body)["headers"]
    assert network["X-Forwarded-For"] == network["X-Real-IP"] == told["X-Real-IP"].rpartition(".")[0] + ".0"
    assert not (told.keys() | network.keys()) & {
        "Proxy",
        "Forwarded",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Proxied-Https",
    }


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("edition.test/", "/run/letters/letters/"),
        ("edition.test/search?q=a%2Fb", "/run/letters/letters/search?q=a%2Fb"),
        ("edition.test/letters/1", "/run/letters/letters/letters/1"),
        ("edition.test/letter/1", "/render/letters/letters/letter/1"),
        ("edition.test/rest", "/run/letters/letters/rest"),
        ("edition.test/letter/..%2f%2e%2e/../letter%2F1", None),
        ("edition.test/a/..%2fletter//1", "/render/letters/letters/letter/1"),
        ("edition.test//rest/x%3Fy%23z", "/run/letters/letters/rest/x%3Fy%23z"),
        ("part.test/api/x", "/run/letters/letters/api/x"),
        ("part.test/letter/x", "/render/letters/letters/letter/x"),
        ("part.test/rest/letters", "/rest/letters"),
        ("part.test/", None),
        ("part.test/apis", None),
        ("part.test/letter/y", None),
        ("part.test/run/letters/letters/api", None),
        ("part.test/api/..;/..;/rest", None),
        ("part.test/api/%252e%252e/x", None),
        ("part.test/api/..%5cx", None),
        ("part.test/api%00", None),
    ],
)
def test_an_edition_is_reached_by_its_own_paths_and_nothing_beside_it(visitor: Visitor, url: str, asked: str | None) -> None:
    reply = visitor.get(f"https://{url}")
    if asked is None:
        assert (reply.status, b"path" in reply.body) in ((404, False), (400, False)), reply
    else:
        assert json.loads(reply.body)["path"] == asked


def test_an_edition_takes_the_methods_and_sizes_that_are_declared(visitor: Visitor) -> None:
    refused = visitor.get("https://edition.test/", "-X", "POST", "-d", "x")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    assert "allow" not in visitor.get("https://edition.test/").headers
    assert visitor.get("https://part.test/api", "-d", "xyz").body == b"3"
    assert visitor.get("https://part.test/api", "-X", "DELETE").status == 405
    assert visitor.get("https://edition.test/", "-X", "GET", "-d", "x" * 2000).status == 413


def test_what_the_server_of_an_edition_says_of_its_own_faults_is_not_shown(visitor: Visitor) -> None:
    for said, status in ((500, 500), (460, 504)):
        reply = visitor.get(f"https://edition.test/{said}")
        assert (reply.status, b"query" in reply.body, "faute" in reply.body.decode()) == (status, False, True)
    reply = visitor.get("https://edition.test/422")
    assert (reply.status, reply.body) == (422, b"query source")
    assert "server-timing" not in reply.headers


def test_who_tries_passwords_at_the_databases_is_turned_away(visitor: Visitor) -> None:
    storm = ("--parallel", "--parallel-immediate", "--parallel-max", "60", "-o", "/dev/null", "-w", "%{http_code}\\n")
    said = visitor.curl("https://part.test/rest/[1-80]", "-u", "admin:guess", "--http1.1", *storm).stdout.split()
    assert said.count(b"429") > 20
    assert visitor.get("https://edition.test/").status == 200


def test_cookies_of_an_application_are_for_where_visitors_see_it(visitor: Visitor) -> None:
    assert visitor.get("https://db.test/own").headers["set-cookie"] == "a=b; Path=/"


def test_websockets_go_through(visitor: Visitor) -> None:
    assert visitor.websocket("db.test", "/socket", b"hello") == b"hello"


def test_without_buffering_the_first_part_comes_before_the_last_is_made(visitor: Visitor) -> None:
    options = (
        "curl",
        "-sSN",
        "--max-time",
        "60",
        "--connect-to",
        f"::{visitor.address}:",
        "--cacert",
        str(visitor.trusted),
        "https://db.test/slowly",
    )
    with subprocess.Popen(options, stdout=subprocess.PIPE) as answer:
        assert answer.stdout
        assert answer.stdout.readline() == b"first\n"
        first = time.monotonic()
        assert answer.stdout.readline() == b"second\n"
        assert time.monotonic() - first > 1


def test_larger_bodies_than_declared_are_refused(visitor: Visitor, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * 1_900_000)
    assert visitor.get("https://db.test/", "--data-binary", f"@{body}").body == b"1900000"
    body.write_bytes(b"x" * 2_200_000)
    assert visitor.get("https://db.test/", "--data-binary", f"@{body}").status == 413


def test_php_runs_as_the_sites_own_account(visitor: Visitor) -> None:
    assert visitor.get("https://omeka.test/deep/link?a=b").body.decode().split()[1:] == ["/deep/link?a=b", "www-omeka"]
    assert visitor.get("https://other.test/").body == b"other"


def test_uploads_are_kept_and_served_and_never_run(visitor: Visitor, tmp_path: Path) -> None:
    picture = tmp_path / "p.txt"
    picture.write_text("uploaded")
    assert visitor.get("https://omeka.test/upload.php", "-F", f"f=@{picture}").body == b"kept"
    assert visitor.get("https://omeka.test/files/up.txt").body == b"uploaded"
    for path in ("/files/evil.php", "/files/evil.php/x.jpg", "/files/evil.php?x=.jpg", "/files//evil.php", "/files/evil%2ephp"):
        reply = visitor.get(f"https://omeka.test{path}")
        assert (reply.status, b"42" in reply.body) == (404, False), path
    assert visitor.get("https://omeka.test/files/evil.php.jpg").body.startswith(b"<?php")
    assert visitor.get("https://omeka.test/files/evil.php.jpg/x.php").status == 404


def test_php_gets_nothing_of_other_sites_and_changes_nothing_of_its_own(visitor: Visitor, machine: Machine) -> None:
    assert visitor.get("https://omeka.test/steal.php").body == b"nothing"
    assert visitor.get("https://omeka.test/write.php").body == b"could not"
    assert visitor.get("https://omeka.test/run.php").body == b"may not"
    assert visitor.get("https://omeka.test/session.php").body == b"session"
    as_omeka = "setpriv --reuid www-omeka --regid www-omeka --init-groups"
    outside = machine.run(f"{as_omeka} cat /srv/www/other/current/index.php", check=False)
    assert "Permission denied" in outside.err


@pytest.mark.parametrize("path", ["/config/database.ini", "/settings.ini", "/config/", "/.user.ini", "/.x/index.php"])
def test_private_parts_of_php_sites_are_not_found(visitor: Visitor, path: str) -> None:
    assert visitor.get(f"https://omeka.test{path}").status == 404


def test_what_php_says_is_in_the_sites_own_log(visitor: Visitor, machine: Machine) -> None:
    reply = visitor.get("https://omeka.test/wrong.php")
    assert (reply.status, reply.body) == (500, b"php says 500")
    assert "said by php" in machine.run("cat /var/log/nginx/omeka/error.log").out


def test_logs_hold_no_query_strings(visitor: Visitor, machine: Machine) -> None:
    visitor.get("https://www.home.test/packed.txt?token=hidden", "-H", "Referer: https://a.test/page?token=hidden")
    # nginx answers first and writes then.
    cat, line = "cat /var/log/nginx/home/access.log", '"GET /packed.txt HTTP/2.0" 200 5 "https://a.test/page"'
    until(lambda: line in machine.run(cat).out, "the request is in the log")
    assert "hidden" not in machine.run(cat).out


def test_logs_are_rotated_and_written_on(visitor: Visitor, machine: Machine) -> None:
    log = "/var/log/nginx/tea/access.log"
    visitor.get("https://tea.test/before")
    until(lambda: "/before" in machine.run(f"cat {log}").out, "the request is in the log")
    machine.run("logrotate -f /etc/logrotate.d/recettes-sites")

    def written_on() -> bool:
        """logrotate only tells nginx, which opens the new file when it gets to it."""
        visitor.get("https://tea.test/after")
        return "/after" in machine.run(f"cat {log}").out

    until(written_on, "the new log is written")
    new = machine.run(f"cat {log}; stat -c %U:%G:%a {log}").out
    assert "/before" not in new
    assert new.splitlines()[-1] == "www-data:adm:640"
    assert "/before" in machine.run(f"cat {log}.1").out


def test_status_and_health_are_for_this_machine_only(visitor: Visitor, machine: Machine) -> None:
    assert "Active connections" in machine.run("curl -s 127.0.0.1:81/status").out
    assert json.loads(machine.run("curl -s 127.0.0.1:81/health/db").out)["path"] == "/up"
    assert json.loads(machine.run("curl -s 127.0.0.1:81/health/edition").out)["path"] == "/run/letters/letters/health"
    assert visitor.curl("http://db.test:81/status").returncode == 7  # refused
    assert visitor.get("https://db.test/status").headers["content-type"] == "text/html"  # the application's own


def test_a_snippet_is_part_of_its_site(visitor: Visitor) -> None:
    assert visitor.get("https://tea.test/tea").status == 418


@pytest.mark.parametrize(
    ("snippet", "said"),
    [
        ("nonsense on;", 'unknown directive "nonsense"'),
        ("}\nserver {", 'unexpected "}"'),
        ("location /x {", "unexpected end of file"),
    ],
)
def test_a_broken_snippet_is_refused_and_the_sites_serve_on(stage: Stage, snippet: str, said: str) -> None:
    machine, visitor = stage.machine, stage.visitor
    tree = web(SITES, FRONT, password).trees[NGINX_ROOT]
    broken = replace(tree, files={**tree.files, "snippets/tea.conf": text(snippet)})
    refused = put_tree(machine, broken, check=False)
    assert refused.code != 0
    assert said in refused.err and f"{NGINX_ROOT}/snippets/tea.conf:" in refused.err
    machine.run("systemctl reload nginx")
    # nginx ends a connection without a request when it reloads, even one just opened; browsers then open another.
    assert visitor.get("https://tea.test/tea", "--retry", "1", "--retry-all-errors").status == 418


def test_the_check_disturbs_nothing_that_runs(machine: Machine) -> None:
    show = "systemctl show -P MainPID nginx.service; cat /run/nginx/nginx.pid; wc -c </var/log/nginx/home/access.log; ls /run/php"
    before = machine.run(show).out
    blueprint = web(SITES, FRONT, password)
    put_tree(machine, blueprint.trees[NGINX_ROOT])
    put_tree(machine, blueprint.trees[PHP_ROOT])
    assert machine.run(show).out == before


def test_dropped_sites_are_gone_after_a_reload_and_their_files_stay(visitor: Visitor, machine: Machine) -> None:
    remaining = [site for site in SITES if site.name not in ("other", "moved")]
    less, all_ = web(remaining, FRONT, password), web(SITES, FRONT, password)
    reload = "systemctl reload nginx php8.4-fpm"
    other = "https://other.test/"
    try:
        for tree in less.trees.values():
            put_tree(machine, tree)
        machine.run(reload)
        # Both say that they reload before they have.
        until(lambda: "other.sock" not in machine.run("ls /run/php").out.split(), "PHP has dropped the site")
        until(lambda: visitor.curl(other).returncode == 35, "nginx has dropped the site")
        assert visitor.get("https://omeka.test/").status == 200
        assert machine.run("cat /srv/www/other/current/index.php").out
    finally:
        for tree in all_.trees.values():
            put_tree(machine, tree)
        machine.run(reload)
    until(lambda: visitor.curl(other).stdout == b"other", "the site is there again")


@pytest.mark.parametrize("unit", ["nginx.service", "php8.4-fpm.service"])
def test_the_daemons_have_few_rights(machine: Machine, unit: str) -> None:
    assert exposure(machine, unit) <= 3


def test_reloads_and_stops_are_clean(visitor: Visitor, machine: Machine) -> None:
    machine.run("systemctl reload nginx php8.4-fpm && systemctl restart nginx php8.4-fpm")
    assert visitor.get("https://omeka.test/").status == 200
    assert machine.run("systemctl is-active nginx php8.4-fpm").out.split() == ["active", "active"]
    said = machine.run("journalctl --no-pager -u nginx -u php8.4-fpm; cat /var/log/nginx/default/error.log").out
    assert "Permission denied" not in said
