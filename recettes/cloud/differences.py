"""The lab as one of its estates wants it: production, test, and what is different between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recettes.declarations.cloud import Cloud, CloudEstate
from recettes.declarations.sites import GivenCertificate, RedirectSite, Site
from recettes.estate import EstateError
from recettes.gather import Wishes


def estate_of(cloud: Cloud | None, chosen: str | None, os_cloud: str | None) -> CloudEstate | None:
    """The estate that a command means: `chosen` by RECETTES_ESTATE, or the one that lives in the cloud `os_cloud`.

    None where it is none of a cloud's. Raises EstateError where it cannot be told, or is not of that cloud.
    """
    if cloud is None:
        return None
    if chosen is None and os_cloud is None:
        return None
    estates = {estate.name: estate for estate in cloud.estates}
    if chosen is None:
        living = [estate for estate in cloud.estates if estate.cloud == os_cloud] or list(cloud.estates)
        if len(living) > 1:
            raise EstateError(f"RECETTES_ESTATE is not set, and there are {', '.join(estates)}. Nothing was touched.")
        found: CloudEstate | None = living[0]
    else:
        found = estates.get(chosen)
    if found and found.cloud and os_cloud and found.cloud != os_cloud:
        raise EstateError(
            f"OS_CLOUD is {os_cloud}, but estate {found.name} is declared to live in {found.cloud}. Nothing was touched."
        )
    return found


def wishes_of(wishes: Wishes, estate: CloudEstate | None) -> Wishes:
    """With the estate's issuer, and all names of sites below its domain."""
    if estate is None or not (estate.domain or estate.issuer):
        return wishes
    old, new = wishes.lab.domain, estate.domain or wishes.lab.domain
    lab = wishes.lab.model_copy(update={"domain": new, "issuer": estate.issuer or wishes.lab.issuer})
    projects = tuple(
        project.model_copy(update={"sites": tuple(_site(site, old, new) for site in project.sites)})
        for project in wishes.projects
    )
    return replace(wishes, lab=lab, projects=projects)


def _site(site: Site, old: str, new: str) -> Site:
    changed: dict[str, Any] = {
        "host": _below(site.host, old, new),
        "aliases": tuple(_below(alias, old, new) for alias in site.aliases),
    }
    if isinstance(site, RedirectSite):
        scheme, _, rest = site.to.partition("://")
        host, slash, path = rest.partition("/")
        changed["to"] = f"{scheme}://{_below(host, old, new)}{slash}{path}"
    if old != new and isinstance(site.issuer, GivenCertificate):
        changed["issuer"] = None  # it is for the other names
    return site.model_copy(update=changed)


def _below(host: str, old: str, new: str) -> str:
    """A name that is not below the lab's domain is kept apart, too: under the new domain, with hyphens for its dots."""
    if old == new:
        return host
    if host == old or host.endswith("." + old):
        return host.removesuffix(old) + new
    return f"{host.replace('.', '-')}.{new}"
