"""Security headers of a site: sane ones, the site's own changes, and room for what an application says itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recettes.declarations.sites import PhpSite, ProxySite, Site, XmlSite
from recettes.web.names import identifier

HSTS_SECONDS = 63072000  # two years: Mozilla's guidelines 6.0

# In the spirit of h5bp's server-configs-nginx 5.0 and of OWASP's Secure Headers Project.
DEFAULT = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",  # and not same-origin: log-ins by another site open a window
}


@dataclass(frozen=True)
class Filled:
    """A header that is sent with `ours` where the application sent none. `own` is False where all sites share its variable."""

    name: str
    ours: str
    variable: str
    own: bool = False

    @property
    def source(self) -> str:
        return _underscored(self.name)


def shared_fills() -> tuple[Filled, ...]:
    """Those of DEFAULT."""
    return tuple(Filled(name, value, f"fill_{_underscored(name)}") for name, value in DEFAULT.items())


def _underscored(name: str) -> str:
    return name.lower().replace("-", "_")


def security_headers(site: Site) -> dict[str, str]:
    """By name, without HSTS."""
    wanted: dict[str, str | None] = {**DEFAULT, "Content-Security-Policy": site.csp}
    if site.csp and "frame-ancestors" in site.csp and site.csp != type(site).model_fields["csp"].default:
        # What says who may frame the site; the older header could only contradict it.
        wanted["X-Frame-Options"] = None
    spelled = {name.lower(): name for name in wanted}
    for name, value in site.headers.items():
        wanted[spelled.get(name.lower(), name)] = value
    return {name: value for name, value in wanted.items() if value is not None}


def hsts(site: Site) -> str:
    """The value of Strict-Transport-Security, empty for none."""
    return {"off": "", "on": f"max-age={HSTS_SECONDS}", "subdomains": f"max-age={HSTS_SECONDS}; includeSubDomains"}[site.hsts]


def split(site: Site) -> tuple[Mapping[str, str], tuple[Filled, ...]]:
    """Headers that are ours alone, and those that an application may send itself: two of the same would contradict each other."""
    headers = security_headers(site)
    if not isinstance(site, (PhpSite, ProxySite, XmlSite)):
        return headers, ()
    shared = {(fill.name, fill.ours): fill for fill in shared_fills()}
    filled = (
        # The number, since a name of a header and one of a site could be one when written together.
        shared.get((name, value)) or Filled(name, value, f"own{number}_{identifier(site.name)}", own=True)
        for number, (name, value) in enumerate(headers.items())
    )
    return {}, tuple(filled)
