"""One batch on its way: what is asked of the gate at each phase, and what follows from the answer.

Every step can be repeated: the gate does not do twice what is done, and a job is asked for only where none has this number yet.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import deliver
from .gate import Gate, list_of, number_of, pairs_of, text_of
from .names import page_of
from .refusal import RefusalError, harmless
from .results import lay_results
from .settings import Settings
from .store import Batch, Page, Store
from .stream import FileChangedError, Outgoing
from .words import both, explain
from .xml_results import MOST_BYTES

Moved = Callable[[str, int, int], None]  # what, how much, of how much

_STEPS = 30  # more than any batch needs, jobs sent again included
_ENDED = ("done", "partial", "failed", "killed", "cancelled")
_AGAIN = ("partial", "failed", "killed")  # another job may do what is missing


class Work:
    """`gates` gives the open gate of a cluster by name; `moved` hears how far it is."""

    def __init__(self, settings: Settings, store: Store, gates: Callable[[str], Gate], moved: Moved) -> None:
        self._settings = settings
        self._store = store
        self._gates = gates
        self._moved = moved
        self._heard: dict[str, dict[str, Any]] = {}  # the gate's words on a batch that still hold: nothing was done since

    def advance(self, batch: Batch) -> Batch:
        """As far as it goes now: until a job runs, or until it is over. Raises RefusalError, which is noted with the batch."""
        steps = {"send": self._send, "start": self._start, "wait": self._wait, "fetch": self._fetch,
                 "deliver": self._deliver, "drop": self._drop}  # fmt: skip
        self._heard.clear()
        try:
            for _ in range(_STEPS):
                phase = batch.phase
                if phase == "over":
                    break
                batch = steps[phase](batch)
                if batch.phase == phase:
                    break
            else:
                raise RefusalError("garbled", f"the gate goes back and forth: {batch.state}")
        except RefusalError as refusal:
            self._refused(batch, refusal)
            raise
        except OSError as error:
            mine = local(error)
            self._refused(batch, mine)
            raise mine from None
        if batch.problem:
            batch = self._store.note(batch, problem="", said="", since=0.0, again=0.0)
        return batch

    def ask(self, batch: Batch) -> Batch:
        """How it goes, asked at most once in the settings' `floor_seconds`. Raises RefusalError."""
        # A clock that was put back makes the last answer one of the future: it counts as old.
        if 0 <= time.time() - batch.asked < self._settings.floor_seconds:
            return batch
        batch = self._store.note(batch, asked=time.time())
        said = self._gate(batch).call("status", batch.name)
        if said.get("state") in _ENDED:
            self._heard[batch.name] = said
        return self._noted(batch, said)

    def cancel(self, batch: Batch) -> Batch:
        """No job of it runs any more; what is done will be fetched. Raises RefusalError."""
        if batch.phase in ("send", "start"):
            state = text_of(self._known(batch), "state")
            if state in ("", "arriving", "ready"):
                self._gate(batch).call("drop", batch.name)
                return self._lost(batch, both("cancelled", batch=batch.name), phase="over")
        self._gate(batch).call("cancel", batch.name)
        # The job may have ended by itself before, with pages that failed: they are not to be tried once more.
        attempt = max(batch.attempt, self._settings.attempts)
        return self._store.note(batch, phase="wait", state="cancelled", attempt=attempt, asked=0.0)

    def lay_done(self, batch: Batch) -> None:
        """Of a job that still runs, what is done by now. Raises RefusalError."""
        try:
            for _ in self._incoming(batch, ""):
                pass
            lay_results(self._store, batch, self._folder(batch))
        except OSError as error:
            raise local(error) from None

    # The steps: each returns the batch in its next phase, or in the same when there is nothing to do but wait.

    def _send(self, batch: Batch) -> Batch:
        pages = self._store.pages(batch.name)
        tried = self._store.note(batch, state=batch.state or "arriving")
        try:
            try:
                whole = self._put(batch, pages)
            except RefusalError as refusal:
                if refusal.kind != "stream":
                    raise
                whole = self._put(tried, pages)  # what `have` lacks, once more
        except FileChangedError as changed:
            # Its name stands for pages that are no more. Those that are there are another batch.
            with self._store.whole():
                self._store.free(batch.name)
                batch = self._store.note(batch, phase="drop", state="changed")
            with suppress(RefusalError):
                self._drop(batch)
            raise RefusalError("changed", changed.path.name) from None
        if not whole:
            raise RefusalError("garbled", "the gate lacks pages that it took")
        return self._store.note(tried, phase="start")

    def _put(self, batch: Batch, pages: list[Page]) -> bool:
        gate = self._gate(batch)
        have: dict[str, str] = {}
        if batch.state:
            said = gate.call("have", batch.name)
            if said.get("whole") is True:
                return True
            have = {name: sha256 for name, _, sha256 in pairs_of(list_of(said, "pages"), str, int, str)}
        ours = {page.page: page.sha256 for page in pages}
        if not have.items() <= ours.items():
            raise RefusalError("garbled", "the gate has other pages under the name of this batch")
        missing = [page for page in pages if page.page not in have]
        total = sum(page.size for page in pages)
        sent = total - sum(page.size for page in missing)
        self._moved("sending", sent, total)

        def moved(count: int) -> None:
            nonlocal sent
            sent = min(sent + count, total)
            self._moved("sending", sent, total)

        files = [Outgoing(page.page, Path(page.path), page.size, page.sha256) for page in missing]
        said = gate.put(batch.name, files, len(pages), moved)
        if said.get("new") is True:  # whole by this call, so no job was ever asked for
            self._heard[batch.name] = {"state": "ready", "attempt": 0}
        return said.get("whole") is True

    def _start(self, batch: Batch) -> Batch:
        said = self._last_said(batch)
        state = text_of(said, "state")
        if state in ("", "arriving"):
            return self._store.note(batch, phase="send")
        sent = number_of(said, "attempt")
        if state in ("ready", "submitting") or (state in _AGAIN and sent < batch.attempt):
            try:
                answer = self._gate(batch).call("submit", batch.name, batch.model)
            except RefusalError as refusal:
                if refusal.kind != "limit" or state not in _AGAIN:
                    raise
                return self._store.note(batch, phase="fetch", fetched="")  # no more jobs for it: what is done counts
            if state == "ready" and answer.get("new") is True:
                said = {"state": text_of(answer, "state"), "why": "", "done": 0, "failed": 0, "seconds": 0}
            else:
                said = self._known(batch)
        return self._store.note(self._noted(batch, said), phase="wait", asked=time.time())

    def _wait(self, batch: Batch) -> Batch:
        try:
            batch = self.ask(batch)
        except RefusalError as refusal:
            if refusal.kind != "missing":
                raise
            # Never sent anew unattended: it was a job, and may have cost what a job costs.
            return self._lost(batch, both("lost"), phase="deliver")
        if batch.state in ("arriving", "ready", "submitting"):
            return self._store.note(batch, phase="start")
        self._moved("recognising", batch.done, len(self._store.pages(batch.name)))
        if batch.state not in _ENDED:
            return batch
        if batch.state in _AGAIN and batch.attempt < self._settings.attempts and (
            batch.attempt == 1 or batch.done > batch.done_before
        ):  # fmt: skip
            return self._store.note(batch, phase="start", attempt=batch.attempt + 1, done_before=batch.done)
        return self._store.note(batch, phase="fetch", fetched="")

    def _fetch(self, batch: Batch) -> Batch:
        if batch.state != "failed":
            try:
                for name in self._incoming(batch, batch.fetched):
                    batch = self._store.note(batch, fetched=name)
            except RefusalError as refusal:
                if refusal.kind == "garbled":  # what came before it is not to be relied on either
                    self._store.note(batch, fetched="")
                raise
        said = self._last_said(batch)
        reasons = dict(pairs_of(list_of(said, "failures"), str, str))
        came = {found[0] for path in self._folder(batch).iterdir() if (found := page_of(path.name))}
        if len(came) < number_of(said, "done"):
            # The next time from the beginning.
            self._store.note(batch, fetched="")
            raise RefusalError("garbled", f"{number_of(said, 'done'):.0f} pages are done, results came of {len(came)}")
        otherwise = batch.why or batch.state
        outcomes = {
            page.page: ("", "") if page.page in came else
            ("failed", both("not done", why=harmless(reasons.get(page.page, otherwise))))
            for page in self._store.pages(batch.name)
        }  # fmt: skip
        with self._store.whole():
            self._store.note_outcomes(batch.name, outcomes)
            return self._store.note(batch, phase="deliver")

    def _deliver(self, batch: Batch) -> Batch:
        outcomes = lay_results(self._store, batch, self._folder(batch))
        with self._store.whole():
            self._store.note_outcomes(batch.name, outcomes)
            return self._store.note(batch, phase="drop")

    def _drop(self, batch: Batch) -> Batch:
        self._gate(batch).call("drop", batch.name)
        shutil.rmtree(self._folder(batch), ignore_errors=True)
        return self._store.note(batch, phase="over")

    # What they share

    def _gate(self, batch: Batch) -> Gate:
        return self._gates(batch.cluster)

    def _known(self, batch: Batch) -> dict[str, Any]:
        """The gate's words on the batch; of one that it has not: no state, no jobs."""
        try:
            return self._gate(batch).call("status", batch.name)
        except RefusalError as refusal:
            if refusal.kind == "missing" and batch.phase in ("send", "start"):
                return {"state": "", "attempt": 0}
            raise

    def _last_said(self, batch: Batch) -> dict[str, Any]:
        """As `_known`; not asked again when nothing can have changed."""
        return self._heard.pop(batch.name, None) or self._known(batch)

    def _noted(self, batch: Batch, said: dict[str, Any]) -> Batch:
        return self._store.note(
            batch, state=harmless(text_of(said, "state")), why=harmless(text_of(said, "why")), done=int(number_of(said, "done")),
            failed=int(number_of(said, "failed")), seconds=float(number_of(said, "seconds")),
        )  # fmt: skip

    def _incoming(self, batch: Batch, after: str) -> Iterator[str]:
        """Names of the results as they come; each is on the disk before it is named."""
        folder = self._folder(batch)
        pages = {page.page for page in self._store.pages(batch.name)}

        def wanted(name: str) -> bool:
            found = page_of(name)
            return found is not None and found[0] in pages

        for result in self._gate(batch).fetch(batch.name, after, wanted, MOST_BYTES):
            deliver.replace(result.content, folder / result.name)
            yield result.name

    def _folder(self, batch: Batch) -> Path:
        return self._store.work(batch.name)

    def _lost(self, batch: Batch, why: str, *, phase: str) -> Batch:
        with self._store.whole():
            self._store.note_outcomes(batch.name, {page.page: ("failed", why) for page in self._store.pages(batch.name)})
            return self._store.note(batch, phase=phase, state="cancelled" if phase == "over" else "lost")

    def _refused(self, batch: Batch, refusal: RefusalError) -> None:
        since = batch.since if batch.problem == refusal.kind else time.time()
        again = time.time() + refusal.meaning.pause
        self._store.note(batch, problem=refusal.kind, said=explain(refusal), since=since, again=again)


def local(error: OSError) -> RefusalError:
    """A full disk, a folder that is not ours to write in."""
    return RefusalError("local", f"{error.filename or ''}: {error.strerror or error}")
