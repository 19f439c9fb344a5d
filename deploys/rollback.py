"""One site back to its previous release, or free again. Called by bin/rollback, which says which site."""

from pyinfra import host

from operations.releases import end_hold, rollback

site = host.data.rollback_site
if host.data.rollback_end == "yes":
    end_hold(name=f"{site} is held no more", site=site)
else:
    rollback(name=f"{site} shows its previous release", site=site)
