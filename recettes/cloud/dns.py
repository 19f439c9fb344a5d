"""The DNS records that lead to the estate, as lines for a zone file (RFC 1035)."""

from __future__ import annotations

from collections.abc import Iterable

from recettes.declarations.sites import Site

# Seconds. Long enough to be kept by resolvers, short enough that a move of the address is over within the hour.
TTL = 3600


def zone_snippet(domain: str, sites: Iterable[Site], address: str) -> str:
    """All names of the sites. Those outside of the lab's domain belong in zones of others, and are said so."""
    names = list(dict.fromkeys(name for site in sites for name in site.names))
    inside = [name for name in names if name == domain or name.endswith(f".{domain}")]
    outside = [name for name in names if name not in inside]
    shown = {name: "@" if name == domain else name.removesuffix(f".{domain}") for name in inside}
    width = max((len(name) for name in (*shown.values(), *(f"{name}." for name in outside))), default=0)
    lines = [f"$ORIGIN {domain}.", *(f"{shown[name]:<{width}} {TTL} IN A {address}" for name in inside)]
    if outside:
        lines += [f"; not below {domain}: each of these is for the zone that has it"]
        lines += [f"{f'{name}.':<{width}} {TTL} IN A {address}" for name in outside]
    return "\n".join(lines) + "\n"
