"""Certificates from an ACME server: which have to be asked for, which are given up, and what a machine needs to keep them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from recettes.blueprint import Blueprint
from recettes.certificates import STORE, TLS, Certificate, CertificateTable, lasting, read_leaf
from recettes.change import Change
from recettes.files import File, folder, text
from recettes.recipes import ROOT
from recettes.shell import quote, words
from recettes.units import Unit

# https://letsencrypt.org/docs/client-options/
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

# nginx serves what is below it as CHALLENGES of every site, on port 80 and without redirecting.
WEBROOT = "/var/lib/recettes/acme"
CHALLENGES = "/.well-known/acme-challenge/"

REQUEST = "/usr/local/lib/recettes/request-certificates"
WISHES = "/etc/recettes/acme.json"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/recettes"
SERVICE = "/etc/systemd/system/recettes-acme.service"
TIMER = "/etc/systemd/system/recettes-acme.timer"
RETRY = "recettes-acme.timer"
RENEWAL = "certbot.timer"

# certbot renews when a third of the life is left, of less than ten days half (certbot 4, should_autorenew): its timer has failed.
OVERDUE = 0.2
# Exit status of REQUEST when it said why some could not be had.
REFUSED = 3


@dataclass(frozen=True)
class Acme:
    """Where certificates are asked for: the address of the server's directory, and whom it may write to."""

    email: str
    server: str = LETS_ENCRYPT


def by_acme(wanted: Iterable[Certificate]) -> list[Certificate]:
    return sorted((want for want in wanted if want.issuer == "acme"), key=lambda want: want.name)


def acme_blueprint(wanted: Iterable[Certificate], acme: Acme) -> Blueprint:
    """What asks for the certificates and renews them; nothing where no site wants one."""
    asked = by_acme(wanted)
    if not asked:
        return Blueprint()
    wishes = {"email": acme.email, "server": acme.server, "certificates": {want.name: want.names for want in asked}}
    files = {
        WEBROOT: folder(),
        WISHES: text(json.dumps(wishes, indent=1) + "\n"),
        REQUEST: File((ROOT / "programs/request-certificates").read_bytes(), mode=0o755),
        HOOK: File((ROOT / "templates/acme/deploy-hook").read_bytes(), mode=0o755),
        SERVICE: File((ROOT / "templates/acme/recettes-acme.service").read_bytes()),
        TIMER: File((ROOT / "templates/acme/recettes-acme.timer").read_bytes()),
    }
    units = {RENEWAL: Unit(), RETRY: Unit(definition=(SERVICE, TIMER))}
    return Blueprint(packages=frozenset({"certbot"}), files=files, units=units)


def plan_acme(actual: CertificateTable, wanted: Sequence[Certificate], acme: Acme, now: datetime) -> list[Change]:
    """What to ask the server for, and what no site wants any more: its renewal, and every pair without a site."""
    asked = by_acme(wanted)
    changes = [change for want in asked if (change := _plan_one(actual, want, acme, now))]
    dropped = sorted(actual.lineages.keys() - {want.name for want in asked})
    changes += [Change("acme", name, "delete", "its renewal and certbot's copies") for name in dropped]
    gone = sorted(actual.served.keys() - {want.name for want in wanted})
    return changes + [Change("certificates", name, "remove", "key and chain") for name in gone]


def _plan_one(actual: CertificateTable, want: Certificate, acme: Acme, now: datetime) -> Change | None:
    lineage = actual.lineages.get(want.name)
    facts = read_leaf(lineage.pair.leaf) if lineage and lineage.pair.whole else None
    if not lineage:
        action, why = "request", ""
    elif not facts:
        action, why = "request", "; certbot's copy is damaged"
    elif set(facts.names) != set(want.names):
        action, why = "request", f"; the present one is for {', '.join(facts.names)}"
    elif lineage.server != acme.server:
        action, why = "request", f"; the present one is from {lineage.server}"
    elif not lasting(lineage.pair, want.names, now) or facts.not_after - now < OVERDUE * (facts.not_after - facts.not_before):
        action, why = "renew", f"; {RENEWAL} did not, and it ends on {facts.not_after:%Y-%m-%d}"
    else:
        return None
    wanted = f"{', '.join(want.names)} from {acme.server}{why}; while it refuses, the site keeps what it has"
    return Change("acme", want.name, action, wanted)


def removal_script(changes: Iterable[Change]) -> str:
    """Gives up lineages and pairs; empty when there are none. nginx then notes that it reads them no more."""
    gone = [change for change in changes if change.action in ("delete", "remove")]
    lines = [_remove(change) for change in gone]
    if any(change.action == "remove" for change in gone):
        lines.append("if systemctl is-active --quiet nginx.service; then systemctl reload nginx.service; fi")
    return "\n".join(lines)


def _remove(change: Change) -> str:
    name = quote(change.item)
    if change.action == "remove":
        return f"rm -rf -- {TLS}/{name} {STORE}/{name}.*"
    # certbot refuses to delete what is damaged.
    return (
        f"certbot delete --non-interactive --quiet --cert-name {name} || "
        f"(cd /etc/letsencrypt; rm -rf -- renewal/{name}.conf live/{name} archive/{name})"
    )


def requested(changes: Iterable[Change]) -> list[str]:
    return [change.item for change in changes if change.action in ("request", "renew")]


def request_script(names: Sequence[str]) -> str:
    """Asks for all, one after the other; what is refused is said and is no failure."""
    return f"status=0; {REQUEST} {words(names)} || status=$?; [ $status = 0 ] || [ $status = {REFUSED} ]"
