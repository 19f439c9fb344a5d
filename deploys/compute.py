"""A machine for computing: vips, Python, Kraken with its models, what starts work. It fetches nothing but Debian's packages."""

from pyinfra import host, local

from operations.engine import announce, first_time
from operations.hpc import cannot
from operations.kraken import kraken, kraken_fetched, kraken_part
from operations.stamp import stamp
from recettes.contents.entries import ContentsError
from recettes.roles import identity_of
from recettes.roles.compute import kraken_of

lab = host.data.lab

if "compute" in host.groups and first_time("compute"):
    try:
        wanted = kraken_of(lab.wishes.lab.compute)
    except ContentsError as error:
        cannot(name="What is declared can be had", why=str(error))
    else:
        announce([kraken_part(wanted)])

        kraken_fetched(name="Kraken can be had", wanted=wanted)
        local.include("deploys/base.py")
        kraken(name="Kraken and its models", wanted=wanted)
        stamp(name="Stamp, again", wanted=identity_of(lab, host.name), checkout=lab.checkout)
