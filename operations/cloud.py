"""The cloud has what the estate wants: machines, volumes, network and security groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from facts.cloud import cloud_state, read_ahead
from facts.survey import Unread
from operations.channel import as_whom
from operations.engine import Commands, begun, bring, learn, read, refuse, say
from recettes.cloud.actual import CloudState
from recettes.cloud.client import script
from recettes.cloud.draft import CloudPlan
from recettes.cloud.keys import put_administrator_key, user_data
from recettes.cloud.life.asked import Asked
from recettes.cloud.life.plan import plan_life
from recettes.cloud.plan import plan_cloud
from recettes.cloud.steps import Step
from recettes.cloud.wanted import WantedCloud
from recettes.secrets import SecretsError, Vault
from recettes.shell import quote

LOCK = "cloud.lock"


class Applied(PyinfraCommand):
    """Does the steps, in a program of the controller. What they need of secrets goes by standard input, made only now."""

    def __init__(self, plan: CloudPlan, vault: Vault) -> None:
        super().__init__()
        self.plan, self.vault = plan, vault

    def __repr__(self) -> str:
        return f"Applied({len(self.plan.steps)} steps)"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        try:
            given = json.dumps(self._given())
        except (SecretsError, OSError) as error:
            host.log_styled(f"refused: {error}", fg="red", log_func=logger.error)
            refuse(str(error))
            return False
        arguments = {**as_whom(connector_arguments), "_stdin": given}
        status, output = host.run_shell_command(
            StringCommand("sh", "-c", quote(script("applying"))), print_output=True, **arguments
        )
        problems = [line for line in output.stdout_lines if line.startswith(("failed ", "left "))]
        if not status:
            words = "; ".join(problems) or output.stderr.strip()[-300:] or "the cloud's client was ended"
            host.log_styled(words, fg="red", log_func=logger.error)
            refuse(f"not everything was done: {words}. The next run goes on from here")
        return bool(status)

    def _given(self) -> dict[str, Any]:
        machines = [step.mark.item for step in self.plan.steps if step.mark.kind == "server" and "flavor" in step.arguments]
        if machines:
            put_administrator_key(self.vault)
        return {
            "steps": [asdict(step) for step in self.plan.steps],
            "ids": dict(self.plan.ids),
            "user_data": {name: user_data(self.vault, name) for name in machines},
            "lock": str(self.vault.folder / LOCK),
        }


@operation()
def cloud(wanted: WantedCloud, vault: Vault, purge: Collection[str] = ()) -> Commands:
    """Everything declared is there and as declared; what is not declared any more is named, and stays until it is purged."""
    yield from bring_cloud(lambda state: plan_cloud(state, wanted, purge), vault)


@operation()
def cloud_life(wanted: WantedCloud, vault: Vault, asked: Asked) -> Commands:
    """What is asked for of one machine or volume is done."""
    yield from bring_cloud(lambda state: plan_life(state, wanted, asked), vault)


def bring_cloud(plan: Callable[[CloudState], CloudPlan], vault: Vault) -> Commands:
    """Do what `plan` says, of the cloud as it is read."""
    begun()
    part = cloud_state()
    if ahead := read_ahead():
        learn(part, *ahead)
    actual = read(part)
    if isinstance(actual, Unread):
        yield refuse(f"{actual.reason.rstrip('.')}. Nothing was changed in the cloud")
        return
    planned = plan(actual)
    state = ctx_state.get()
    if not (state.is_executing and state.check_for_changes):  # else they were said while preparing
        for note in planned.notes:
            say(note)
    refusals = [*planned.refusals, *_without_vault(planned.steps, vault)]
    if refusals:
        why = [*refusals, *planned.obstacles]
        yield refuse(f"{'; '.join(one.rstrip('.') for one in why)}. Nothing was begun")
        return
    yield from bring(
        part,
        lambda state: [step.change for step in plan(state).steps],
        lambda state, _: [Applied(plan(state), vault)],
        unchanged="the cloud is as wanted",
    )
    if planned.obstacles:
        yield refuse(f"{'; '.join(planned.obstacles)}. The rest goes on without it")


def _without_vault(steps: Sequence[Step], vault: Vault) -> list[str]:
    """Why no machine could be made: its keys would have no place."""
    if any("flavor" in step.arguments for step in steps):
        try:
            vault.entries()
        except SecretsError as error:
            return [str(error)]
    return []
