"""One run of the queue, as a timer starts it: brings on what is under way, then takes what was dropped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .drops import Drops, portions
from .gate import Gate, number_of, texts_of
from .refusal import MEANINGS, RefusalError
from .settings import Queue, Settings
from .show import summary
from .store import Batch, BusyError, Drop, Hold, Store
from .words import both, explain
from .work import Work

_DAY = 86400
_MEGA = 1_000_000
_LIMITS = ("pages", "page_bytes", "batch_bytes", "pages_a_day", "batches")


def run_queue(settings: Settings, queue: Queue, store: Store, work: Work, gates: Callable[[str], Gate]) -> bool:
    """Whether a person has to do something; what it is stands on standard error. Raises BusyError when another run is at it."""
    with store.alone("queue"):
        run = _Run(settings, queue, store, work, gates)
        run.bring_on()
        run.take()
        failed = run.drops.tell()
        if failed:
            print(f"{failed} files in the queue are not recognised; {queue.results} says which and why", file=sys.stderr)
        return run.troubled()


class _Run:
    def __init__(self, settings: Settings, queue: Queue, store: Store, work: Work, gates: Callable[[str], Gate]) -> None:
        self._store, self._work, self._gates = store, work, gates
        self._clusters = settings.clusters.keys()
        self.drops = Drops(settings, queue, store)

    def bring_on(self) -> None:
        """Every batch of the queue, as far as it goes; one that does not go on holds up no other."""
        for named in self._alive():
            try:
                with self._store.alone(named.name):
                    batch = self._store.batch(named.name)
                    if batch and batch.phase != "over" and not _later(batch.again) and not self._held(batch.cluster):
                        self._try(batch.cluster, partial(self._advance, batch))
            except BusyError:
                continue

    def take(self) -> None:
        """What was dropped and is settled, as few batches as there can be."""
        for (cluster, model), files in self.drops.look().items():
            if self.drops.due(files) and not self._held(cluster):
                self._try(cluster, partial(self._take, cluster, model, files))

    def troubled(self) -> bool:
        """Says what is wrong; whether a person has to do something about it."""
        troubled = False
        holds = [hold for cluster, hold in self._store.holds().items() if cluster in self._clusters]
        of_clusters = [(hold.problem, hold.said, hold.since) for hold in holds]
        of_batches = [(batch.problem, batch.said, batch.since) for batch in self._alive() if batch.problem]
        for problem, said, since in dict.fromkeys(of_clusters + of_batches):
            print(said, file=sys.stderr)
            # What passes by itself in an hour or two is a person's matter when it has lasted a day.
            troubled = troubled or MEANINGS[problem].person or time.time() - since > _DAY
        return troubled

    def _take(self, cluster: str, model: str, files: Sequence[Drop]) -> None:
        said = self._gates(cluster).call("hello")
        models = texts_of(said, "models")
        if model not in models:
            # Waiting, not failed: the model may come.
            self.drops.note(files, "waiting", both("no place", models=", ".join(models)))
            return
        limits, today = _numbers(said, "limits", _LIMITS), _numbers(said, "today", ("pages",))
        too_large = [drop for drop in files if drop.size > limits["page_bytes"]]
        for drop in too_large:
            why = both("too large", bytes=drop.size // _MEGA, most=f"{limits['page_bytes'] / _MEGA:.0f}")
            self.drops.note([drop], "failed", why)
        left = int(limits["pages_a_day"] - today["pages"])
        fitting = [drop for drop in files if drop not in too_large][: max(left, 0)]
        for portion in portions(fitting, limits):
            if sum(batch.cluster == cluster for batch in self._alive()) >= limits["batches"]:
                return  # the others when one of these is over
            batch = self.drops.batch(cluster, model, portion)
            with self._store.alone(batch.name):
                self._advance(batch)

    def _advance(self, batch: Batch) -> None:
        batch = self._work.advance(batch)
        if batch.phase == "over":
            print(summary(batch, self._store.pages(batch.name), self._store.aside(batch.name)))

    def _try(self, cluster: str, step: Callable[[], None]) -> None:
        """A refusal is noted, and with the cluster when it would meet every other call as well."""
        try:
            step()
            self._store.release(cluster)
        except RefusalError as refusal:
            before = self._store.holds().get(cluster)
            if refusal.meaning.everything:
                since = before.since if before and before.problem == refusal.kind else time.time()
                again = time.time() + refusal.meaning.pause
                self._store.hold(Hold(cluster, refusal.kind, explain(refusal), since, again))
            else:
                print(explain(refusal), file=sys.stderr)

    def _held(self, cluster: str) -> bool:
        hold = self._store.holds().get(cluster)
        return hold is not None and _later(hold.again)

    def _alive(self) -> list[Batch]:
        return [batch for batch in self._store.batches() if batch.origin == "queue" and batch.phase != "over"]


def _later(again: float) -> bool:
    """Whether that time is still to come; one further away than any pause was written by a clock that went wrong."""
    return 0 < again - time.time() <= 2 * _DAY


def _numbers(said: dict[str, Any], key: str, names: Sequence[str]) -> dict[str, float]:
    values = said.get(key)
    if not isinstance(values, dict):
        raise RefusalError("garbled", key)
    return {name: number_of(values, name) for name in names}
