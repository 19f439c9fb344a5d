"""Certificates that an administrator brings: read on the controller and checked before any machine is touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from recettes.authority import CertificateError, read_certificate
from recettes.certificates import Given
from recettes.secret_values import Secret


def read_given(names: Sequence[str], chain: Path, key: Path | Secret, now: datetime) -> Given:
    """The pair of these files, or of a chain's file and a key of the vault; good for all `names` at `now` (with time zone).

    Raises CertificateError, a sentence for each thing that is wrong.
    """
    given = Given(_text(chain), key if isinstance(key, Secret) else Secret(str(key), _text(key)))
    if problems := check_given(given, names, str(chain), now):
        raise CertificateError("; ".join(problems))
    return given


def check_given(given: Given, names: Sequence[str], chain: str, now: datetime) -> list[str]:
    """What is wrong with the pair; `chain` is how the chain is called in the sentences."""
    try:
        leaf = read_certificate(given.chain)
        public_key = _public_key_digest(given.key)
    except CertificateError as error:
        return [f"{chain}: {error}"]
    problems = []
    if public_key != leaf.public_key_digest:
        problems.append(f"{given.key.name} is not the key of the first certificate in {chain}, which has to be the server's own")
    if missing := [name for name in names if not covers(leaf.names, name)]:
        problems.append(f"{chain} is for {', '.join(leaf.names) or 'no host name'}, not for {', '.join(missing)}")
    if leaf.not_after <= now:
        problems.append(f"{chain} ended on {leaf.not_after:%Y-%m-%d}")
    if leaf.not_before > now:
        problems.append(f"{chain} only begins on {leaf.not_before:%Y-%m-%d}")
    return problems + _out_of_order(given.chain, chain)


def covers(certified: Sequence[str], name: str) -> bool:
    """A wildcard stands for exactly one label (RFC 6125, 6.4.3)."""
    return name in certified or "*." + name.partition(".")[2] in certified


def _out_of_order(chain: str, called: str) -> list[str]:
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        return [f"{called}: {error}"]
    for lower, upper in pairwise(certificates):
        if lower.issuer != upper.subject:
            return [f"{called} is in another order than the server's certificate, the one that signed it, and so on"]
    return []


def _public_key_digest(key: Secret) -> str:
    """As CertificateFacts.public_key_digest. The error carries nothing of the key."""
    import hashlib

    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        public = load_pem_private_key(key.reveal().encode(), password=None).public_key()
    except TypeError:
        raise CertificateError(f"{key.name} is protected by a password; nginx needs a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"{key.name} is no private key in PEM") from None
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CertificateError(f"{path} is not in PEM (it is no text)") from None
