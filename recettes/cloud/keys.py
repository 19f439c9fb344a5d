"""Who a machine is and who may come to it, before it is there: keys that the estate makes and keeps in its vault."""

from __future__ import annotations

import json
from pathlib import Path

from recettes.durable import write_whole
from recettes.secrets import Vault
from recettes.ssh_keys import new_private_key, public_half

ADMINISTRATOR_SECRET = "administrator-key"  # noqa: S105 -- its name
# Who logs in: the account of Debian's own images, made here whatever the image says.
USER = "debian"
_KEY_FILE = "administrator"
_HOST_KEYS = "host-key/"


def host_key_name(machine: str) -> str:
    return f"{_HOST_KEYS}{machine}"


def is_given_to_machines(secret: str) -> bool:
    """Whether machines get it when they are made, and no run brings them another."""
    return secret == ADMINISTRATOR_SECRET or secret.startswith(_HOST_KEYS)


def user_data(vault: Vault, machine: str) -> str:
    """What cloud-init gets: the account to log in as, and the host key: even the first connection is strict.

    Secret. Keys that are missing are made. Raises SecretsError.
    """
    host_key = vault.ensure(host_key_name(machine), make=new_private_key).reveal()
    account = {
        "name": USER,
        "shell": "/bin/bash",
        "lock_passwd": True,
        "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
        "ssh_authorized_keys": [administrator_key(vault)],
    }
    config = {
        "hostname": machine,
        "users": [account],
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        # With these no others are made: nobody could have compared them.
        "ssh_keys": {"ed25519_private": host_key, "ed25519_public": public_half(host_key)},
        # Nothing is installed and nothing upgraded: that is for the machine's own recipes.
        "package_update": False,
        # sudo complains of a host without a name. Once, and not by manage_etc_hosts: the file is the recipes' later.
        "runcmd": [["sh", "-c", 'getent hosts "$(hostname)" >/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts']],
    }
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"


def administrator_key(vault: Vault) -> str:
    """The public half of the key that the estate's machines let in at first; made when missing."""
    return public_half(vault.ensure(ADMINISTRATOR_SECRET, make=new_private_key).reveal())


def put_administrator_key(vault: Vault) -> None:
    """The private half as a file, where SSH wants it; made when missing."""
    _put(vault.folder, vault.ensure(ADMINISTRATOR_SECRET, make=new_private_key).reveal())


def put_known_administrator_key(vault: Vault) -> None:
    """The same on a second computer, or in a fresh checkout; nothing where there is no key yet, as before the first machine."""
    if vault.has(ADMINISTRATOR_SECRET):
        _put(vault.folder, vault.get(ADMINISTRATOR_SECRET).reveal())


def _put(folder: Path, key: str) -> None:
    file = key_file(folder)
    if not file.exists() or file.read_bytes() != key.encode():
        write_whole(file, key.encode(), 0o600)


def host_keys(vault: Vault, secrets: dict[str, str]) -> dict[str, list[str]]:
    """By machine, the public host keys; `secrets` are by machine the names under which the vault has the private ones."""
    return {name: [public_half(vault.get(secret).reveal())] for name, secret in secrets.items() if vault.has(secret)}


def key_file(folder: Path) -> Path:
    return folder / _KEY_FILE
