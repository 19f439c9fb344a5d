"""What a command works with: settings, store, gates, and the batches that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .gate import Gate
from .refusal import RefusalError
from .settings import Settings
from .show import Bar
from .store import Batch, Store
from .words import say
from .work import Work


class CommandError(Exception):
    """Said to the person who typed the command."""


class Session:
    """The settings, the store, and gates that are opened when first needed and closed at the end."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self.store = Store(settings.state)
        stack.callback(self.store.close)
        self.bar = Bar()
        stack.callback(self.bar.end)
        self._stack = stack
        self._gates: dict[str, Gate] = {}
        self.work = Work(settings, self.store, self.gate, self.bar)

    def gate(self, cluster: str) -> Gate:
        """Raises RefusalError: a batch may be at a cluster that is declared no more, or under another name."""
        if cluster not in self.settings.clusters:
            raise RefusalError("undeclared", cluster)
        if cluster not in self._gates:
            self._gates[cluster] = self._stack.enter_context(Gate(self.settings.clusters[cluster], self.settings))
        return self._gates[cluster]

    def named(self, beginning: str) -> Batch:
        """The batch whose name begins so. Raises CommandError."""
        found = [batch for batch in self.store.batches() if batch.name.startswith((beginning, f"ocr-{beginning}"))]
        if len(found) != 1:
            names = " ".join(batch.name for batch in found)
            raise CommandError(say("several", name=beginning, names=names) if found else say("no batch", name=beginning))
        return found[0]

    @contextmanager
    def alone(self, batch: Batch) -> Iterator[Batch]:
        """The batch as it is now, while nobody else works on it. Raises BusyError."""
        with self.store.alone(batch.name):
            fresh = self.store.batch(batch.name)
            assert fresh
            yield fresh

    def alive(self) -> list[Batch]:
        return [batch for batch in self.store.batches() if batch.phase != "over"]
