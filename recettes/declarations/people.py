"""Who administers the lab's machines."""

from __future__ import annotations

import base64
import binascii
from datetime import date
from typing import Annotated

from pydantic import AfterValidator

from recettes.declarations.base import Declaration, Name, written_as

RSA_BITS = 3072  # NIST SP 800-57 part 1: the length that is good beyond 2030
_KINDS = {
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}
# Accounts that a Debian machine has or that this project makes; a person's would take them over.
_TAKEN = {
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list",
    "irc", "nobody", "sshd", "messagebus", "debian", "postgres", "mysql", "msmtp", "systemd-network", "systemd-timesync",
}  # fmt: skip

EMail = Annotated[
    str, written_as(r"[^@\s\"'<>,;]+@[^@\s\"'<>,;]+\.[^@\s\"'<>,;]+", "is not an e-mail address such as ada@example.org")
]


def _public_key(line: str) -> str:
    """One line as in a .pub file, without options. Formats: RFC 4253 section 6.6, RFC 8709, OpenSSH PROTOCOL.u2f."""
    kind, _, rest = line.strip().partition(" ")
    if "PRIVATE KEY" in line:
        raise ValueError("is a private key: replace that key now, and give the line of the .pub file beside it")
    if kind not in _KINDS:
        raise ValueError(f"is not an OpenSSH public key of a kind that is let in ({', '.join(sorted(_KINDS))})")
    if "\n" in rest or not rest:
        raise ValueError("is not one whole line of a .pub file")
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
        fields = _fields(blob)
    except (binascii.Error, ValueError):
        raise ValueError("is a public key that was cut or damaged: copy the whole line of the .pub file") from None
    if len(fields) < 2 or fields[0] != kind.encode():
        raise ValueError("is a public key that was cut or damaged: copy the whole line of the .pub file")
    if kind == "ssh-ed25519" and len(fields[1]) != 32:
        raise ValueError("is a public key that was cut or damaged: copy the whole line of the .pub file")
    if kind == "ssh-rsa" and (bits := int.from_bytes(fields[-1], "big").bit_length()) < RSA_BITS:
        raise ValueError(f"is an RSA key of {bits} bits; {RSA_BITS} are the least. A new key: ssh-keygen -t ed25519")
    return line.strip()


PublicKey = Annotated[str, AfterValidator(_public_key)]


def _fields(blob: bytes) -> list[bytes]:
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def at_least_one(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("is empty; at least one is needed")
    return values


def _account(name: str) -> str:
    if name in _TAKEN:
        raise ValueError("is the name of an account that a machine has already; a person gets another")
    return name


class Administrator(Declaration):
    """A person who may become root on every machine, by key only.

    `keys` are whole lines of .pub files. After the day `until` the person counts as not declared any more. `e_mail` is
    told on the machines to those who look for somebody to ask.
    """

    name: Annotated[Name, AfterValidator(_account)]
    keys: Annotated[tuple[PublicKey, ...], AfterValidator(at_least_one)]
    until: date | None = None
    e_mail: EMail | None = None

    def current(self, today: date) -> bool:
        return self.until is None or today <= self.until
