"""Does the steps of a plan, several at a time. `python -m recettes.cloud.applying` takes them on standard input, secrets and all.

It says a line for each step, "done KEY", "failed KEY: why", "left KEY: why". Only what needs a step that failed is left.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from recettes.cloud import doing_life, doing_machines
from recettes.cloud.api import Api, CloudError, chosen_cloud
from recettes.cloud.doing import DOES
from recettes.cloud.reading import read_cloud
from recettes.cloud.steps import Step, from_json
from recettes.cloud.understanding import understand
from recettes.cloud.work import Work
from recettes.durable import locked

__all__ = ["apply", "doing_life", "doing_machines"]  # imported for the steps that it enters
_TOGETHER = 12


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


def moved(api: Api, steps: Sequence[Step]) -> list[str]:
    """What a step would make and is there by now: another run was here since the plan was made."""
    there = {thing.mark for thing in understand(read_cloud(api)).things() if thing.mark}
    there -= {step.mark for step in steps if step.action in ("delete", "rename")}
    return [str(step.mark) for step in steps if step.action == "create" and step.mark in there]


def main() -> int:
    given = json.load(sys.stdin)
    steps = from_json(json.dumps(given["steps"]))
    try:
        with locked(Path(given["lock"])):
            work = Work(Api(chosen_cloud()), dict(given["ids"]), given["user_data"], Path(given["lock"]).parent)
            if there := moved(work.api, steps):
                print(f"failed all: another run has made {', '.join(there)} meanwhile. Nothing was changed; run again")
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
