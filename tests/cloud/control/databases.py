"""The databases of all services, empty but for what they cannot start without; made once, then copied."""

from __future__ import annotations

import getpass
import grp
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from pathlib import Path

from recettes.recipes import ROOT
from tests.cloud.control.place import ADMIN, REGION, SERVICES, Place

_FOLDERS = ("databases", "keys")
_CELL = "cell1"


class ControlError(RuntimeError):
    """The control plane is not as needed; the message says where to look."""


def make_schemas(place: Place, python: Path, environment: Mapping[str, str]) -> None:
    """Half a minute: the services' own tools, one after another for each, side by side otherwise."""
    account = ("--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name)
    urls = [f"--bootstrap-{interface}-url={place.endpoint('keystone')}" for interface in ("admin", "public", "internal")]
    for folder in _FOLDERS:
        (place.folder / folder).mkdir()

    def tool(module: str, settings: str, *commands: Sequence[str]) -> Sequence[str]:
        file = ("--config-file", str(place.settings / settings))
        words = json.dumps([[*file, *command] for command in commands])
        return (str(python), "-m", "tests.cloud.control.tool", module, words)

    nova = tool(
        "nova.cmd.manage",
        "nova.conf",
        ("api_db", "sync"),
        ("cell_v2", "map_cell0", "--database_connection", place.connection("nova_cell0")),
        ("db", "sync"),
        ("cell_v2", "create_cell", "--name", _CELL),
    )
    keystone = tool(
        "keystone.cmd.manage",
        "keystone.conf",
        ("fernet_setup", *account),
        ("credential_setup", *account),
        ("db_sync",),
        ("bootstrap", f"--bootstrap-password={ADMIN}", f"--bootstrap-region-id={REGION}", *urls),
    )
    others = (
        tool("glance.cmd.manage", "glance-api.conf", ("db", "sync")),
        tool("cinder.cmd.manage", "cinder.conf", ("db", "sync")),
        (str(python), "-m", "tests.cloud.control.neutron_schema", place.connection("neutron")),
    )
    chains = ((nova,), (keystone,), others)
    with ThreadPoolExecutor(len(chains)) as together:
        for _ in together.map(_one_after_another, chains, repeat(environment)):
            pass
    for file in (place.folder / "databases").iterdir():
        with closing(sqlite3.connect(file)) as database:
            database.execute("pragma journal_mode=wal")  # readers never wait for a writer


def save(place: Place, template: Path) -> None:
    """Keep what `make_schemas` made, in a folder. No service may be running."""
    for folder in _FOLDERS:
        shutil.copytree(place.folder / folder, template / folder)


def restore(place: Place, template: Path) -> None:
    """Put it into another place, whose folder and ports are entered where the databases name them."""
    for folder in _FOLDERS:
        shutil.copytree(template / folder, place.folder / folder)
    with closing(sqlite3.connect(place.database("keystone"))) as database, database:
        for service, (kind, _) in SERVICES.items():
            database.execute(
                "update endpoint set url = ? where service_id in (select id from service where type = ?)",
                (place.endpoint(service), kind),
            )
    with closing(sqlite3.connect(place.database("nova_api"))) as database, database:
        for cell in ("cell0", _CELL):
            database.execute(
                "update cell_mappings set database_connection = ? where name = ?", (place.connection(f"nova_{cell}"), cell)
            )


def _one_after_another(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> None:
    for command in commands:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-20:])
            raise ControlError(f"{' '.join(command)} failed:\n{last}")
