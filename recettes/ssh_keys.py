"""SSH keys of machines, made of a secret: another secret is another key, and rotated like any other.

`cryptography` is imported where it is used: most runs never need it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from recettes.secret_values import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def private_key(secret: Secret) -> str:
    """The Ed25519 key that belongs to the secret, in PEM (PKCS #8), which OpenSSH reads since 9.6."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    # OpenSSH's own format has random bytes in it: the file would differ in every run.
    return _key(secret).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key(secret: Secret) -> str:
    """As in authorized_keys: "ssh-ed25519 AAAA…"."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _key(secret).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def new_private_key() -> str:
    """A random Ed25519 key in OpenSSH's own format, which every program of SSH reads."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_half(private: str) -> str:
    """Of a key in OpenSSH's format, as in authorized_keys: "ssh-ed25519 AAAA…"."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    key = load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _key(secret: Secret) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret.reveal().encode(), b"SSH key, Ed25519", "sha256"))
