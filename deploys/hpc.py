"""Accounts on clusters that belong to others: the gate of text recognition, and nothing else. No root, no sudo."""

from pyinfra import host

from operations.engine import announce, first_time
from operations.hpc import account, account_part, cannot
from operations.secrets import secrets_made
from recettes.contents.entries import ContentsError
from recettes.roles.hpc import account_of, cluster_of, hpc_secrets

lab = host.data.lab
cluster = cluster_of(lab, host.name)

if "hpc" in host.groups and cluster and first_time("hpc"):
    made = lab.ensure_secrets(hpc_secrets(cluster))
    try:
        wanted = account_of(lab, cluster)
    except ContentsError as error:
        cannot(name="What is declared can be had", why=str(error))
    else:
        announce([account_part(wanted)])
        secrets_made(name="Secrets", names=made)
        account(name="The gate of text recognition", wanted=wanted, today=lab.today)
