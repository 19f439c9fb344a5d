"""A web machine on which only nginx and its certificates are set up, with the operations under test and nothing else of a lab."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recettes.acme import CHALLENGES, WEBROOT
from recettes.certificates import TLS
from recettes.containers.estate import ContainersEstate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.record import read_records
from recettes.secrets import Vault
from tests.harness import PYINFRA, ROOT, RUN_SECONDS

INVENTORY = """
from pathlib import Path
from recettes.estate import read_estate as _read
_estate = _read(Path({folder!r}))
web = [(machine.name, _estate.ssh_data(machine)) for machine in _estate.of_group("web")]
"""
DEPLOY = """
from datetime import UTC, datetime
from pathlib import Path
from operations.acme import acme
from operations.certificates import certificates
from operations.files import files
from operations.units import dropped, units
from recettes.acme import Acme, acme_blueprint
from recettes.certificates import Certificate, certificate_files
from recettes.given import read_given
from recettes.loaded import recorders
from recettes.recipes import ROOT
from recettes.secrets import Vault
from recettes.units import Unit

now = datetime.now(UTC)
wanted = {wanted}
settings = Acme("office@lab.test", {server!r})
machine = certificate_files() + acme_blueprint(wanted, settings)
nginx = Unit(reads=("/etc/nginx/sites-enabled", "/etc/recettes/tls"), reload="/usr/sbin/nginx -s reload")
services = {{"nginx.service": nginx, **machine.units}}
placed = {{**machine.files, **recorders(services, (ROOT / "programs/loaded").read_text())}}
dropped(name="Units declared no more", wanted=services, files=placed)
files(name="Files", wanted=placed)
certificates(name="Certificates", wanted=wanted, vault=Vault(Path({folder!r})))
units(name="Units", wanted=services)
acme(name="ACME", wanted=wanted, settings=settings)
"""
CHALLENGE_HOST = f"server {{ listen 80 default_server; location {CHALLENGES} {{ root {WEBROOT}; default_type text/plain; }} }}\n"


def virtual_host(name: str, hosts: tuple[str, ...]) -> str:
    tls = f"ssl_certificate {TLS}/{name}/fullchain.pem; ssl_certificate_key {TLS}/{name}/key.pem;"
    return f"server {{ listen 443 ssl; server_name {' '.join(hosts)}; {tls} return 200 'this is {name}'; }}\n"


@dataclass
class Outcome:
    status: int
    output: str
    plan: list[tuple[str, str, str, str]]  # subsystem, action, item, wanted

    @property
    def certificates(self) -> list[tuple[str, str, str]]:
        """Without files and units, which other tests are about."""
        return [(subsystem, action, item) for subsystem, action, item, _ in self.plan if subsystem in ("certificates", "acme")]

    @property
    def reloads(self) -> bool:
        """Whether it told nginx to read its files again before the ACME server was asked."""
        return ("units", "reload", "nginx.service") in [(subsystem, action, item) for subsystem, action, item, _ in self.plan]


@dataclass
class Certified:
    """`sites` are the host names by site, `wanted` the text of each Certificate(…)."""

    estate: ContainersEstate
    scratch: Path
    server: str = "https://acme.lab.test:14000/dir"
    _count: Iterator[int] = field(default_factory=itertools.count)

    @property
    def web(self) -> Machine:
        return self.estate.machine("web")

    def prepare(self) -> None:
        Vault.disposable(self.estate.folder)
        self.web.run(
            "apt-get -q update && SYSTEMD_OFFLINE=1 DEBIAN_FRONTEND=noninteractive "
            "apt-get -qy install --no-install-recommends nginx-light openssl certbot && rm -f /etc/nginx/sites-enabled/*"
        )

    def declare(self, sites: Mapping[str, tuple[tuple[str, ...], str]]) -> None:
        """By name: host names, and the issuer as Python text."""
        texts = [f"Certificate({name!r}, {hosts!r}, {issuer})" for name, (hosts, issuer) in sites.items()]
        folder = str(self.estate.folder)
        (self.scratch / "inventory.py").write_text(INVENTORY.format(folder=folder))
        (self.scratch / "deploy.py").write_text(DEPLOY.format(wanted=f"[{', '.join(texts)}]", server=self.server, folder=folder))
        vhosts = CHALLENGE_HOST + "".join(virtual_host(name, hosts) for name, (hosts, _) in sites.items())
        self.web.run(f"cat >/etc/nginx/sites-enabled/sites <<'END'\n{vhosts}\nEND")

    def start(self, *words: str) -> tuple[subprocess.Popen[str], Path]:
        record = self.scratch / f"record-{next(self._count)}"
        run = subprocess.Popen(
            [PYINFRA, self.scratch / "inventory.py", self.scratch / "deploy.py", *words],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYINFRA_PROGRESS": "off", "RECETTES_RECORD": str(record)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return run, record

    def pyinfra(self, *words: str) -> Outcome:
        run, record = self.start(*words)
        output, _ = run.communicate(timeout=RUN_SECONDS)
        changes = [entry.change for entry in read_records(record) if entry.change] if record.exists() else []
        return Outcome(run.returncode, output, [(c.subsystem, c.action, c.item, c.wanted) for c in changes])

    def dry(self) -> Outcome:
        outcome = self.pyinfra("--dry")
        assert outcome.status == 0, outcome.output
        return outcome

    def apply(self) -> Outcome:
        """What it planned, it does, and what it does, it had planned."""
        planned = self.dry()
        done = self.pyinfra("-y")
        assert done.status == 0, done.output
        assert done.plan == planned.plan
        return done

    def settled(self) -> None:
        """Nothing is left to do, in the plan and in the run."""
        assert self.dry().plan == []
        assert self.pyinfra("-y").plan == []

    def get(self, host: str, authority: Path | None = None) -> str:
        """Over HTTPS from this computer, with verification."""
        trust = ["--cacert", str(authority or self.estate.folder / "authority.pem")]
        url = ["--resolve", f"{host}:443:{self.web.address}", f"https://{host}/"]
        done = subprocess.run(["curl", "-sS", *trust, *url], capture_output=True, text=True, timeout=30, check=False)
        return done.stdout or done.stderr

    def shown(self, host: str, *what: str) -> str:
        """What a client is shown, as openssl tells it: -serial, -issuer, ..."""
        # nginx ends a connection without a request when it reloads, even one just opened; browsers then open another.
        return self._shown(host, *what) or self._shown(host, *what)

    def _shown(self, host: str, *what: str) -> str:
        connect = ["openssl", "s_client", "-connect", f"{self.web.address}:443", "-servername", host]
        hello = subprocess.run(connect, input="", capture_output=True, text=True, timeout=30, check=False)
        words = ["openssl", "x509", "-noout", *(what or ("-serial",))]
        return subprocess.run(words, input=hello.stdout, capture_output=True, text=True, timeout=30, check=False).stdout.strip()

    # nginx says that it reloads before it has.

    def answers(self, host: str, words: str, authority: Path | None = None) -> None:
        until(lambda: self.get(host, authority) == words, f"{host} answers {words!r}")

    def shows_another(self, host: str, before: str) -> None:
        until(lambda: self.shown(host) not in ("", before), f"{host} shows another certificate than {before}")

    def pair_matches(self, name: str) -> bool:
        """Of the pair in force at one moment: what a killed run had sent already may still be exchanging it for another."""
        return (
            "same"
            in self.web.run(f"""
            for turn in 1 2 3; do
                pair=$(readlink -f {TLS}/{name})
                certified=$(openssl x509 -in "$pair/fullchain.pem" -noout -pubkey) &&
                    own=$(openssl pkey -in "$pair/key.pem" -pubout) && break
            done
            [ -n "$own" ] && [ "$certified" = "$own" ] && echo same || :
        """).out
        )


def wait(seconds: float) -> None:
    """For a certificate to grow old: there is nothing to ask whether it did."""
    time.sleep(seconds)
