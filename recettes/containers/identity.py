"""Who a machine is: its host keys and machine-id, made by the estate and put in before the first start."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from recettes.containers.cluster.settings import HOME, USER, USER_ID
from recettes.durable import write_whole

HOST_KEYS = ("ssh_host_ed25519_key", "ssh_host_rsa_key")
# Who may be the one that logs in: of a machine, and of a cluster.
HOMES = {"root": "/root", "debian": "/home/debian", USER: HOME}
_IDS = {"root": 0, "debian": 1000, USER: USER_ID}  # Debian's is the first account of a system, which the image makes
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
        files = [Member("/etc/machine-id", f"{self.machine_id}\n".encode(), 0o444)]
        for name, key in self.host_keys.items():
            files.append(Member(f"/etc/ssh/{name}", key.private, 0o600))
            files.append(Member(f"/etc/ssh/{name}.pub", f"{key.public}\n".encode(), 0o644))
        return archive_of(files)


def login_archive(user: str, public_key: str) -> bytes:
    """A tar that lets the key's owner in: as root, as `debian`, who may become root without a password, or as nobody special."""
    owner = _IDS[user]
    ssh = f"{HOMES[user]}/.ssh"
    files = [Member(ssh, None, 0o700, owner), Member(f"{ssh}/authorized_keys", f"{public_key}\n".encode(), 0o600, owner)]
    if user == "debian":
        files.append(Member(SUDOERS, f"{user} ALL=(ALL) NOPASSWD:ALL\n".encode(), 0o440))
    return archive_of(files)


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
class Member:
    """A file, or a folder, of root's or of another's by number."""

    path: str
    content: bytes | None  # None: a folder
    mode: int
    owner: int = 0


def archive_of(members: Iterable[Member]) -> bytes:
    """A tar, to unpack at `/`."""
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
