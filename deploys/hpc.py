"""Accounts on clusters that belong to others: the gate of text recognition, and nothing else. No root, no sudo."""

from pyinfra import host

from operations.engine import announce, first_time
from operations.hpc import account, account_part, cannot
from operations.ocr import request_written
from operations.secrets import secrets_made
from recettes.contents.entries import ContentsError
from recettes.ocr.names import KEY_SECRET
from recettes.roles.hpc import account_of, cluster_of, request_file, request_of

lab = host.data.lab
cluster = cluster_of(lab, host.name)

if "hpc" in host.groups and cluster and first_time("hpc"):
    made = lab.ensure_secrets([KEY_SECRET])
    try:
        wanted = account_of(lab, cluster)
        request = request_of(lab, cluster) if cluster.keys_by == "portal" else None
    except ContentsError as error:
        cannot(name="What is declared can be had", why=str(error))
    else:
        announce([account_part(wanted)])
        secrets_made(name="Secrets", names=made)
        account(name="The gate of text recognition", wanted=wanted, today=lab.today)
        if request:
            request_written(name="The request to the cluster's people", file=request_file(lab, cluster), text=request)
