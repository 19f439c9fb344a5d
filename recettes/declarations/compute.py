"""Machines for computing: what lies on them beside Debian's Python and vips."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from recettes.declarations.base import Declaration, unique, written_as
from recettes.declarations.ocr import KrakenWheels, OcrModel
from recettes.ocr.debian import PYTHON

# https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
Package = Annotated[
    str,
    written_as(
        r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]", "is not the name of a Debian package: lower-case letters, digits and + - . only"
    ),
]


class Compute(Declaration):
    """What every machine of group `compute` has; see docs/compute.md.

    - `kraken` "debian": torch and whatever else Debian has as its packages, the rest as wheels of requirements/kraken.txt, 70 MB.
      `KrakenWheels(version="3.13")`: all of it as wheels, 2.6 GB. None: no Kraken.
    - `models` are recognition models; they lie in /opt/kraken/models.
    - `packages` are further packages of Debian.
    """

    kraken: Literal["debian"] | KrakenWheels | None = "debian"
    models: tuple[OcrModel, ...] = ()
    packages: tuple[Package, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Compute:
        if isinstance(self.kraken, KrakenWheels):
            if self.kraken.modules:
                raise ValueError("kraken.modules are a cluster's; a machine of the lab's own has none")
            if self.kraken.python == "/usr/bin/python3" and self.kraken.version != PYTHON:
                raise ValueError(
                    f'kraken.version is {self.kraken.version}; /usr/bin/python3 there is {PYTHON}: version="{PYTHON}"'
                )
        if self.models and self.kraken is None:
            raise ValueError("models= are Kraken's, and kraken= is None")
        return self


def check_compute(compute: Compute | None) -> None:
    """Note what is wrong with the models taken together."""
    unique("model", compute.models if compute else ())
