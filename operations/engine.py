"""How every operation of ours works: read, refuse what could not be read, plan, record all of the plan, and only then change."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from facts.survey import Part, Reader, Unread
from operations.hold import hold
from recettes.change import Change
from recettes.record import RECORD, Record, append
from recettes.shell import whole

T = TypeVar("T")
Commands = Generator[PyinfraCommand, None, None]


class Refusal(PyinfraCommand):
    """A command that fails: it stops this host with a sentence, and no other."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why

    def __repr__(self) -> str:
        return f"Refusal({self.why})"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        host.log_styled(f"refused: {self.why}", fg="red", log_func=logger.error)
        return False


class Script(StringCommand):
    """Shell lines for the machine, sent on standard input; shown by what they are for, never by what they hold."""

    def __init__(self, purpose: str, script: str, **arguments: Any) -> None:
        super().__init__("sh", "-s", _stdin=whole(script), **arguments)
        self.purpose = purpose

    def __repr__(self) -> str:
        return f"Script({self.purpose})"


class Knowledge:
    """What this run knows of one host.

    `pending` are paths that operations of this run write or remove: path -> SHA-256 that it will have, "new" where that cannot
    be known before, None where it goes away. It makes a dry run see what the real run will see. `refused`: nothing more is
    planned for this machine, as nothing more will be done on it.
    """

    def __init__(self, executing: bool, announced: Mapping[str, Part[Any]] | None = None) -> None:
        self.executing = executing
        self.reader = Reader(announced)
        self.pending: dict[str, str | None] = {}
        self.changed = False
        self.refused = False


_known: WeakKeyDictionary[Host, Knowledge] = WeakKeyDictionary()


def knowledge() -> Knowledge:
    """Of the host in context. What was seen while preparing is not believed any more when executing."""
    host, executing = ctx_host.get(), bool(ctx_state.get().is_executing)
    known = _known.get(host)
    if known is None or known.executing != executing:
        known = _known[host] = Knowledge(executing, known.reader.announced if known else None)
    return known


def announce(parts: Iterable[Part[Any]]) -> None:
    """The operations that follow will ask for these parts: one exec reads them all."""
    knowledge().reader.announce(parts)


def first_time(deploy: str) -> bool:
    """Whether this deploy file has not been loaded yet for the host in context: several others include it."""
    loaded: set[str] = ctx_host.get().connector_data.setdefault("recettes_deploys", set())
    new = deploy not in loaded
    loaded.add(deploy)
    return new


def pending() -> Mapping[str, str | None]:
    """Paths that earlier operations of this run write, see Knowledge."""
    return knowledge().pending


def taken() -> str | None:
    """Why this machine may not be changed now, None when it is ours. Only asked when something could change."""
    host, state = ctx_host.get(), ctx_state.get()
    if not state.is_executing:
        return None
    return hold(state, host, dict(host.current_op_global_arguments or {}))


def read(part: Part[T]) -> T | Unread:
    """The part as it is on the host in context, from the survey where nothing has changed since."""
    if knowledge().refused:
        return Unread("the machine was refused")
    return knowledge().reader.read(ctx_host.get(), part)


def learn(part: Part[Any], lines: list[str], status: int) -> None:
    """The part of the host in context was read already, otherwise than by a survey: known until something changes."""
    knowledge().reader.learn(part, lines, status)


def bring(
    part: Part[T],
    plan: Callable[[T], Sequence[Change]],
    apply: Callable[[T, Sequence[Change]], Iterable[PyinfraCommand]],
    *,
    unchanged: str,
    writes: Callable[[T, Sequence[Change]], Mapping[str, str | None]] | None = None,
) -> Commands:
    """Bring one subsystem from what `part` reads to what `plan` wants.

    `plan` is pure and names every change. `apply` gives the commands that make them; it is asked only when there are changes.
    `writes` says which paths the changes will write (see Knowledge.pending), for the operations that come after.
    """
    host = ctx_host.get()
    if knowledge().refused:
        return
    if why := taken():
        yield refuse(why)
        return
    actual = read(part)
    if isinstance(actual, Unread):
        yield refuse(f"{actual.reason}. Nothing was changed by this step, and nothing more is changed on this machine.")
        return
    changes = plan(actual)
    if not changes:
        host.noop(unchanged)
        return
    record(changes)
    if writes:
        knowledge().pending.update(writes(actual, changes))
    knowledge().reader.forget()
    yield from apply(actual, changes)


def record(changes: Sequence[Change]) -> None:
    """Show the changes to the administrator, and append them to the record where one is asked for."""
    knowledge().changed = True
    host, state = ctx_host.get(), ctx_state.get()
    show_diff = state.config.DIFF and not (state.is_executing and state.check_for_changes)
    for change in changes:
        host.log(f"  {change}")
        for line in change.diff if show_diff else ():
            host.log_styled(f"    {line}", fg=_colour(line))
    _append([Record(host.name, _phase(), change) for change in changes])


def refuse(why: str) -> Refusal:
    """The command that stops this machine here; the reason is shown and recorded now, in a dry run too, the first one only."""
    host = ctx_host.get()
    if knowledge().refused:
        return Refusal(why)
    knowledge().refused = True
    if not ctx_state.get().is_executing:
        host.log_styled(f"  would be refused: {why}", fg="red", log_func=logger.error)
    _append([Record(host.name, _phase(), refusal=why)])
    return Refusal(why)


def say(what: str) -> None:
    """Show and record what the machine answers; nothing was changed by that."""
    for line in what.splitlines():
        ctx_host.get().log(f"  {line}")
    _append([Record(ctx_host.get().name, _phase(), said=what)])


def begun() -> None:
    """Record that this machine answers and is read."""
    _append([Record(ctx_host.get().name, _phase())])


def _phase() -> str:
    return "run" if ctx_state.get().is_executing else "plan"


def _append(records: list[Record]) -> None:
    if target := os.environ.get(RECORD):
        append(Path(target), records)


def _colour(line: str) -> str | None:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
