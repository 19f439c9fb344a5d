"""Does the steps of a plan, several at a time. `python -m recettes.cloud.applying` takes them on standard input, secrets and all.

It says a line for each step, "done KEY", "failed KEY: why", "left KEY: why". Only what needs a step that failed is left.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from recettes.cloud import doing_life, doing_machines
from recettes.cloud.actual import CloudState
from recettes.cloud.api import Api, CloudError, chosen_cloud
from recettes.cloud.doing import DOES
from recettes.cloud.reading import read_cloud
from recettes.cloud.steps import Step, from_json
from recettes.cloud.understanding import understand
from recettes.cloud.work import Work
from recettes.durable import locked

__all__ = ["apply", "doing_life", "doing_machines"]  # imported for the steps that it enters
_TOGETHER = 12
# Seconds until a run that was killed has let go. One that is at work is not waited for: the plan would be of the cloud before it.
_ENDING = 2.0


@dataclass
class Outcome:
    """Keys of the steps: done; and failed or left out, with the reason."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def apply(work: Work, steps: Sequence[Step], said: TextIO) -> Outcome:
    """Each step begins when those that it needs are done."""
    return _Applying(work, said).all(steps)


class _Applying:
    def __init__(self, work: Work, said: TextIO) -> None:
        self.work, self.said = work, said
        self.outcome = Outcome()
        self.running: dict[Future[None], Step] = {}

    def all(self, steps: Sequence[Step]) -> Outcome:
        waiting = list(steps)
        with ThreadPoolExecutor(_TOGETHER) as pool:
            while waiting or self.running:
                waiting = [step for step in waiting if not (self._left_out(step) or self._begun(step, pool))]
                finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._note(self.running.pop(future), future)
        return self.outcome

    def _left_out(self, step: Step) -> bool:
        undone = self.outcome.failed.keys() | self.outcome.left.keys()
        missing = next((need for need in step.needs if need in undone), None)
        if missing:
            self.outcome.left[step.key] = f"not begun, as this was not done: {missing}"
            self._say(f"left {step.key}: {self.outcome.left[step.key]}")
        return missing is not None

    def _begun(self, step: Step, pool: ThreadPoolExecutor) -> bool:
        ready = all(need in self.outcome.done for need in step.needs)
        if ready:
            self.running[pool.submit(_do, self.work, step)] = step
        return ready

    def _note(self, step: Step, future: Future[None]) -> None:
        error = future.exception()
        if error is None:
            self.outcome.done.append(step.key)
            self._say(f"done {step.key}")
            return
        # Of an error that is not the cloud's, only the kind is told: its text could hold what was sent.
        why = str(error) if isinstance(error, CloudError) else f"the recipes went wrong here ({type(error).__name__})"
        self.outcome.failed[step.key] = why
        self._say(f"failed {step.key}: {why}")

    def _say(self, line: str) -> None:
        self.said.write(line + "\n")
        self.said.flush()


def _do(work: Work, step: Step) -> None:
    given = {name: work.resolved(value) for name, value in step.arguments.items()}
    if made := DOES[step.action, step.mark.kind](work, step, given):
        work.ids[f"{step.mark.kind}/{step.mark.item}"] = made


def moved(state: CloudState, steps: Sequence[Step], ids: Mapping[str, str]) -> list[str]:
    """What is not any more as the plan took it to be: another run was here since."""
    marks = {thing.id: thing.mark for thing in state.things() if thing.mark}
    there = {mark: id_ for id_, mark in marks.items()}
    leaving = {step.mark for step in steps if step.action in ("delete", "rename")}

    def is_other(step: Step) -> bool:
        known = ids.get(f"{step.mark.kind}/{step.mark.item}", "")
        if step.action in ("create", "restore"):  # there already
            return step.mark in there and (step.action == "restore" or step.mark not in leaving)
        if step.action in ("replace", "delete"):  # made anew; what is gone is gone
            return there.get(step.mark, known) != known
        renamed = str(step.arguments.get("id", ""))
        renamed = ids.get(renamed[1:], "") if renamed.startswith("@") else renamed
        return step.action == "rename" and renamed != "" and marks.get(renamed) != step.mark

    return [str(step.mark) for step in steps if is_other(step)]


def main() -> int:
    given = json.load(sys.stdin)
    steps = from_json(json.dumps(given["steps"]))
    try:
        with locked(Path(given["lock"]), _ENDING):
            work = Work(Api(chosen_cloud()), dict(given["ids"]), given["user_data"], Path(given["lock"]).parent)
            if other := moved(understand(read_cloud(work.api)), steps, work.ids):
                print(f"failed all: another run has changed {', '.join(other)} meanwhile. Nothing was changed; run again")
                return 1
            outcome = apply(work, steps, sys.stdout)
    except TimeoutError:
        print("failed all: another run changes this estate's cloud at the moment. Nothing was changed")
        return 1
    except CloudError as error:
        print(f"failed all: {error}. Nothing was changed")
        return 1
    return 1 if outcome.failed or outcome.left else 0


if __name__ == "__main__":
    try:
        status = main()
    except (KeyboardInterrupt, BrokenPipeError):
        status = 130
    # Threads that still wait for the cloud are not waited for: the next run goes on from where this one was.
    sys.stdout.flush() if status != 130 else None
    os._exit(status)
