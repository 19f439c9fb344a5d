"""Who a machine is: its host keys and machine-id, made by the estate and put in before the first start."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from recettes.durable import write_whole

HOST_KEYS = ("ssh_host_ed25519_key", "ssh_host_rsa_key")
HOMES = {"root": "/root", "debian": "/home/debian"}
DEBIAN_ID = 1000  # the first account of a Debian system, which the image makes
SUDOERS = "/etc/sudoers.d/90-cloud-init-users"  # the name cloud-init gives it on Debian's cloud images


@dataclass(frozen=True)
class KeyPair:
    """Both halves in OpenSSH's format; `public` is one line without comment."""

    private: bytes = field(repr=False)
    public: str


@dataclass(frozen=True)
class Identity:
    """The host keys by file name."""

    host_keys: Mapping[str, KeyPair]

    @property
    def public_keys(self) -> list[str]:
        return [key.public for key in self.host_keys.values()]

    @property
    def machine_id(self) -> str:
        """32 hex digits, the machine's own as long as its keys are."""
        return hashlib.sha256("\n".join(self.public_keys).encode()).hexdigest()[:32]

    def archive(self) -> bytes:
        """A tar of the files that carry the identity, to unpack at `/`."""
        files = [_Member("/etc/machine-id", f"{self.machine_id}\n".encode(), 0o444)]
        for name, key in self.host_keys.items():
            files.append(_Member(f"/etc/ssh/{name}", key.private, 0o600))
            files.append(_Member(f"/etc/ssh/{name}.pub", f"{key.public}\n".encode(), 0o644))
        return _tar(files)


def login_archive(user: str, public_key: str) -> bytes:
    """A tar that lets the key's owner in: as root, or as `debian`, who may then become root without a password."""
    owner = 0 if user == "root" else DEBIAN_ID
    ssh = f"{HOMES[user]}/.ssh"
    files = [_Member(ssh, None, 0o700, owner), _Member(f"{ssh}/authorized_keys", f"{public_key}\n".encode(), 0o600, owner)]
    if user != "root":
        files.append(_Member(SUDOERS, f"{user} ALL=(ALL) NOPASSWD:ALL\n".encode(), 0o440))
    return _tar(files)


def kept_key(path: Path) -> KeyPair:
    """The key whose private half is in the file, made at the first call; its public half lies beside it."""
    public = path.with_name(f"{path.name}.pub")
    if not path.exists():
        key = _new_key(path.name)
        keep(public, f"{key.public}\n".encode(), 0o644)
        keep(path, key.private, 0o600)  # last: a key is there when this file is
    return KeyPair(path.read_bytes(), public.read_text().strip())


def keep(path: Path, content: bytes, mode: int) -> None:
    """Write the file in one step, with its mode from the start, unless it holds just that."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, content, mode)


@dataclass(frozen=True)
class _Member:
    path: str
    content: bytes | None  # None: a folder
    mode: int
    owner: int = 0


def _tar(members: list[_Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            entry = tarfile.TarInfo(member.path.lstrip("/"))
            entry.type = tarfile.DIRTYPE if member.content is None else tarfile.REGTYPE
            entry.mode, entry.uid, entry.gid = member.mode, member.owner, member.owner
            entry.size = len(member.content or b"")
            tar.addfile(entry, io.BytesIO(member.content or b""))
    return buffer.getvalue()


def _new_key(name: str) -> KeyPair:
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=4096) if "rsa" in name else ed25519.Ed25519PrivateKey.generate()
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return KeyPair(private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
