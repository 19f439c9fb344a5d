"""The submitter of text recognition: it sends page images to the clusters and brings the results back."""

from pyinfra import host, local

from facts.ocr import proofs_noted
from operations.engine import announce, first_time
from operations.hpc import cannot
from operations.ocr import keys_proved
from operations.stamp import stamp
from operations.units import units, units_part
from recettes.contents.entries import ContentsError
from recettes.roles import blueprints_of, identity_of, secrets_of
from recettes.roles.ocr import proofs

lab = host.data.lab

if "images" in host.groups and first_time("ocr"):
    lab.ensure_secrets(secrets_of(lab, host.name))
    wanted = blueprints_of(lab, host.name)["ocr"]

    announce([units_part(wanted.units), proofs_noted()])

    local.include("deploys/base.py")
    units(name="Queue of text recognition", wanted=wanted.units)
    stamp(name="Stamp, again", wanted=identity_of(lab, host.name), checkout=lab.checkout)
    try:
        tried = proofs(lab)
    except ContentsError as error:
        cannot(name="What is declared can be had", why=str(error))
    else:
        keys_proved(name="The key calls the gate, and nothing else", wanted=tried)
