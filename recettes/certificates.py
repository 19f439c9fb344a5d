"""Certificates of sites: what is wanted, what differs, and the shell text that brings it about.

On the machine /etc/recettes/tls/NAME/ holds fullchain.pem and key.pem. NAME is a link to a version in STORE; another pair is put
in force by renaming one link, so that nobody sees the chain of one with the key of the other. Below TLS lies nothing else: from
the digests of what is there a later run knows whether nginx has read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from recettes.blueprint import Blueprint
from recettes.change import Change
from recettes.files import File, folder
from recettes.recipes import ROOT
from recettes.shell import quote, write

if TYPE_CHECKING:
    from recettes.authority import CertificateFacts
    from recettes.secret_values import Secret

TLS = "/etc/recettes/tls"
STORE = "/var/lib/recettes/tls"
# What a run has begun and not put in force yet; swept by the next one.
STAGED = f"{STORE}/.staged"
INSTALL = "/usr/local/lib/recettes/install-certificate"

# As long as browsers take them: only a run of an administrator renews a local certificate, its authority's key is nowhere else.
LOCAL_DAYS = 397
LEAST_LIFE_LEFT = 0.3
LEAST_DAYS_LEFT = 21
# Nobody should get used to a certificate that only keeps nginx running.
STAND_IN_DAYS = 7


@dataclass(frozen=True)
class Given:
    """A certificate made elsewhere, checked by `recettes.given`: chain (PEM, the server's first) and its private key."""

    chain: str
    key: Secret

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.chain.encode()).hexdigest()


@dataclass(frozen=True)
class Certificate:
    """What a site shows. `name` is its folder below TLS, `names` are the host names it is for."""

    name: str
    names: tuple[str, ...]
    issuer: Literal["local", "acme"] | Given = "local"

    @property
    def chain_path(self) -> str:
        return f"{TLS}/{self.name}/fullchain.pem"

    @property
    def key_path(self) -> str:
        return f"{TLS}/{self.name}/key.pem"


@dataclass(frozen=True)
class Pair:
    """A chain and its key on the machine. `leaf` is the first certificate (PEM), `digest` the SHA-256 of the chain's file.

    `whole`: both are there, belong together, and are as they were put there.
    """

    leaf: str
    digest: str
    whole: bool


@dataclass(frozen=True)
class Lineage:
    """What certbot keeps and renews under one name, from which server (the address of its directory)."""

    pair: Pair
    server: str


@dataclass(frozen=True)
class CertificateTable:
    """The pairs below TLS, and the lineages of certbot that are ours, both by name."""

    served: Mapping[str, Pair] = field(default_factory=dict)
    lineages: Mapping[str, Lineage] = field(default_factory=dict)


def certificate_files() -> Blueprint:
    """What a machine needs that has certificates at all."""
    program = File((ROOT / "programs/install-certificate").read_bytes(), mode=0o755)
    return Blueprint(packages=frozenset({"openssl"}), files={TLS: folder(), STORE: folder(), INSTALL: program})


def plan_certificates(
    actual: CertificateTable, wanted: Iterable[Certificate], authority: str | None, now: datetime
) -> list[Change]:
    """Every site has a pair that nginx can start with. Nothing is removed: nginx still reads what it read before.

    `authority` is the key identifier of the estate's authority, None when one will have to be made.
    """
    found = (_plan_one(actual, want, authority, now) for want in sorted(wanted, key=lambda want: want.name))
    return [change for change in found if change]


def _plan_one(actual: CertificateTable, want: Certificate, authority: str | None, now: datetime) -> Change | None:
    served = actual.served.get(want.name)
    if isinstance(want.issuer, Given):
        return _plan_given(served, want, want.issuer)
    if want.issuer == "local":
        return _plan_local(served, want, authority, now)
    return _plan_acme(served, want, actual.lineages.get(want.name), now)


def _plan_given(served: Pair | None, want: Certificate, given: Given) -> Change | None:
    if served and served.whole and served.digest == given.digest:
        return None
    return Change("certificates", want.name, "install", f"given, {', '.join(want.names)}")


def _plan_local(served: Pair | None, want: Certificate, authority: str | None, now: datetime) -> Change | None:
    wanted = f"local authority, {', '.join(want.names)}"
    if not served:
        return Change("certificates", want.name, "issue", wanted)
    facts = _facts(served)
    why = _local_due(facts, want, authority, now) if facts else "the present one is damaged"
    return Change("certificates", want.name, "renew", f"{wanted}; {why}") if why else None


def _plan_acme(served: Pair | None, want: Certificate, lineage: Lineage | None, now: datetime) -> Change | None:
    facts = _facts(served)
    if lineage and lasting(lineage.pair, want.names, now):
        if facts and served and served.digest == lineage.pair.digest:
            return None
        return Change("certificates", want.name, "install", f"from certbot, {', '.join(want.names)}")
    if facts and not _stand_in_due(facts, want, now):
        return None
    wanted = f"self-signed for {STAND_IN_DAYS} days, {', '.join(want.names)}; until ACME answers"
    return Change("certificates", want.name, "stand in", wanted)


