"""Who we are, which clusters there are, and where things lie: one JSON file, read as a whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

DEFAULT = Path("/etc/recettes/ocr.json")
# What stands on ssh's command line: nothing that it could take for an option.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")


class SettingsError(Exception):
    """The settings cannot be used; nothing was done."""


@dataclass(frozen=True)
class Cluster:
    """An account behind a gate. `interactive`: after the key it asks an empty keyboard-interactive question."""

    name: str
    host: str
    user: str
    port: int = 22
    interactive: bool = True


@dataclass(frozen=True)
class Queue:
    """Images dropped below `folder` are recognised, the results come below `results`.

    A file is taken once it has not changed for `settle_seconds`; files wait up to `gather_seconds` for others to share a job
    with, or until there are `gather_pages`.
    """

    folder: Path
    results: Path
    settle_seconds: int
    gather_seconds: int
    gather_pages: int


@dataclass(frozen=True)
class Settings:
    """`submitter` is part of every batch's name, so that two submitters never mean one batch.

    `projects` says which cluster recognises a project's pages; empty: the first cluster recognises all. A batch is asked after
    at most once in `floor_seconds`, and gets at most `attempts` jobs.
    """

    submitter: str
    clusters: Mapping[str, Cluster]
    projects: Mapping[str, str]
    key: Path
    known_hosts: Path
    state: Path
    floor_seconds: int
    attempts: int
    queue: Queue | None

    def cluster(self, project: str | None) -> Cluster:
        """The cluster that recognises the project's pages. Raises SettingsError."""
        if not self.projects:
            return next(iter(self.clusters.values()))
        if project and project in self.projects:
            return self.clusters[self.projects[project]]
        raise SettingsError(f"--project: is one of {', '.join(sorted(self.projects))}; it says who pays. Nothing was sent.")


def read_settings(file: Path) -> Settings:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        clusters = {name: _made(Cluster, {"name": name, **entry}) for name, entry in raw["clusters"].items()}
        queue = raw["queue"] and _made(Queue, {**raw["queue"], "folder": Path(raw["queue"]["folder"]),
                                               "results": Path(raw["queue"]["results"])})  # fmt: skip
        paths = {name: Path(raw[name]) for name in ("key", "known_hosts", "state")}
        settings: Settings = _made(Settings, {**raw, **paths, "clusters": clusters, "queue": queue})
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}. Nothing was done.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(f"{file}: {error!r}. Nothing was done.") from None
    for cluster in clusters.values():
        if wrong := [word for word in (cluster.name, cluster.host, cluster.user) if not _WORD.fullmatch(word)]:
            raise SettingsError(f"{file}: {wrong[0]!r} is no host or account. Nothing was done.")
    state = settings.state
    if state.exists() and state.stat().st_uid != os.geteuid():
        # What root wrote there, its owner could not go on with.
        raise SettingsError(f"{state} is for its owner alone: sudo -u {state.owner()} ocr … Nothing was done.")
    if not clusters or set(settings.projects.values()) - set(clusters):
        raise SettingsError(f"{file}: a project is given to a cluster that is not there. Nothing was done.")
    return settings


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    if unknown := sorted(values.keys() - {field.name for field in fields(kind)}):
        raise ValueError(f"{unknown[0]} is not known")
    return kind(**values)
