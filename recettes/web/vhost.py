"""One site as nginx reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recettes.declarations.sites import FileSite, PhpSite, ProxySite, RedirectSite, Site, StaticSite, XmlSite
from recettes.declarations.xmldb import XmlApp, XmlServer
from recettes.web import names
from recettes.web.headers import hsts, split
from recettes.web.template import Quoted, page, render
from recettes.web.values import size_bytes
from recettes.web.xml_paths import locations, target_of
from recettes.xmldb.names import PORT as XMLDB_PORT

_SERVER_ERRORS = "500 502 503 504"
# How often one address may come to the REST interface, where passwords are asked for: requests a second, how many wait, how many
# are answered at a time.
REST_RATE, REST_BURST, REST_AT_A_TIME = 10, 20, 8
# What the database's server learns of a visitor's address, and notes in its log.
_VISITOR = {"whole": Quoted("$remote_addr"), "network": Quoted("$visitor_network"), "nothing": Quoted('""')}
# The database's server ends a query at its time-out, and then says so.
_ANSWER_SECONDS = 10


@dataclass(frozen=True)
class Front:
    """What all sites of the machine have in common.

    `contact` is an e-mail address for security.txt, `administrators` networks in CIDR notation, `addresses` those of the
    machines of each group by which this one reaches them; `apps` are the applications on the XML databases by name, and `xmldb`
    is their server.
    """

    contact: str = ""
    administrators: Sequence[str] = ()
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    apps: Mapping[str, XmlApp] = field(default_factory=dict)
    xmldb: XmlServer = field(default_factory=XmlServer)


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
                "codes": "502 504",
            }
        case ProxySite():
            return "nginx/proxy_site.conf.j2", {
                **_application(front, site.to, site.port),
                "codes": "502 504",
                "body": site.body,
                "timeout": site.timeout,
                "visitor": Quoted("$remote_addr"),
                "websocket": site.websocket,
            }
        case XmlSite():
            return "nginx/xml_site.conf.j2", {
                **_application(front, "xmldb", XMLDB_PORT),
                "codes": "502 503 504",
                "body": site.body or front.xmldb.upload,
                "timeout": site.timeout or front.xmldb.timeout + _ANSWER_SECONDS,
                "visitor": _VISITOR[front.xmldb.visitors],
                "websocket": False,
                "locations": locations(site, front.apps[site.app]),
                "whole": "/" in site.paths,
                "rest_rate": REST_RATE,
                "rest_burst": REST_BURST,
                "rest_at_a_time": REST_AT_A_TIME,
            }
        case RedirectSite():
            return "nginx/redirect.conf.j2", {"target": site.to.rstrip("/") if site.keep_path else site.to}
    raise TypeError(f"{type(site).__name__} is no kind of site")


def _files(site: FileSite) -> dict[str, Any]:
    return {
        "content": names.content(site.name),
        "kept_forever": ["~^" + re.escape(path) for path in site.kept_forever],
        "errors": [(_SERVER_ERRORS if code == "50x" else code, path) for code, path in site.errors.items()],
    }


def _application(front: Front, group: str, port: int) -> dict[str, Any]:
    return {"group": group, "addresses": [_in_url(address) for address in front.addresses.get(group, ())], "port": port}


def health(site: Site, front: Front) -> str | None:
    """The path on the site's upstream that says whether its application is well; None where there is none to ask."""
    match site:
        case ProxySite() if site.health and front.addresses.get(site.to):
            return site.health
        case XmlSite() if site.health and front.addresses.get("xmldb"):
            return target_of(front.apps[site.app], site.health)
    return None


def body_size(site: PhpSite) -> str:
    """The largest request: an upload, and the form around it."""
    return f"{size_bytes(site.upload) // 1024 + 1024}k"


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


def failed_page() -> str:
    """Shown instead of what an application's server says of its own fault."""
    return page(
        "Something went wrong · Une erreur est survenue",
        (
            ("en", "This page could not be made, through no fault of yours. Please try again, or ask for less at a time."),
            ("fr", "Cette page n’a pas pu être produite ; la faute n’est pas la vôtre. Réessayez, ou demandez moins à la fois."),
        ),
    )
