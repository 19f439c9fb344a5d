"""One site as nginx reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recettes.declarations.sites import FileSite, PhpSite, ProxySite, RedirectSite, Site, StaticSite
from recettes.web import names
from recettes.web.headers import hsts, split
from recettes.web.template import page, render

_SERVER_ERRORS = "500 502 503 504"


@dataclass(frozen=True)
class Front:
    """What all sites of the machine have in common.

    `contact` is an e-mail address for security.txt, `administrators` networks in CIDR notation, `addresses` those of the
    machines of each group by which this one reaches them.
    """

    contact: str = ""
    administrators: Sequence[str] = ()
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)


def vhost(site: Site, front: Front) -> str:
    """The text of sites/NAME.conf."""
    template, values = _kind(site, front)
    headers, filled = split(site)
    return render(
        template,
        kind=type(site).__name__,
        site=site,
        id=names.identifier(site.name),
        headers=list(headers.items()),
        filled=filled,
        hsts=hsts(site),
        contact=front.contact,
        maintenance=_maintenance(site),
        logs=names.logs(site.name),
        acme=names.ACME_WEBROOT,
        certificate=names.certificate(site.name),
        key=names.key(site.name),
        **values,
    )


def _kind(site: Site, front: Front) -> tuple[str, dict[str, Any]]:
    match site:
        case StaticSite():
            return "nginx/static.conf.j2", {"family": "static", **_files(site)}
        case PhpSite():
            return "nginx/php.conf.j2", {
                "family": "php",
                **_files(site),
                "socket": names.socket(site.name),
                "body": body_size(site),
            }
        case ProxySite():
            addresses = [_in_url(address) for address in front.addresses.get(site.to, ())]
            return "nginx/proxy_site.conf.j2", {"addresses": addresses}
        case RedirectSite():
            return "nginx/redirect.conf.j2", {"target": site.to.rstrip("/") if site.keep_path else site.to}
    raise TypeError(f"{type(site).__name__} is no kind of site")


def _files(site: FileSite) -> dict[str, Any]:
    return {
        "content": names.content(site.name),
        "kept_forever": ["~^" + re.escape(path) for path in site.kept_forever],
        "errors": [(_SERVER_ERRORS if code == "50x" else code, path) for code, path in site.errors.items()],
    }


def body_size(site: PhpSite) -> str:
    """The largest request: an upload, and the form around it."""
    number, unit = int(site.upload[:-1]), site.upload[-1]
    return f"{number * {'k': 1, 'm': 1024, 'g': 1024 * 1024}[unit] + 1024}k"


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _maintenance(site: Site) -> str:
    if site.maintenance is False:
        return ""
    if isinstance(site.maintenance, str):
        return page(site.host, (("", site.maintenance),))
    return page(
        site.host,
        (
            ("en", "This site is being worked on. Please come back in a while."),
            ("fr", "Ce site est en travaux. Revenez dans un moment."),
        ),
    )


def unavailable_page() -> str:
    """Shown for all sites whose application does not answer."""
    return page(
        "Not available · Indisponible",
        (
            ("en", "This site does not answer at the moment. Please try again in a few minutes."),
            ("fr", "Ce site ne répond pas pour le moment. Réessayez dans quelques minutes."),
        ),
    )
