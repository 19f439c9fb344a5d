"""Who can open an estate's secrets: public keys in `recipients.txt`, one private key in an identity file.

Both files are those of the `age` program: `age --decrypt -i identity.txt secrets.age` needs nothing of ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECIPIENTS = "recipients.txt"
IDENTITY = "identity.txt"
IDENTITY_VARIABLE = "RECETTES_IDENTITY"
NAME = r"\w[\w .@+-]{0,63}"


class SecretsError(Exception):
    """What is wrong with the secrets of an estate, and what to do, in sentences without any value."""


@dataclass(frozen=True)
class Identity:
    """The private keys of whoever runs this, and their public counterparts."""

    file: Path
    public: tuple[str, ...]
    keys: Sequence[Any] = field(repr=False)


def read_recipients(folder: Path) -> dict[str, str]:
    """Public key by person's name; empty when there is no list. Raises SecretsError naming the line."""
    file = folder / RECIPIENTS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SecretsError(f"{file} is not text. Nothing was written.") from None
    people: dict[str, str] = {}
    comment = ""
    for number, line in enumerate(lines, 1):
        key, _, after = (part.strip() for part in line.partition("#"))
        if not key:
            comment = after or comment
            continue
        name, comment = after or comment, ""
        try:
            check_recipient(key, name)
            check_new(people, key, name)
        except SecretsError as error:
            raise SecretsError(f"{file}, line {number}: {error}") from None
        people[name] = key
    return people


def recipients_text(people: Mapping[str, str]) -> str:
    """The list as a file. The name stands above its key, because `age -R` allows nothing after a key."""
    return "".join(f"# {name}\n{people[name]}\n" for name in sorted(people))


def check_recipient(key: str, name: str) -> None:
    """Raises SecretsError when this cannot be a person's public key and name."""
    import pyrage  # type: ignore[import-untyped]

    if key.upper().startswith("AGE-SECRET-KEY"):
        raise SecretsError(
            "this is a private key, and must now be held for known: make another with "
            "bin/secrets new-identity FILE, and give the age1... key it prints. Nothing was written."
        )
    if not re.fullmatch(NAME, name):
        raise SecretsError(f"{name!r} does not name whose key this is (letters, digits, space . @ + - _). Nothing was written.")
    try:
        pyrage.x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise SecretsError(f"the key of {name} is not an age public key (age1...). Nothing was written.") from None


def check_new(people: Mapping[str, str], key: str, name: str) -> None:
    """Raises SecretsError when `people` already has this name or key."""
    if name in people:
        raise SecretsError(f"{name} is there already, with {people[name]}. Nothing was written.")
    for other, known in people.items():
        if known == key:
            raise SecretsError(f"the key of {name} is that of {other}. Nothing was written.")


def find_identity(folder: Path) -> Identity:
    """The identity for the estate in `folder`. Raises SecretsError."""
    import pyrage

    named = os.environ.get(IDENTITY_VARIABLE)
    own = Path("~/.config/recettes").expanduser() / IDENTITY
    places = [Path(named).expanduser()] if named else [folder / IDENTITY, own]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        looked = f"{places[0]}, which {IDENTITY_VARIABLE} names" if named else " and ".join(map(str, places))
        raise SecretsError(
            f"No identity (private key) for the secrets of estate {folder.name}: looked for {looked}. "
            f"Set {IDENTITY_VARIABLE} to its path, or make one with: bin/secrets new-identity {own}"
        )
    try:
        if file.stat().st_mode & 0o077:
            raise SecretsError(f"Others than its owner may read the identity {file}. It is not used until: chmod 600 {file}")
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise SecretsError(f"The identity {file} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, pyrage.IdentityError):
        keys = []
    if not keys:  # raised here and not above: an error raised there would carry along the one that knows the text
        raise SecretsError(f"{file} is not an age identity (AGE-SECRET-KEY-1...).")
    return Identity(file, tuple(str(key.to_public()) for key in keys), keys)


def new_identity(file: Path) -> str:
    """Make an identity file of mode 0600; returns its public key. Raises SecretsError if `file` is there."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SecretsError(f"{file} is there already, and an identity is never overwritten. Nothing was written.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"# public key: {public}\n{identity}\n")
        opened.flush()
        os.fsync(descriptor)
    return public
