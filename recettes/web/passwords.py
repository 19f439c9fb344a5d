"""Password files for nginx's basic authentication."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

import bcrypt

from recettes.secrets import Secret

# nginx hashes anew for every request of a page. The passwords are random, so a slow hash would protect nothing.
ROUNDS = 5
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def password_file(site: str, users: Iterable[tuple[str, Secret]]) -> bytes:
    """Lines of USER:HASH. The same secrets give the same file, or every plan would have a change in it."""
    return b"".join(f"{user}:{_hash(site, user, password)}\n".encode() for user, password in users)


def _hash(site: str, user: str, password: Secret) -> str:
    value = password.reveal().encode()
    # bcrypt looks at 72 bytes only; given passwords may be longer.
    known = value if len(value) <= 72 else base64.b64encode(hashlib.sha512(value).digest())[:72]
    salt = hmac.digest(value, f"htpasswd {site} {user}".encode(), "sha256")[:16]
    # Its own base64, 22 letters of it.
    letters = base64.b64encode(salt).translate(bytes.maketrans(_STANDARD, _BCRYPT))[:22]
    return bcrypt.hashpw(known, b"$2b$%02d$%s" % (ROUNDS, letters)).decode()
