"""Certificates from a real ACME server (pebble), with certbot, its timer and a real nginx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from recettes.acme import WEBROOT
from recettes.authority import Pair, ensure_authority, sign
from recettes.certificates import TLS
from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.secrets import Vault
from tests.containers.certified import Certified, wait

pytestmark = pytest.mark.containers
HOST = "acme.lab.test"
LONG, SHORT, LATER = 14000, 14100, 14200  # ports of its servers: whose certificates last, whose do not, and one that starts later
SHORT_SECONDS = 40
RESOLVER_SECONDS = 6  # pebble is a Go program: its resolver looks into /etc/hosts every five seconds (net/hosts.go, cacheMaxAge)
# It asks again a quarter of an hour after the start, which on a busy computer is in the midst of these tests.
NOT_BY_ITSELF = """set -e
mkdir -p /etc/systemd/system/recettes-acme.timer.d
printf '[Timer]\\nOnBootSec=\\nOnBootSec=1d\\n' >/etc/systemd/system/recettes-acme.timer.d/tests.conf
"""
WWW = (("www.lab.test", "lab.test"), "'acme'")
BLOG = (("blog.lab.test",), "'acme'")


@dataclass
class Pebble:
    """ACME servers on a machine of their own. They look names up in its /etc/hosts."""

    machine: Machine
    web: Machine

    def prepare(self, authority: Pair) -> None:
        self.machine.run(
            "apt-get -q update && SYSTEMD_OFFLINE=1 DEBIAN_FRONTEND=noninteractive "
            "apt-get -qy install --no-install-recommends pebble openssl && mkdir -p /etc/pebble && cd /etc/pebble && "
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -keyout key.pem -out request.pem && "
            # A name that is not in its /etc/hosts is nobody's, whatever the resolvers of this computer say.
            "sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf"
        )
        chain = sign(self.machine.run("cat /etc/pebble/request.pem").out, authority, [HOST], 30)
        self.machine.run(f"cat >/etc/pebble/cert.pem <<'END'\n{chain}END")
        trust = f"cat >/usr/local/share/ca-certificates/lab.crt <<'END'\n{authority.certificate}END\nupdate-ca-certificates"
        self.web.run(f"{trust}; echo {self.machine.address} {HOST} >>/etc/hosts")

    def start(self, port: int, seconds: int = 90 * 86400) -> None:
        settings = {
            "listenAddress": f"0.0.0.0:{port}",
            "managementListenAddress": f"127.0.0.1:{port + 1}",
            "certificate": "/etc/pebble/cert.pem",
            "privateKey": "/etc/pebble/key.pem",
            "httpPort": 80,
            "tlsPort": 443,
            "retryAfter": {"authz": 1, "order": 1},
            "certificateValidityPeriod": seconds,
        }
        self.machine.run(
            f"echo '{json.dumps({'pebble': settings})}' >/etc/pebble/{port}.json; systemd-run --quiet --unit pebble-{port} "
            f"-E PEBBLE_VA_NOSLEEP=1 -E PEBBLE_AUTHZREUSE=0 -E PEBBLE_WFE_NONCEREJECT=0 pebble -config /etc/pebble/{port}.json"
        )
        listens = f"ss -Hltn 'sport = :{port}' | grep -q LISTEN"
        until(lambda: self.machine.run(listens, check=False).code == 0, f"pebble listens on {port}")

    def knows(self, *hosts: str) -> None:
        """These names, and no others, lead to the web machine."""
        line = f"{self.web.address} {' '.join(hosts)} # names"
        # /etc/hosts of a container is a mount: it cannot be renamed over.
        if line in self.machine.run("cat /etc/hosts").out.splitlines():
            return
        self.machine.run(f"{{ grep -v '# names$' /etc/hosts; echo '{line}'; }} >/tmp/hosts; cat /tmp/hosts >/etc/hosts")
        wait(RESOLVER_SECONDS)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Certified, Pebble]]:
    with temporary_estate(["web", "apps"]) as estate:
        certified = Certified(estate, tmp_path_factory.mktemp("certified"))
        certified.prepare()
        certified.web.run(NOT_BY_ITSELF)
        pebble = Pebble(estate.machine("apps"), certified.web)
        pebble.prepare(ensure_authority(Vault(estate.folder)))
        pebble.start(LONG)
        pebble.start(SHORT, SHORT_SECONDS)
        yield certified, pebble


@pytest.fixture
def pebble(machines: tuple[Certified, Pebble]) -> Pebble:
    machines[1].knows("www.lab.test", "lab.test", "blog.lab.test")
    return machines[1]


@pytest.fixture
def lab(machines: tuple[Certified, Pebble], pebble: Pebble) -> Iterator[Certified]:
    """A machine without sites; the servers as declared at LONG."""
    certified = machines[0]
    certified.server = f"https://{HOST}:{LONG}/dir"
    yield certified
    certified.declare({})
    assert certified.pyinfra("-y").status == 0
    assert certified.web.run(f"ls {TLS}; ls /etc/letsencrypt/renewal").out == ""


def got(lab: Certified, *sites: str) -> None:
    """A run after which these sites have their certificates from the server."""
    outcome = lab.apply()
    for site in sites:
        assert f"{site}: the certificate for" in outcome.output, outcome.output
    shows_the_servers(lab, *(f"{site}.lab.test" for site in sites))


def shows_the_servers(lab: Certified, *hosts: str) -> None:
    """Certificates; nginx says that it reloads before it has."""
    for host in hosts:
        until(lambda host=host: "Pebble" in issuer(lab, host), f"{host} shows the server's certificate")  # type: ignore[misc]


def issuer(lab: Certified, host: str) -> str:
    return lab.shown(host, "-issuer", "-nameopt", "RFC2253")


def test_a_bare_machine_asks_for_what_the_plan_said_and_serves_what_it_got(lab: Certified) -> None:
    lab.declare({"www": WWW, "local": (("local.lab.test",), "'local'")})
    assert lab.apply().certificates == [
        ("certificates", "issue", "local"),
        ("certificates", "stand in", "www"),
        ("acme", "request", "www"),
    ]
    shows_the_servers(lab, "www.lab.test")
    assert "DNS:www.lab.test, DNS:lab.test" in lab.shown("lab.test", "-ext", "subjectAltName")
    assert "id-ecPublicKey" in lab.shown("lab.test", "-text")
    assert lab.get("local.lab.test") == "this is local"
    assert lab.web.run(f"runuser -u www-data -- ls {WEBROOT}").code == 0
    lab.settled()


def test_a_site_without_dns_has_a_stand_in_says_why_and_does_not_block_the_others(lab: Certified, pebble: Pebble) -> None:
    pebble.knows("blog.lab.test")
    lab.declare({"www": WWW, "blog": BLOG})
    outcome = lab.apply()
    shows_the_servers(lab, "blog.lab.test")
    assert issuer(lab, "www.lab.test") == "issuer=CN=www"
    sentence = next(line for line in outcome.output.splitlines() if "no certificate for www.lab.test, lab.test" in line)
    for part in ("www.lab.test", HOST, "no such host", "DNS records", "self-signed stand-in"):
        assert part in sentence
    assert [change[:3] for change in lab.dry().plan] == [("acme", "request", "www")]
    # The timer's service says the same in the journal, and fails so that somebody looks.
    assert lab.web.run("systemctl start recettes-acme.service", check=False).code != 0
    assert "no such host" in lab.web.run("journalctl -u recettes-acme.service").out
    assert issuer(lab, "www.lab.test") == "issuer=CN=www"
    pebble.knows("www.lab.test", "lab.test", "blog.lab.test")
    again = lab.web.run("systemctl start recettes-acme.service", check=False)
    assert again.code == 0, lab.web.run("journalctl -u recettes-acme.service").out
    shows_the_servers(lab, "www.lab.test")
    lab.settled()


def test_while_the_server_is_down_sites_come_up_and_a_later_run_gets_the_real_ones(lab: Certified, pebble: Pebble) -> None:
    lab.server = f"https://{HOST}:{LATER}/dir"
    lab.declare({"www": WWW, "blog": BLOG})
    outcome = lab.apply()
    assert "does not answer" in outcome.output
    for site in ("www", "blog"):
        stands_in = f"issuer=CN={site}"
        until(lambda site=site, own=stands_in: issuer(lab, f"{site}.lab.test") == own, stands_in)  # type: ignore[misc]
    pebble.start(LATER)
    assert lab.apply().certificates == [("acme", "request", "blog"), ("acme", "request", "www")]
    shows_the_servers(lab, "www.lab.test", "blog.lab.test")
    lab.settled()


def test_certbots_timer_really_renews_and_nginx_shows_the_new_one(lab: Certified) -> None:
    lab.server = f"https://{HOST}:{SHORT}/dir"
    lab.declare({"www": WWW})
    got(lab, "www")
    before = lab.shown("www.lab.test")
    wait(SHORT_SECONDS / 2 + 1)
    renewal = lab.web.run("systemctl start certbot.service", check=False)
    assert renewal.code == 0, lab.web.run("tail -n 60 /var/log/letsencrypt/letsencrypt.log").out
    lab.shows_another("www.lab.test", before)
    assert "Pebble" in issuer(lab, "www.lab.test")
    assert lab.pair_matches("www")


def test_a_certificate_that_the_timer_let_end_is_renewed_by_the_run(lab: Certified) -> None:
    lab.server = f"https://{HOST}:{SHORT}/dir"
    lab.declare({"www": WWW})
    got(lab, "www")
    before = lab.shown("www.lab.test")
    wait(SHORT_SECONDS)
    assert lab.apply().certificates == [("acme", "renew", "www")]
    lab.shows_another("www.lab.test", before)


def test_other_host_names_or_another_server_are_asked_for_and_the_old_one_serves_until_then(
    lab: Certified, pebble: Pebble
) -> None:
    lab.declare({"www": WWW})
    got(lab, "www")
    before = lab.shown("www.lab.test")
    lab.declare({"www": (("www.lab.test", "lab.test", "late.lab.test"), "'acme'")})
    assert lab.apply().certificates == [("acme", "request", "www")]
    assert lab.shown("www.lab.test") == before  # late.lab.test leads nowhere yet
    pebble.knows("www.lab.test", "lab.test", "late.lab.test")
    assert "in force" in lab.apply().output
    names = ("www.lab.test", "-ext", "subjectAltName")
    until(lambda: "DNS:late.lab.test" in lab.shown(*names), "the certificate for all three is shown")
    lab.settled()
    lab.server = f"https://{HOST}:{SHORT}/dir"
    lab.declare({"www": (("www.lab.test", "lab.test", "late.lab.test"), "'acme'")})
    assert lab.apply().certificates == [("acme", "request", "www")]


DAMAGES = {
    "the key in force": (f"rm {TLS}/www/key.pem", [("certificates", "install", "www")]),
    "all that is in force": (f"rm -rf {TLS}/*", [("certificates", "install", "www")]),
    "certbot's key": (
        "echo nothing >/etc/letsencrypt/archive/www/privkey1.pem",
        [("acme", "request", "www")],
    ),
    "certbot's files": ("rm -r /etc/letsencrypt/live/www", [("acme", "request", "www")]),
    "certbot's memory": ("rm /etc/letsencrypt/renewal/www.conf", [("acme", "request", "www")]),
    "everything": (
        f"rm -rf {TLS} /etc/letsencrypt/live /etc/letsencrypt/renewal /etc/letsencrypt/archive",
        [("certificates", "stand in", "www"), ("acme", "request", "www")],
    ),
}


def test_damage_is_named_by_the_plan_and_healed_by_the_run(lab: Certified) -> None:
    lab.declare({"www": WWW})
    got(lab, "www")
    for what, (damage, planned) in DAMAGES.items():
        lab.web.run(damage)
        assert lab.apply().certificates == planned, what
        shows_the_servers(lab, "www.lab.test")
        assert lab.pair_matches("www"), what
        assert lab.dry().plan == [], what


def test_a_dropped_site_loses_its_renewal_and_the_others_keep_theirs(lab: Certified) -> None:
    lab.declare({"www": WWW, "blog": BLOG})
    got(lab, "www", "blog")
    before = lab.shown("www.lab.test")
    lab.declare({"www": WWW})
    assert lab.apply().certificates == [("acme", "delete", "blog"), ("certificates", "remove", "blog")]
    assert "blog" not in lab.web.run("certbot certificates 2>/dev/null").out
    assert lab.web.run(f"ls {TLS}").out.split() == ["www"]
    assert lab.shown("www.lab.test") == before
    lab.settled()


def test_a_site_that_goes_over_to_the_local_authority_is_renewed_no_more(lab: Certified) -> None:
    lab.declare({"www": WWW})
    got(lab, "www")
    lab.declare({"www": (WWW[0], "'local'")})
    assert lab.apply().certificates == [("certificates", "renew", "www"), ("acme", "delete", "www")]
    lab.answers("www.lab.test", "this is www")
    lab.settled()


def test_certificates_of_somebody_else_on_the_machine_are_left_alone(lab: Certified) -> None:
    lab.declare({"www": WWW})
    got(lab, "www")
    lab.web.run(
        "cd /etc/letsencrypt; cp -a archive/www archive/neighbour; cp -a live/www live/neighbour; "
        "for part in cert chain fullchain privkey; do "
        "ln -sfn ../../archive/neighbour/${part}1.pem live/neighbour/$part.pem; done; "
        f"sed 's/www/neighbour/g; s,{WEBROOT},/srv/neighbour,g' renewal/www.conf >renewal/neighbour.conf"
    )
    assert lab.dry().plan == []
    lab.declare({})
    assert lab.apply().certificates == [("acme", "delete", "www"), ("certificates", "remove", "www")]
    assert "neighbour" in lab.web.run("certbot certificates 2>/dev/null").out
    lab.web.run("certbot delete --non-interactive --cert-name neighbour")


def test_the_stand_in_tells_the_watch_that_it_is_one(lab: Certified, pebble: Pebble) -> None:
    pebble.knows("blog.lab.test")
    lab.declare({"www": WWW, "blog": BLOG})
    assert lab.apply().status == 0
    assert lab.web.run(f"cd {TLS}; ls */stand-in").out.split() == ["www/stand-in"]
