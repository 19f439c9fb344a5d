"""The secrets that a machine needs exist: the estate's file, on this computer, holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from operations.engine import Commands, knowledge, record
from recettes.change import Change


class Made(PyinfraCommand):
    """Nothing is left to do: a run makes a secret when it first needs its value, before any machine is changed."""

    def __repr__(self) -> str:
        return "Made()"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        host.log("  kept in the estate's secrets", log_func=logger.debug)
        return True


@operation()
def secrets_made(names: Sequence[str]) -> Commands:
    """These random secrets were missing when the run began: a run has made them, a dry run says that it would."""
    if names and not knowledge().refused:
        record([Change("secrets", name, "make", "random") for name in names])
        yield Made()
