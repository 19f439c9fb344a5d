"""Dumps of the XML databases on demand: what bin/xmldb asks of a machine."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host

from facts.survey import Unread
from facts.xmldb_dumps import dumps_listed, intended
from operations.channel import as_whom
from operations.engine import bring, read, refuse, say
from recettes.shell import whole
from recettes.xmldb.tasks import Task


class Told(PyinfraCommand):
    """Runs the task. What the machine says of it is recorded, or why it failed."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def __repr__(self) -> str:
        return f"Told({self.task.title})"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        arguments = {**as_whom(connector_arguments), "_stdin": whole(self.task.command())}
        status, output = host.run_shell_command(StringCommand("sh", "-s"), print_output=False, **arguments)
        if output.stdout:
            say(output.stdout)
        if not status:
            host.log_styled(output.stderr, fg="red", log_func=logger.error)
            refuse(output.stderr or "the machine's answer was cut off")
        return bool(status)


@operation()
def task(wanted: Task) -> Generator[PyinfraCommand, None, None]:
    """The task is done, if the machine's program finds nothing against it."""
    part = intended(wanted)
    found = read(part)
    if not isinstance(found, Unread) and found.refusal:
        yield refuse(found.refusal)
        return
    yield from bring(part, lambda actual: actual.changes, lambda *_: [Told(wanted)], unchanged="nothing to do")


@operation(is_idempotent=False)
def told_dumps() -> Generator[PyinfraCommand, None, None]:
    """Only says which dumps there are."""
    found = read(dumps_listed())
    if isinstance(found, Unread):
        yield refuse(found.reason)
        return
    say(found)
    ctx_host.get().noop("nothing is changed by looking")
