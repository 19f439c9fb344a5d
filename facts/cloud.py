"""What there is in the project of a cloud. Read by the controller, for which the cloud is one host more."""

from __future__ import annotations

import json

from facts.survey import Part
from recettes.cloud.actual import CloudState
from recettes.cloud.client import begun, script
from recettes.cloud.understanding import understand


def cloud_state() -> Part[CloudState]:
    """All listings, read at the same time by a program of the controller. Source: the services' APIs."""
    return Part("cloud", script("reading"), _parse)


def read_ahead() -> tuple[list[str], int] | None:
    """What that program printed, and its exit status, where this run began it before it knew what else there is to do."""
    if (ended := begun("reading")) is None:
        return None
    status, output = ended
    return output.splitlines(), status


def _parse(lines: list[str]) -> CloudState:
    try:
        return understand(json.loads(lines[-1]))
    except TypeError as error:
        raise ValueError(str(error)) from None
