"""Certificates of ACME are asked for, once nginx serves the challenges; what no site wants any more goes away."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from facts.certificates import certificate_states
from operations.engine import Script, bring
from recettes.acme import Acme, plan_acme, removal_script, request_script, requested
from recettes.certificates import Certificate
from recettes.change import Change


class Requests(Script):
    """Asks the ACME server, and tells the administrator what it said: one sentence for each site."""

    def execute(self, state: State, host: Host, connector_arguments: Any) -> Any:
        status, output = super().execute(state, host, connector_arguments)
        for line in output.stdout_lines:
            host.log_styled(line, fg="green")
        for line in output.stderr_lines if status else []:  # of a failure pyinfra shows them itself
            host.log_styled(line, fg="yellow", log_func=logger.warning)
        return status, output


@operation()
def acme(wanted: Sequence[Certificate], settings: Acme) -> Generator[PyinfraCommand]:
    """Sites that want one have the ACME server's certificate, or keep what they have and the reason is said.

    To be called on every machine with sites, whoever issues their certificates: it also removes those of dropped sites.
    """
    yield from bring(
        certificate_states(),
        lambda actual: plan_acme(actual, wanted, settings, datetime.now(UTC)),
        lambda _, changes: _apply(changes),
        unchanged="ACME certificates as wanted",
    )


def _apply(changes: Sequence[Change]) -> Generator[PyinfraCommand]:
    if removal := removal_script(changes):
        yield Script("certificates of dropped sites", removal)
    if names := requested(changes):
        yield Requests(f"{len(names)} certificates from the ACME server", request_script(names))
