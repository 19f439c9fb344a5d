"""bin/render: every file of every machine as plain text, for people who do not read Python. No machine is touched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from recettes import firewall, sshd
from recettes.accounts import Account
from recettes.authority import CertificateError
from recettes.blueprint import Blueprint
from recettes.declarations.base import DeclarationError
from recettes.estate import EstateError
from recettes.files import File, describe, text
from recettes.lab import LabView, load
from recettes.roles import blueprint_of, rules_of, sshd_config_of
from recettes.secrets import SecretsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 not done."""
    parser = argparse.ArgumentParser(
        prog="bin/render", description="Write every file of every machine below FOLDER; secrets are left out."
    )
    parser.add_argument("folder", type=Path, help="a new or empty folder")
    folder: Path = parser.parse_args(arguments).folder
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} is not empty; nothing was written.", file=sys.stderr)
        return 1
    try:
        lab = load()
        machines = {
            name: (blueprint_of(lab, name), _on_trial(lab, name)) for name, one in lab.estate.machines.items() if not one.foreign
        }
    except (EstateError, DeclarationError, SecretsError, CertificateError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, (blueprint, on_trial) in machines.items():
        _machine(folder / name, blueprint, on_trial)
    print(f"{len(machines)} machines written below {folder}")
    return 0


def _on_trial(lab: LabView, name: str) -> dict[str, File]:
    """What is only saved after a trial, and so is in no blueprint."""
    return {
        firewall.SAVED: text(firewall.render(rules_of(lab, name)), mode=0o600),
        sshd.SAVED: text(sshd_config_of(lab, name), mode=0o600),
        sshd.DROP_IN: text(sshd.drop_in()),
    }


def _machine(folder: Path, blueprint: Blueprint, more: dict[str, File]) -> None:
    files = {**blueprint.files, **more}
    for tree in blueprint.trees.values():
        files |= tree.wanted()
    folder.mkdir(parents=True)
    for path, file in sorted(files.items()):
        _file(folder / path.lstrip("/"), file)
    (folder / "MACHINE").write_text(_summary(blueprint, files), encoding="utf-8")


def _file(place: Path, file: File) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.link is not None:
        place.symlink_to(file.link)
    elif file.content is None:
        place.mkdir(exist_ok=True)
    elif file.secret:
        place.write_text("(secret)\n", encoding="utf-8")
    else:
        place.write_bytes(file.content)


def _account(name: str, account: Account) -> str:
    groups = f", in {', '.join(sorted(account.groups))}" if account.groups else ""
    until = f", until {account.until}" if account.until else ""
    return f"{name}: {'service' if account.system else 'person'}, home {account.home}, shell {account.shell}{groups}{until}"


def _summary(blueprint: Blueprint, files: dict[str, File]) -> str:
    sections = {
        "Packages": sorted(blueprint.packages),
        "Accounts": [_account(name, account) for name, account in sorted(blueprint.accounts.items())],
        "Units": [f"{name}: {'enabled and active' if unit.wanted else 'off'}" for name, unit in sorted(blueprint.units.items())],
        "Files": [f"{path}  {describe(file)}" for path, file in sorted(files.items())],
    }
    return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections.items()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
