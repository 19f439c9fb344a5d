"""The estate's own certificate authority, and what can be read from a certificate.

`cryptography` is imported where it is used: a run that changes nothing never needs it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from recettes.durable import write_whole
from recettes.secrets import Secret, Vault

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes as PublicKeyTypes

AUTHORITY_KEY = "authority-key"
AUTHORITY_FILE = "authority.pem"
AUTHORITY_YEARS = 20
LONGEST_DAYS = 397  # one below what browsers refuse: CA/Browser Forum, Baseline Requirements 6.3.2 of 2020
SLOW_CLOCK = timedelta(hours=1)  # a machine whose clock is behind must not find the certificate in its future
COMMON_NAME_LENGTH = 64  # X.520, ub-common-name
RSA_BITS = 2048  # Baseline Requirements 6.1.5
LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"


class CertificateError(ValueError):
    """A certificate, request or name that cannot be used, in a sentence."""


class Pair(NamedTuple):
    """A private key (PEM, PKCS #8) and its certificate (PEM)."""

    key: Secret
    certificate: str


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate says. Key identifiers are lower-case hexadecimal, empty where there are none."""

    names: tuple[str, ...]  # DNS names and addresses it is for, in its order
    self_issued: bool
    key_id: str
    authority_key_id: str  # the `key_id` of its authority's certificate
    not_before: datetime  # UTC
    not_after: datetime  # UTC
    public_key_digest: str  # SHA-256 of the public key: openssl pkey -pubout -outform DER | sha256sum
    serial: str  # as `openssl x509 -serial` writes it


def make_authority(name: str, years: int) -> Pair:
    """A new authority (ECDSA P-256) that may sign certificates of machines, not of other authorities."""
    key = _new_key()
    return Pair(Secret(AUTHORITY_KEY, _key_pem(key)), _authority_certificate(key, name, years))


def ensure_authority(vault: Vault) -> Pair:
    """The authority of the vault's estate, made when first needed: key in the vault, rest in authority.pem.

    The vault is what counts: a certificate that is missing, damaged, of another key or soon over is remade.
    """
    if whole := read_authority(vault):
        return whole
    key = vault.ensure(AUTHORITY_KEY, make=lambda: _key_pem(_new_key()))
    certificate = _authority_certificate(_load_key(key), f"recettes {vault.folder.name}", AUTHORITY_YEARS)
    write_whole(vault.folder / AUTHORITY_FILE, certificate.encode(), 0o644)
    return Pair(key, certificate)


def read_authority(vault: Vault) -> Pair | None:
    """The same without writing anything: None when `ensure_authority` would have to make something."""
    if not vault.has(AUTHORITY_KEY):
        return None
    try:
        certificate = (vault.folder / AUTHORITY_FILE).read_text(encoding="ascii")
        facts = read_certificate(certificate)
    except (FileNotFoundError, ValueError):
        return None
    key = vault.get(AUTHORITY_KEY)
    ends_too_soon = facts.not_after - _now() < timedelta(days=LONGEST_DAYS)
    return None if ends_too_soon or facts.public_key_digest != _digest(_load_key(key).public_key()) else Pair(key, certificate)


def renew_authority(vault: Vault) -> Pair:
    """Another key and certificate: what the old one signed is due; who trusts it must trust the new one."""
    vault.set(AUTHORITY_KEY, _key_pem(_new_key()))
    return ensure_authority(vault)


def sign(request: str, authority: Pair, names: Sequence[str], days: int) -> str:
    """A server's certificate for the key in a signing request (PEM).

    Only the key is taken from the request; `names` (DNS names, addresses) are the caller's. The answer is the
    whole chain to serve: one certificate, as its issuer is the authority that clients already hold. It ends
    after `days` (1 to 397), or with the authority. Raises CertificateError.
    """
    from cryptography import x509

    try:
        asked = x509.load_pem_x509_csr(request.encode())
        public = asked.public_key()
        signed = asked.is_signature_valid
    except Exception as error:  # cryptography raises ValueError, UnsupportedAlgorithm, InvalidVersion, ...
        raise CertificateError(f"this is no certificate signing request: {error}") from None
    if not signed:
        raise CertificateError("the signing request is not signed by its own key: damaged, or somebody else's key")
    issuer = _load_certificate(authority.certificate)
    return _leaf(_acceptable(public), names, days, issuer, _load_key(authority.key))


def self_signed(names: Sequence[str], days: int) -> Pair:
    """A certificate that nobody trusts, for a site that has to start before its real one can be had."""
    key = _new_key()
    return Pair(Secret("self-signed-key", _key_pem(key)), _leaf(key.public_key(), names, days, None, key))


def read_certificate(pem: str) -> CertificateFacts:
    """What the first certificate in `pem` says. Raises CertificateError."""
    from cryptography import x509

    certificate = _load_certificate(pem)
    names: tuple[str, ...] = ()
    key_id = authority_key_id = b""
    try:
        for extension in certificate.extensions:
            match extension.value:
                case x509.SubjectAlternativeName() as alternatives:
                    kinds = (x509.DNSName, x509.IPAddress)
                    names = tuple(str(name.value) for name in alternatives if isinstance(name, kinds))
                case x509.SubjectKeyIdentifier() as subject:
                    key_id = subject.digest
                case x509.AuthorityKeyIdentifier() as signer:
                    authority_key_id = signer.key_identifier or b""
        public_key_digest = _digest(certificate.public_key())
    except Exception as error:  # as in sign()
        raise CertificateError(f"a certificate that cannot be understood: {error}") from None
    serial = f"{certificate.serial_number:X}"
    return CertificateFacts(
        names=names,
        self_issued=certificate.issuer == certificate.subject,
        key_id=key_id.hex(),
        authority_key_id=authority_key_id.hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        public_key_digest=public_key_digest,
        serial=serial.zfill(len(serial) + len(serial) % 2),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _new_key() -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load_key(key: Secret) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(key.reveal().encode(), password=None)
    except (ValueError, TypeError):
        loaded = None
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return loaded
    raise CertificateError(f"{key.name} holds no elliptic-curve private key (PEM, without password)")


def _load_certificate(pem: str) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise CertificateError(f"this is no certificate: {error}") from None


def _digest(public: PublicKeyTypes) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _acceptable(public: object) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """The kinds of key that every browser takes."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, (ec.SECP256R1, ec.SECP384R1)):
        return public
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= RSA_BITS:
        return public
    raise CertificateError(f"a server's key is ECDSA on P-256 or P-384, or RSA of {RSA_BITS} bits or more")


def _authority_certificate(key: ec.EllipticCurvePrivateKey, name: str, years: int) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    start = _now() - SLOW_CLOCK
    subject = _subject(name[:COMMON_NAME_LENGTH])
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=round(365.25 * years)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(key_id, critical=False)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _leaf(
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    names: Sequence[str],
    days: int,
    issuer: x509.Certificate | None,
    key: ec.EllipticCurvePrivateKey,
) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    if not 1 <= days <= LONGEST_DAYS:
        raise CertificateError(f"a certificate lasts 1 to {LONGEST_DAYS} days, not {days}: browsers refuse longer ones")
    if not names:
        raise CertificateError("a certificate needs one name at least")
    start = _now() - SLOW_CLOCK
    end = start + timedelta(days=days)
    alternatives = [_alternative(name) for name in dict.fromkeys(names)]
    # Clients read the alternative names only; the common name is for people, and does not hold long ones.
    subject = _subject(next((name for name in names if len(name) <= COMMON_NAME_LENGTH), "recettes"))
    signer = issuer.public_key() if issuer else public
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer.subject if issuer else subject, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(min(end, issuer.not_valid_after_utc) if issuer else end)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)  # type: ignore[arg-type]
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _subject(name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])


def _usage(*allowed: str) -> x509.KeyUsage:
    from cryptography import x509

    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{usage: usage in allowed for usage in every.split()})


def _alternative(name: str) -> x509.GeneralName:
    """A DNS name in ASCII (a wildcard as its first label only) or an address."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.removeprefix("*.").split(".")
    wildcard_is_wide = name.startswith("*.") and len(labels) < 2
    if len(name) > 253 or wildcard_is_wide or labels[-1].isdigit() or not all(re.fullmatch(LABEL, label) for label in labels):
        raise CertificateError(f"{name!r} is no host name or address: lower-case letters, digits and - between dots")
    return x509.DNSName(name)
