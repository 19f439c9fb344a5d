"""What each group makes of a machine, and all of it put together."""

from __future__ import annotations

from typing import Literal

from recettes.acme import Acme, acme_blueprint
from recettes.base.window import window
from recettes.blueprint import Blueprint, together
from recettes.certificates import Certificate, Given, certificate_files
from recettes.declarations.sites import GivenCertificate, Site
from recettes.firewall import UNIT, firewall_files
from recettes.flows import Rules, rules_for
from recettes.given import read_given
from recettes.lab import LabView
from recettes.loaded import recorders
from recettes.recipes import ROOT
from recettes.roles.base import RELAY_SECRET, base
from recettes.roles.compute import compute
from recettes.roles.dumps import dumps_kept, dumps_made, dumps_secrets
from recettes.roles.ocr import ocr_secrets, ocr_submitter
from recettes.roles.web import web
from recettes.roles.xmldb import xmldb
from recettes.sshd import sshd_config
from recettes.stamp import identity
from recettes.units import Unit
from recettes.web.nginx import secret_names
from recettes.web.vhost import Front
from recettes.xmldb.jetty import Listening
from recettes.xmldb.names import ADMIN_SECRET, user_secret
from recettes.xmldb.names import USER as BASEX_USER


def blueprints_of(lab: LabView, name: str) -> dict[str, Blueprint]:
    """By role, all that the machine's groups want of it; base is what every machine has. Put together once in a run.

    Secrets that are not made yet are left out of their files (see LabView.secret). Raises CertificateError, ValueError.
    """
    if name not in lab.blueprints:
        lab.blueprints[name] = _blueprints(lab, name)
    return lab.blueprints[name]


def _blueprints(lab: LabView, name: str) -> dict[str, Blueprint]:
    groups = lab.machine(name).groups
    roles = {"base": _base(lab, name)}
    if "web" in groups:
        roles["web"] = _web(lab)
    if "xmldb" in groups:
        roles["xmldb"] = _xmldb(lab, name)
    if "images" in groups:
        roles["ocr"] = ocr_submitter(lab, name)
    if "compute" in groups:
        roles["compute"] = compute(lab.wishes.lab.compute)
    program = (ROOT / "programs/loaded").read_text(encoding="utf-8")
    return {role: part + Blueprint(files=recorders(part.units, program)) for role, part in roles.items()}


def blueprint_of(lab: LabView, name: str) -> Blueprint:
    """All roles of the machine together."""
    return together(blueprints_of(lab, name).values())


def _base(lab: LabView, name: str) -> Blueprint:
    wishes = lab.wishes
    relay = wishes.lab.relay
    password = lab.secret(RELAY_SECRET) if relay and relay.user else None
    common = base(
        wishes.lab,
        lab.estate,
        lab.machine(name),
        today=lab.today,
        relay_password=password.reveal().encode() if password else None,
    )
    firewall = firewall_files()
    parts = [common, Blueprint(files=firewall, units={UNIT: Unit(definition=tuple(firewall))}), dumps_kept(lab, name)]
    return together([*parts, window()] if _has_windows(lab, name) else parts)


def _web(lab: LabView) -> Blueprint:
    lab_wide = lab.wishes.lab
    front = Front(
        lab_wide.contact,
        lab_wide.administrator_networks,
        _inner_addresses(lab),
        {app.name: app for app in lab.wishes.xml_apps},
        lab_wide.xmldb,
    )
    return together(
        [web(lab.wishes.sites, front, lab.secret), certificate_files(), acme_blueprint(certificates_of(lab), acme_of(lab))]
    )


def _xmldb(lab: LabView, name: str) -> Blueprint:
    wishes = lab.wishes
    fronts = tuple(_inner_addresses(lab).get("web", ()))
    server = xmldb(
        wishes.lab.xmldb,
        wishes.xml_apps,
        wishes.xml_packages,
        listening=Listening(lab.machine(name).inner, fronts),
        password=lab.secret(ADMIN_SECRET),
    )
    return server + dumps_made(lab, name)


