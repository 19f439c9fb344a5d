"""The secrets of an estate: values by name in one file, encrypted with age to several people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from recettes.durable import locked, sweep, write_whole
from recettes.recipients import (
    IDENTITY,
    RECIPIENTS,
    SecretsError,
    check_new,
    check_recipient,
    find_identity,
    new_identity,
    read_recipients,
    recipients_text,
)
from recettes.secret_values import (
    LENGTH,
    NAME,
    Contents,
    Entry,
    Secret,
    decode,
    encode,
    given_entry,
    random_entry,
    rotated,
)

__all__ = ["Entry", "Secret", "SecretsError", "Vault"]

VAULT = "secrets.age"
PREVIOUS = "secrets.age.previous"
LOCK = "secrets.age.lock"


class Vault:
    """The secrets of the estate in `folder`. Nothing is read before the first question.

    Every method may raise SecretsError: sentences for the administrator, without any value.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / VAULT
        self._read: tuple[tuple[int, int, int], Contents] | None = None

    def __repr__(self) -> str:
        return f"<vault {self.file}>"

    @classmethod
    def open(cls, folder: Path) -> Vault:
        return cls(folder)

    @classmethod
    def create(cls, folder: Path, *, disposable: bool = False) -> Vault:
        """An empty vault for the people in recipients.txt: two or more, but for a throw-away estate."""
        vault = cls(folder)
        with vault._alone():
            if vault.file.exists():
                raise SecretsError(f"{vault.file} is there already. Nothing was written.")
            vault._write(Contents(read_recipients(folder), {}, disposable))
        return vault

    @classmethod
    def disposable(cls, folder: Path) -> Vault:
        """The vault of a throw-away estate, its identity beside it; whatever of them is missing is made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault = cls(folder)
        if not vault.file.exists():
            if not (folder / IDENTITY).exists():
                new_identity(folder / IDENTITY)
            if not read_recipients(folder):
                vault._list({"this estate": find_identity(folder).public[0]})
            cls.create(folder, disposable=True)
        return vault

    # What it holds

    def entries(self) -> Mapping[str, Entry]:
        return self._contents().entries

    def has(self, name: str) -> bool:
        return _checked(name) in self.entries()

    def get(self, name: str) -> Secret:
        if entry := self.entries().get(_checked(name)):
            return entry.secret
        raise SecretsError(f"There is no secret {name} in {self.file}. To give it: {self._command(f'set {name}')}")

    def ensure(self, name: str, *, length: int = LENGTH, make: Callable[[], str] | None = None) -> Secret:
        """The secret, made now if missing: `length` random letters and digits, or what `make` returns.

        Of two commands the first makes it and both get the same. Not for a dry run: `has` tells that one
        whether it will be made.
        """

        def with_it(held: Mapping[str, Entry]) -> Mapping[str, Entry]:
            if name in held:
                return held
            return {**held, name: given_entry(name, make()) if make else random_entry(name, length)}

        if not self.has(name):
            self._alter(with_it)
        return self.get(name)

    def set(self, name: str, value: str) -> None:
        if not value:
            raise SecretsError(f"The value for {_checked(name)} is empty. Nothing was written.")
        entry = given_entry(_checked(name), value)
        self._alter(lambda held: {**held, name: entry})

    def rotate(self, name: str) -> None:
        """Another random value of the same length, for the next apply to bring to the machines."""
        self.get(name)
        if self.entries()[name].kind == "given":
            raise SecretsError(
                f"{name} was given, so another has to be given too: {self._command(f'set {name}')}. Nothing was written."
            )
        self._alter(lambda held: {**held, name: rotated(held[name])})

    def rotate_all(self) -> tuple[str, ...]:
        """Another value for every random secret, in one write; returns their names."""
        self._alter(lambda held: {name: rotated(entry) for name, entry in held.items()})
        return tuple(sorted(name for name, entry in self.entries().items() if entry.kind == "random"))

    # Who can open it

    def recipients(self) -> Mapping[str, str]:
        """Public key, by name, of those who can open the file as it is, whatever recipients.txt says."""
        return self._contents().recipients

    def add_recipient(self, key: str, name: str) -> None:
        """Let one more person open it. Before `create` this only writes the list."""
        check_recipient(key, name)
        with self._alone():
            if not self.file.exists():
                listed = read_recipients(self.folder)
                check_new(listed, key, name)
                self._list({**listed, name: key})
                return
            contents = self._contents(fresh=True)
            # The same person again is no mistake: it finishes what was cut off before the list was written.
            if contents.recipients.get(name) != key:
                check_new(contents.recipients, key, name)
            self._readdress(replace(contents, recipients={**contents.recipients, name: key}), name)

    def remove_recipient(self, name: str) -> None:
        """Encrypt to the others only. Who was removed has seen the current values: rotate them afterwards."""
        with self._alone():
            contents = self._contents(fresh=True)
            if name not in contents.recipients and name not in read_recipients(self.folder):
                known = ", ".join(sorted(contents.recipients))
                raise SecretsError(f"{name} is not among the recipients ({known}). Nothing was written.")
            left = {other: key for other, key in contents.recipients.items() if other != name}
            self._readdress(replace(contents, recipients=left), name)

    # How it is kept

    def _command(self, words: str) -> str:
        return f"bin/secrets --estate {self.folder.name} {words}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes here meanwhile; an error of the system becomes a sentence."""
        if not self.folder.is_dir():
            raise SecretsError(f"There is no estate {self.folder.name}: {self.folder} is no folder.")
        try:
            with locked(self.folder / LOCK):
                yield
        except OSError as error:
            raise SecretsError(
                f"Writing in {self.folder} failed: {error.strerror or error}. No file was left half written."
            ) from None

    def _contents(self, *, fresh: bool = False) -> Contents:
        """`fresh` is for writers: inode, time and size may all come again within one tick of the clock."""
        try:
            status = self.file.stat()
            mark = (status.st_ino, status.st_mtime_ns, status.st_size)
            if fresh or self._read is None or self._read[0] != mark:
                self._read = (mark, self._decrypt(self.file.read_bytes()))
        except FileNotFoundError:
            raise SecretsError(
                f"Estate {self.folder.name} has no secrets: {self.file} is not there. {self._way_back()}"
            ) from None
        except OSError as error:
            raise SecretsError(f"{self.file} cannot be read: {error.strerror}.") from None
        return self._read[1]

    def _way_back(self) -> str:
        previous = self.folder / PREVIOUS
        if previous.exists():
            return f"Their state before the last change: cp -p {previous} {self.file}"
        return f"To make them: {self._command('init')}"

    def _decrypt(self, sealed: bytes) -> Contents:
        import pyrage  # type: ignore[import-untyped]

        identity = find_identity(self.folder)
        contents: Contents | None = None
        reason = "not the secrets of an estate, or of a later version"
        try:
            contents = decode(pyrage.decrypt(sealed, identity.keys))
        except pyrage.DecryptError as error:
            reason = str(error)
        if contents is not None:
            return contents
        if "No matching keys" in reason:
            raise SecretsError(
                f"{self.file} is not encrypted to your identity ({identity.file}). Your public key is "
                f"{' '.join(identity.public)}: somebody who can open the file has to run "
                f"{self._command('add-recipient KEY NAME')}"
            )
        raise SecretsError(f"{self.file} is damaged ({reason}). Nothing was written. {self._way_back()}")

    def _alter(self, change: Callable[[Mapping[str, Entry]], Mapping[str, Entry]]) -> None:
        with self._alone():
            contents = self._contents(fresh=True)
            self._check_list(contents.recipients)
            changed = replace(contents, entries=change(contents.entries))
            if changed != contents:
                self._write(changed)

    def _check_list(self, sealed: Mapping[str, str], except_for: str = "") -> None:
        """Refuse to write while recipients.txt says something else than the file itself."""
        for name, key in sorted(sealed.items() ^ read_recipients(self.folder).items()):
            if name == except_for:
                continue
            state = "can open the secrets but is not in" if sealed.get(name) == key else "cannot open the secrets but is in"
            raise SecretsError(
                f"{name} ({key}) {state} {self.folder / RECIPIENTS}. Nothing was written. "
                f"If {name} is to open them: {self._command(f'add-recipient {key} {name!r}')}. "
                f"If not: {self._command(f'remove-recipient {name!r}')}"
            )

    def _readdress(self, contents: Contents, name: str) -> None:
        self._check_list(contents.recipients, except_for=name)
        self._write(contents)
        self._list(contents.recipients)

    def _list(self, people: Mapping[str, str]) -> None:
        sweep(self.folder / RECIPIENTS)
        write_whole(self.folder / RECIPIENTS, recipients_text(people).encode(), 0o644)

    def _write(self, contents: Contents) -> None:
        import pyrage

        least = 1 if contents.disposable else 2
        if len(contents.recipients) < least:
            raise SecretsError(
                f"Estate {self.folder.name} would have {len(contents.recipients)} recipients, and needs "
                f"{least}: you, and a copy sealed away elsewhere, for the day a disk is lost. "
                "Nothing was written. To make an identity: bin/secrets new-identity FILE. Then, with the key "
                "that it prints: "
                f"{self._command('add-recipient KEY NAME')}"
            )
        identity = find_identity(self.folder)
        if not {*identity.public} & {*contents.recipients.values()}:
            raise SecretsError(
                f"Your identity ({identity.file}, {' '.join(identity.public)}) would not be among the "
                "recipients, and you would lock yourself out. Nothing was written. To stay: "
                f"{self._command('add-recipient KEY NAME')}. To go: let another recipient remove you."
            )
        keys = [pyrage.x25519.Recipient.from_str(key) for key in contents.recipients.values()]
        sealed = pyrage.encrypt(encode(contents), keys)
        if self._decrypt(sealed) != contents:
            raise SecretsError(f"{self.file}: the new text does not decrypt to the same. Nothing was written.")
        sweep(self.file)
        if self.file.exists():
            write_whole(self.folder / PREVIOUS, self.file.read_bytes(), 0o600)
        write_whole(self.file, sealed, 0o600)
        self._read = None


def _checked(name: str) -> str:
    """Raises SecretsError for what cannot name a secret; it is not quoted, in case it is a value."""
    if re.fullmatch(NAME, name):
        return name
    raise SecretsError(
        "That is no name of a secret: up to 100 lower-case letters, digits and . _ / -, beginning with a "
        "letter or digit. Nothing was written."
    )
