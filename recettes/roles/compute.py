"""A machine for computing, as the lab wants it."""

from __future__ import annotations

from pathlib import PurePosixPath

from recettes.blueprint import Blueprint
from recettes.compute.kraken import CURRENT, HOME, MODELS, Kraken
from recettes.compute.work import work
from recettes.declarations.compute import Compute
from recettes.declarations.ocr import KrakenWheels
from recettes.files import File, folder
from recettes.ocr.debian import PLATFORMS, PROVIDED, PYTHON, PYTHON_PACKAGES
from recettes.ocr.declared import large_of, venv_of

_COMMANDS = ("kraken", "ketos")


def compute(wanted: Compute | None) -> Blueprint:
    """Kraken's environment and models are not in it; empty where the lab declares no computing."""
    if wanted is None:
        return Blueprint()
    packages = frozenset(wanted.packages)
    if wanted.kraken is None:
        return work() + Blueprint(packages=packages)
    return work() + Blueprint(
        packages=packages | (frozenset(PYTHON_PACKAGES) if wanted.kraken == "debian" else frozenset()),
        files={
            HOME: folder(),
            **({MODELS: folder()} if wanted.models else {}),
            **{f"/usr/local/bin/{name}": File(link=f"{CURRENT}/bin/{name}") for name in _COMMANDS},
        },
    )


def kraken_of(wanted: Compute | None) -> Kraken:
    """Raises ContentsError: a file that is declared and not there, or another one than declared."""
    if wanted is None or wanted.kraken is None:
        return Kraken()
    wheels = wanted.kraken
    if wheels == "debian":
        wheels = KrakenWheels(version=PYTHON, platforms=PLATFORMS, provided=PROVIDED)
    models = {
        f"{MODELS}/{model.name}{PurePosixPath(model.file).suffix}": large_of(model.file, model.sha256) for model in wanted.models
    }
    return Kraken(venv_of(wheels), models)
