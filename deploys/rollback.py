"""One site or application back to its previous release, or free again. Called by bin/rollback, which says which."""

from pyinfra import host

from operations.releases import end_hold, rollback
from recettes.releases import WWW
from recettes.xmldb.contents import APPS, PACKAGES

name = host.data.rollback_name
root = next(root for root in (WWW, APPS, PACKAGES) if root.kind == host.data.rollback_kind)
if host.data.rollback_end == "yes":
    end_hold(name=f"{name} is held no more", site=name, root=root)
else:
    rollback(name=f"{name} shows its previous release", site=name, root=root)
