"""bin/render: every file of every machine as plain text, for people who do not read Python. No machine is touched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from recettes.blueprint import Blueprint
from recettes.declarations.base import DeclarationError
from recettes.estate import EstateError
from recettes.files import File, describe
from recettes.lab import load
from recettes.roles import blueprint_of


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
    except (EstateError, DeclarationError) as error:
        print(error, file=sys.stderr)
        return 1
    for name in lab.estate.machines:
        _machine(folder / name, blueprint_of(lab, name))
    print(f"{len(lab.estate.machines)} machines written below {folder}")
    return 0


def _machine(folder: Path, blueprint: Blueprint) -> None:
    files = dict(blueprint.files)
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


def _summary(blueprint: Blueprint, files: dict[str, File]) -> str:
    sections = {
        "Packages": sorted(blueprint.packages),
        "Accounts": [f"{name}: {account}" for name, account in sorted(blueprint.accounts.items())],
        "Units": [f"{name}: {'enabled and active' if unit.wanted else 'off'}" for name, unit in sorted(blueprint.units.items())],
        "Files": [f"{path}  {describe(file)}" for path, file in sorted(files.items())],
    }
    return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections.items()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
