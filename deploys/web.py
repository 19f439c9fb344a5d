"""The lab's front: nginx with all sites, their contents and certificates, and PHP for those that want it."""

from pyinfra import host, local

from facts.certificates import certificate_states
from operations.acme import acme
from operations.certificates import certificates
from operations.engine import announce, first_time
from operations.releases import releases, releases_part
from operations.sources import sources_found
from operations.stamp import stamp
from operations.trees import tree, tree_part
from operations.units import units, units_part
from recettes.roles import acme_of, blueprints_of, certificates_of, identity_of, secrets_of
from recettes.roles.contents import releases_of, sources_of

lab = host.data.lab

if "web" in host.groups and first_time("web"):
    lab.ensure_secrets(secrets_of(lab, host.name))
    wanted = blueprints_of(lab, host.name)["web"]
    sources, problem = sources_of(lab.wishes.sites)
    contents = releases_of(lab.wishes.sites, sources)
    pairs = certificates_of(lab)

    announce([
        releases_part(contents),
        certificate_states(),
        *(tree_part(one) for one in wanted.trees.values()),
        units_part(wanted.units),
    ])  # fmt: skip

    sources_found(name="Contents of the sites can be had", problem=problem)
    local.include("deploys/base.py")
    releases(name="Contents of the sites", wanted=contents, sources=sources)
    certificates(name="Certificates", wanted=pairs, vault=lab.vault)
    for one in wanted.trees.values():
        tree(name=f"Configuration of {one.subsystem}", wanted=one)
    units(name="Web units", wanted=wanted.units)
    acme(name="Certificates from the ACME server", wanted=pairs, settings=acme_of(lab))
    stamp(name="Stamp, again", wanted=identity_of(lab, host.name), checkout=lab.checkout)
