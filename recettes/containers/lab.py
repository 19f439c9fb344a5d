"""bin/try: a whole lab in containers on this computer, made when there is none, brought up to date when there is."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from recettes.containers.estate import ContainersEstate
from recettes.containers.waiting import ContainersError
from recettes.declarations.base import DeclarationError
from recettes.estate import CHOICE, DEFAULT, FOLDER, GROUPS, read_estate
from recettes.gather import Wishes, gather
from recettes.lab import declarations
from recettes.recipes import ROOT
from recettes.record import RECORD, read_records
from recettes.secrets import SecretsError, Vault

READY = ("web", "xmldb")  # the machine types that have a deploy
CLUSTER = ("images", "hpc")  # and these, whose image takes minutes to make


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 when the lab runs, 1 when it does not."""
    parser = argparse.ArgumentParser(prog="bin/try", description="A whole lab in containers on this computer.")
    parser.add_argument("machine", nargs="*", help=f"which machines, of {', '.join(GROUPS)} (default: {', '.join(READY)})")
    parser.add_argument(
        "--cluster",
        action="store_true",
        help=f"also {' and '.join(CLUSTER)}: somebody's cluster with Slurm and Kraken (its image takes minutes the first time)",
    )
    parser.add_argument("--remove", action="store_true", help="remove the containers and the estate, with all that is in them")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.machine) - set(GROUPS):
        parser.error(f"there is no machine type {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    logging.basicConfig(format="-- %(message)s")
    logging.getLogger("recettes").setLevel(logging.INFO)
    folder = Path(os.environ.get(FOLDER) or ROOT / "estates") / DEFAULT
    try:
        if asked.remove:
            ContainersEstate(folder, []).remove()
            say("removed")
            return 0
        wishes = gather(declarations())  # a mistake is better known before containers are made
        names = asked.machine or READY
        return _try(folder, [*names, *(name for name in CLUSTER if asked.cluster and name not in names)], wishes)
    except (ContainersError, DeclarationError, SecretsError) as error:
        print(error, file=sys.stderr)
        return 1


def _try(folder: Path, names: Sequence[str], wishes: Wishes) -> int:
    started = time.monotonic()
    say(f"machines in containers: {', '.join(names)}")
    ContainersEstate(folder, names).make()
    Vault.disposable(folder)
    say("pyinfra inventory.py deploys/lab.py -y")
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch, "record")
        variables = {**os.environ, CHOICE: DEFAULT, FOLDER: str(folder.parent), RECORD: str(record), "PYINFRA_PROGRESS": "off"}
        command = [str(ROOT / ".venv/bin/python"), "-m", "pyinfra", "inventory.py", "deploys/lab.py", "-y"]
        run = subprocess.run(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, check=False)
        changes = sum(record.change is not None for record in read_records(record))
    if run.returncode:
        print("The lab is not complete; what stopped it is said above. bin/try goes on where it stopped.", file=sys.stderr)
        return 1
    _show(folder, wishes)
    say(f"{changes} changes, {time.monotonic() - started:.0f} s")
    return 0


def _show(folder: Path, wishes: Wishes) -> None:
    """Where to look, and how to make this computer's browser find it."""
    estate = read_estate(folder)
    if all(estate.of_group(group) for group in CLUSTER) and wishes.lab.ocr:
        _show_cluster(folder, estate.of_group("images")[0].name, wishes.lab.ocr.models[0].name)
    web = estate.of_group("web")
    if not web or not wishes.sites:
        return
    address, first = web[0].address, wishes.sites[0].host
    authority = folder / "authority.pem"
    print()
    for site in wishes.sites:
        print(f"  https://{site.host}/")
    print(f"""
To open them in a browser, add this line to /etc/hosts, and trust the authority in {authority}:
  {address} {" ".join(name for site in wishes.sites for name in site.names)}
Or without that:
  curl --cacert {authority} --resolve {first}:443:{address} https://{first}/
Log in:""")
    for name in estate.machines:
        print(f"  ssh -F {folder}/ssh_config {name}")


def _show_cluster(folder: Path, images: str, model: str) -> None:
    """A page that goes to the cluster and comes back, in two lines to copy."""
    ssh = f"ssh -F {folder}/ssh_config {images}"
    print(f"""
To have a page recognised on the cluster (a batch is asked after every two minutes):
  {ssh} 'install -d -o ocr /srv/ocr/try && cat >/srv/ocr/try/page.png' <{ROOT}/recettes/ocr/trial.png
  {ssh} 'cd / && runuser -u ocr -- ocr submit /srv/ocr/try --model {model} --watch && cat /srv/ocr/try/page.xml'""")


def say(what: str) -> None:
    print(f"-- {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
