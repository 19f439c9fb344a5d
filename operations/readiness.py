"""A machine may be changed, or the run stops here before anything changes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host

from facts.readiness import Sudo, readiness
from facts.survey import Part, Unread
from operations.engine import Script, begun, bring, read, refuse, taken
from recettes.readiness import Readiness, no_sudo, plan_ready, ready_script, refusals, warnings


def ready_part() -> Part[Readiness]:
    """What `ready` reads; for the survey."""
    return readiness()


@operation()
def ready(release: str) -> Generator[PyinfraCommand, None, None]:
    """The machine runs the one release, as root, with room to work; what a run that died left is removed."""
    host = ctx_host.get()
    begun()
    why = _without_root(host) or taken()
    state = read(readiness()) if why is None else Unread(why)
    if isinstance(state, Readiness):
        why = "; ".join(refusals(state, release)) or None
    if why:
        yield refuse(f"{why}. Nothing was changed on this machine.")
        return
    if isinstance(state, Readiness):
        for warning in warnings(state):
            host.log_styled(f"  note: {warning}", fg="yellow", log_func=logger.warning)
    yield from bring(
        readiness(),
        plan_ready,
        lambda actual, _: [Script("left-overs of a run that died", ready_script(actual))],
        unchanged="ready",
    )


def _without_root(host: Host) -> str | None:
    """Asked before anything else: sudo's own words reach nobody, pyinfra would ask for a password, where nobody may sit."""
    arguments: Mapping[str, Any] = host.current_op_global_arguments or {}
    if not arguments.get("_sudo") or arguments.get("_sudo_password") or host.connector_data.get("prompted_sudo_password"):
        return None
    said: str = host.get_fact(Sudo, _sudo=False)
    return no_sudo(str(host.data.get("ssh_user") or "the account"), said) if said else None
