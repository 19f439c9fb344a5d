"""Every machine: packages, people, hardening, firewall, updates and watch."""

from pyinfra import host

from facts.sshd import sshd_state
from operations.accounts import accounts, accounts_part
from operations.engine import announce, first_time
from operations.files import files, files_part
from operations.firewall import firewall, firewall_part
from operations.mounts import mounts, mounts_part
from operations.neighbours import alone, neighbours_part
from operations.packages import packages, packages_part
from operations.readiness import ready, ready_part
from operations.secrets import secrets_made
from operations.sshd import sshd
from operations.stamp import stamp, stamp_part
from operations.units import dropped, dropped_part, units, units_part
from recettes.blueprint import together
from recettes.roles import blueprints_of, identity_of, rules_of, secrets_of, sshd_config_of

lab = host.data.lab

if not lab.machine(host.name).foreign and first_time("base"):
    made = lab.ensure_secrets(secrets_of(lab, host.name))
    roles = blueprints_of(lab, host.name)
    whole = together(roles.values())
    rules = rules_of(lab, host.name)
    volumes = lab.machine(host.name).volumes

    announce([
        ready_part(),
        *([neighbours_part()] if "web" in roles else []),
        mounts_part(volumes),
        packages_part(),
        accounts_part(),
        dropped_part(whole.units, whole.files),
        files_part(whole.files),
        sshd_state(),
        firewall_part(rules),
        units_part(roles["base"].units),
        stamp_part(),
    ])  # fmt: skip

    ready(name="Debian 13, as root, with room to work", release=lab.wishes.lab.release)
    if "web" in roles:
        alone(name="No sites of somebody else's")
    mounts(name="Data volumes", wanted=volumes)  # before anything is put there
    secrets_made(name="Secrets", names=made)
    packages(name="Packages", wanted=whole.packages)
    accounts(name="Accounts", wanted=whole.accounts)
    dropped(name="Units declared no more", wanted=whole.units, files=whole.files)
    files(name="Files", wanted=whole.files)
    sshd(name="SSH server", config=sshd_config_of(lab, host.name))
    firewall(name="Firewall", rules=rules, today=lab.today)
    units(name="Units", wanted=roles["base"].units)
    stamp(name="Stamp", wanted=identity_of(lab, host.name), checkout=lab.checkout)