def check_secrets(lab: LabView) -> None:
    """Raise SecretsError or CertificateError where a secret is missing, or no good, that no run makes."""
    sites = lab.wishes.sites if lab.estate.of_group("web") else ()
    if any((site.issuer or lab.wishes.lab.issuer) == "local" for site in sites) or secret_names(sites):
        lab.vault.entries()
    ocr = lab.wishes.lab.ocr
    clusters = [machine for machine in lab.estate.of_group("hpc") if ocr and ocr.cluster(machine.name)]
    # The account on a cluster gets the submitter's key, whether a submitter is there or not.
    if lab.estate.of_group("xmldb") or clusters or any(ocr_secrets(lab, one.name) for one in lab.estate.of_group("images")):
        lab.vault.entries()
    if sites:
        certificates_of(lab)
    if lab.wishes.lab.relay and lab.wishes.lab.relay.user:
        lab.vault.get(RELAY_SECRET)


def secrets_of(lab: LabView, name: str) -> list[str]:
    """The random secrets that the machine needs."""
    groups = lab.machine(name).groups
    needed = secret_names(lab.wishes.sites) if "web" in groups else []
    if "xmldb" in groups:
        needed += [ADMIN_SECRET, *(user_secret(user.name) for user in lab.wishes.xml_users)]
    return needed + dumps_secrets(lab, name) + ocr_secrets(lab, name)


def rules_of(lab: LabView, name: str) -> Rules:
    """What the machine lets in."""
    return rules_for(
        lab.machine(name).groups,
        lab.wishes.flows,
        addresses=_inner_addresses(lab),
        administrators=lab.wishes.lab.administrator_networks,
        ssh_port=lab.machine(name).port,
        muted=[BASEX_USER] if "xmldb" in lab.machine(name).groups else [],
        windows=_has_windows(lab, name),
    )


def _has_windows(lab: LabView, name: str) -> bool:
    """Whether bin/cloud may open SSH to one address for a while: of a cloud's machine that one comes to from outside."""
    return lab.cloud is not None and "web" in lab.machine(name).groups


def sshd_config_of(lab: LabView, name: str) -> str:
    """Of the machine's SSH server; through the web machine one goes on to the others."""
    machine = lab.machine(name)
    exempt = lab.wishes.lab.administrator_networks
    return sshd_config(login=machine.user, jump="web" in machine.groups, port=machine.port, exempt=exempt)


def identity_of(lab: LabView, name: str) -> dict[str, object]:
    """What the machine's stamp says."""
    return identity(lab.estate.name, name, lab.machine(name).groups)


def certificates_of(lab: LabView) -> list[Certificate]:
    """A certificate for each site, with all its names. Raises CertificateError when a given one is not good."""
    return [Certificate(site.name, site.names, _issuer(lab, site)) for site in lab.wishes.sites]


def _issuer(lab: LabView, site: Site) -> Given | Literal["local", "acme"]:
    issuer = site.issuer or lab.wishes.lab.issuer
    if isinstance(issuer, GivenCertificate):
        return read_given(site.names, ROOT / issuer.chain, lab.vault.get(issuer.key), lab.now)
    return issuer


def acme_of(lab: LabView) -> Acme:
    """The ACME server that the lab asks."""
    server = lab.wishes.lab.acme_server
    return Acme(lab.wishes.lab.contact, server) if server else Acme(lab.wishes.lab.contact)


def _inner_addresses(lab: LabView) -> dict[str, list[str]]:
    """By group, the addresses by which the estate's machines reach each other."""
    groups = {group for machine in lab.estate.machines.values() if not machine.foreign for group in machine.groups}
    return {group: [machine.inner for machine in lab.estate.of_group(group)] for group in sorted(groups)}
