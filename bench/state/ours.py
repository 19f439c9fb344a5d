"""The state with our own operations."""

from bench.state.wanted import ACCOUNTS, FILES, PACKAGES, SERVICES
from operations.accounts import accounts, accounts_part
from operations.engine import announce
from operations.files import files, files_part
from operations.packages import packages, packages_part
from operations.units import units, units_part
from recettes.accounts import Account
from recettes.files import text
from recettes.units import Unit

people = {name: Account(home=f"/home/{name}", shell="/bin/bash", system=False) for name in ACCOUNTS}
wanted = {path: text(content) for path, content in FILES.items()}
services = {name: Unit() for name in SERVICES}

announce([packages_part(), accounts_part(), files_part(wanted), units_part(services)])
packages(name="Packages", wanted=PACKAGES)
accounts(name="Accounts", wanted=people)
files(name="Files", wanted=wanted)
units(name="Units", wanted=services)
