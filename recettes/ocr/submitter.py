"""The program that sends pages to the clusters: its account, key, settings, and whom it believes to be a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from recettes.accounts import Account
from recettes.blueprint import Blueprint
from recettes.declarations.flows import SSH_PORT
from recettes.declarations.ocr import Ocr
from recettes.files import File, folder, text
from recettes.ocr import names
from recettes.ocr.queue import QUEUE_SETTINGS, queue_files, queue_units
from recettes.recipes import ROOT
from recettes.secret_values import Secret
from recettes.ssh_keys import private_key

SOURCE = ROOT / "programs/ocr"
LIBRARY = "/usr/local/lib/recettes/ocr"
# A batch is asked after once in so many seconds: a cluster's people do not like to be asked more often.
FLOOR_SECONDS = 120
# What failed is tried once more; a second failure is told.
ATTEMPTS = 2

_START = f"""#!/bin/sh
# Managed by recettes. As the account that has the key: sudo -u {names.ACCOUNT} ocr
exec /usr/bin/python3 -IB {LIBRARY} "$@"
"""
_NOT_MADE_YET = "Will be made by the run that writes this file.\n"


@dataclass(frozen=True)
class Reached:
    """A cluster as the submitter reaches it. `host_keys` as in known_hosts, without names."""

    name: str
    host: str
    port: int
    user: str
    host_keys: tuple[str, ...]
    interactive: bool

    @property
    def address(self) -> str | None:
        """None where only the name is known."""
        try:
            return str(ip_address(self.host))
        except ValueError:
            return None


def submitter(clusters: Sequence[Reached], *, name: str, projects: Mapping[str, str], key: Secret | None) -> Blueprint:
    """The blueprint. `name` is this submitter's, `projects` their clusters; `key` is KEY_SECRET, None until an apply makes it."""
    own = folder(names.ACCOUNT, names.ACCOUNT, 0o700)
    known = "".join(f"{_place(one)} {host_key}\n" for one in clusters for host_key in one.host_keys)
    files: dict[str, File] = {
        **{f"{LIBRARY}/{path}": text(content) for path, content in _sources().items()},
        names.PROGRAM: text(_START, mode=0o755),
        names.SUBMITTER_SETTINGS: text(json.dumps(_settings(clusters, name, projects), indent=1) + "\n"),
        names.KNOWN_HOSTS: text(known),
        names.KEY_FOLDER: own,
        names.KEY: File(
            (private_key(key) if key else _NOT_MADE_YET).encode(), names.ACCOUNT, names.ACCOUNT, mode=0o600, secret=True
        ),
        names.STATE: own,
        **queue_files([one.address for one in clusters]),
    }
    return Blueprint(
        packages=frozenset({"python3", "openssh-client"}),
        accounts={names.ACCOUNT: Account(home=names.KEY_FOLDER)},
        files=files,
        units=queue_units(),
    )


def projects_of(ocr: Ocr, projects: Sequence[str]) -> dict[str, str]:
    """Which cluster recognises each project's pages; empty where none is charged to a project, and nobody has to name one."""
    if not any(cluster.projects for cluster in ocr.clusters):
        return {}
    return {project: cluster.name for project in sorted(projects) if (cluster := ocr.cluster_of(project))}


def _settings(clusters: Sequence[Reached], name: str, projects: Mapping[str, str]) -> dict[str, Any]:
    return {
        "submitter": name,
        "clusters": {
            one.name: {"host": one.host, "port": one.port, "user": one.user, "interactive": one.interactive} for one in clusters
        },
        "projects": dict(projects),
        "key": names.KEY,
        "known_hosts": names.KNOWN_HOSTS,
        "state": names.STATE,
        "floor_seconds": FLOOR_SECONDS,
        "attempts": ATTEMPTS,
        "queue": QUEUE_SETTINGS,
    }


def _place(cluster: Reached) -> str:
    """As sshd(8) says, "SSH_KNOWN_HOSTS FILE FORMAT"."""
    return cluster.host if cluster.port == SSH_PORT else f"[{cluster.host}]:{cluster.port}"


def _sources() -> dict[str, str]:
    return {str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}