def _facts(pair: Pair | None) -> CertificateFacts | None:
    """What a pair says that is whole and can be understood."""
    return read_leaf(pair.leaf) if pair and pair.whole else None


def _local_due(facts: CertificateFacts, want: Certificate, authority: str | None, now: datetime) -> str | None:
    if facts.self_issued or facts.authority_key_id != authority:
        return "the present one is of another issuer"
    if set(facts.names) != set(want.names):
        return f"the present one is for {', '.join(facts.names)}"
    left = facts.not_after - now
    if left < timedelta(days=LEAST_DAYS_LEFT) or left < LEAST_LIFE_LEFT * (facts.not_after - facts.not_before):
        return f"the present one ends on {facts.not_after:%Y-%m-%d}"
    return None


def _stand_in_due(facts: CertificateFacts, want: Certificate, now: datetime) -> bool:
    """Whatever a site had before, even expired, is better left than replaced by what nobody trusts."""
    if not facts.self_issued:
        return False
    life = facts.not_after - facts.not_before
    return set(facts.names) != set(want.names) or facts.not_after - now < LEAST_LIFE_LEFT * life


def lasting(pair: Pair, names: Iterable[str], now: datetime) -> bool:
    """Whole, for exactly these names, and not over."""
    facts = _facts(pair)
    return facts is not None and set(facts.names) == set(names) and facts.not_after > now


@lru_cache(maxsize=1000)
def read_leaf(pem: str) -> CertificateFacts | None:
    """None for what is no certificate. Asked again for each plan of a run, hence kept."""
    from recettes.authority import CertificateError, read_certificate

    try:
        return read_certificate(pem)
    except CertificateError:
        return None


def written_pairs(
    actual: CertificateTable, changes: Iterable[Change], wanted: Mapping[str, Certificate]
) -> dict[str, str | None]:
    """Every path that these changes write, with its digest, for those who predict a reload."""
    paths: dict[str, str | None] = {}
    for change in changes:
        want = wanted[change.item]
        digest = "new"
        if change.action == "install":
            digest = want.issuer.digest if isinstance(want.issuer, Given) else actual.lineages[want.name].pair.digest
        note, stand_in = f"{TLS}/{want.name}/pair", f"{TLS}/{want.name}/stand-in"
        paths |= {want.chain_path: digest, want.key_path: "new", note: "new"}
        paths[stand_in] = "new" if change.action == "stand in" else None
    return paths


def begin_script(changes: Sequence[Change], wanted: Mapping[str, Certificate]) -> str:
    """Puts in force what the machine has or gets from here. For the local authority: new keys, and their requests in STAGED."""
    lines = [f"mkdir -p {TLS} {STORE}; umask 077; rm -rf {STAGED}; mkdir {STAGED}"]
    for change in changes:
        want, place = wanted[change.item], f"{STAGED}/{change.item}"
        if change.action == "stand in":
            lines += [f"mkdir {place}", _stand_in(want, place)]
            lines += [_install(want.name, f"{place}/chain.pem", f"{place}/key.pem") + " stand-in"]
        elif change.action != "install":
            lines += [f"mkdir {place}", _request(want, place)]
        elif isinstance(want.issuer, Given):
            lines += [f"mkdir {place}", write(f"{place}/chain.pem", want.issuer.chain.encode())]
            lines += [write(f"{place}/key.pem", want.issuer.key.reveal().encode())]
            lines += [_install(want.name, f"{place}/chain.pem", f"{place}/key.pem")]
        else:
            lineage = f"/etc/letsencrypt/live/{want.name}"
            lines += [_install(want.name, f"{lineage}/fullchain.pem", f"{lineage}/privkey.pem")]
    return "\n".join([*lines, "" if issued(changes) else f"rm -rf {STAGED}"])


# An empty configuration: that of the machine would make a stand-in an authority.
_NEW_KEY = "-config /dev/null -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"


def _request(want: Certificate, place: str) -> str:
    return f"openssl req -new {_NEW_KEY} -subj /CN={want.name} -keyout {place}/key.pem -out {place}/request.pem"


def _stand_in(want: Certificate, place: str) -> str:
    names = quote("subjectAltName=" + ",".join(f"DNS:{name}" for name in want.names))
    extensions = f"-addext {names} -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth"
    made = f"-keyout {place}/key.pem -out {place}/chain.pem"
    return f"openssl req -x509 {_NEW_KEY} -days {STAND_IN_DAYS} -subj /CN={want.name} {extensions} {made}"


def _install(name: str, chain: str, key: str) -> str:
    return f"{INSTALL} {quote(name)} {quote(chain)} {quote(key)}"


def issued(changes: Iterable[Change]) -> list[str]:
    """The names for which the local authority has to sign."""
    return [change.item for change in changes if change.action in ("issue", "renew")]


def finish_script(chains: Mapping[str, str]) -> str:
    """Puts the signed chains in force, each with the key that waits for it."""
    lines = [write(f"{STAGED}/{name}/chain.pem", chain.encode()) for name, chain in chains.items()]
    lines += [_install(name, f"{STAGED}/{name}/chain.pem", f"{STAGED}/{name}/key.pem") for name in chains]
    return "\n".join([*lines, f"rm -rf {STAGED}"])
