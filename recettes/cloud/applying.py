"""Does the steps of a plan, several at a time. `python -m recettes.cloud.applying` takes them on standard input, secrets and all.

It says a line for each step: "done KEY", "failed KEY: why", "left KEY: why". A step that fails takes with it only those that need it.
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

from recettes.cloud import doing_machines
from recettes.cloud.api import Api, CloudError, chosen_cloud
from recettes.cloud.doing import DOES
from recettes.cloud.reading import read_cloud
from recettes.cloud.steps import Step, from_json
from recettes.cloud.understanding import understand
from recettes.cloud.work import Work
from recettes.durable import locked

__all__ = ["apply", "doing_machines"]  # imported for the steps that it enters
_TOGETHER = 12


@dataclass
class Outcome:
    """Keys of the steps: done; and failed or left out, with the reason."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def apply(work: Work, steps: Sequence[Step], said: TextIO) -> Outcome:
    """Each step begins when those that it needs are done."""
    outcome = Outcome()
    waiting = list(steps)
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(_TOGETHER) as pool:
        while waiting or running:
            waiting = _begin(work, waiting, running, outcome, pool, said)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                _note(running.pop(future), future, outcome, said)
    return outcome


def _begin(
    work: Work,
    waiting: list[Step],
    running: dict[Future[None], Step],
    outcome: Outcome,
    pool: ThreadPoolExecutor,
    said: TextIO,
) -> list[Step]:
    """Begin what can begin, leave out what cannot any more; return the others."""
    still = []
    for step in waiting:
        if missing := next((need for need in step.needs if need in outcome.failed or need in outcome.left), None):
            outcome.left[step.key] = f"not begun, as this failed: {missing}"
            _say(said, f"left {step.key}: {outcome.left[step.key]}")
        elif all(need in outcome.done for need in step.needs):
            running[pool.submit(_do, work, step)] = step
        else:
            still.append(step)
    return still


def _do(work: Work, step: Step) -> None:
    given = {name: work.resolved(value) for name, value in step.arguments.items()}
    if made := DOES[step.action, step.mark.kind](work, step, given):
        work.ids[f"{step.mark.kind}/{step.mark.item}"] = made


def _note(step: Step, future: Future[None], outcome: Outcome, said: TextIO) -> None:
    error = future.exception()
    if error is None:
        outcome.done.append(step.key)
        _say(said, f"done {step.key}")
        return
    # Of an error that is not the cloud's, only the kind is told: its text could hold what was sent.
    why = str(error) if isinstance(error, CloudError) else f"the recipes went wrong here ({type(error).__name__})"
    outcome.failed[step.key] = why
    _say(said, f"failed {step.key}: {why}")


def _say(said: TextIO, line: str) -> None:
    said.write(line + "\n")
    said.flush()


def moved(api: Api, steps: Sequence[Step]) -> list[str]:
    """What a step would make and is there by now: another run was here since the plan was made."""
    there = {thing.mark for thing in understand(read_cloud(api)).things() if thing.mark}
    return [str(step.mark) for step in steps if step.action == "create" and step.mark in there]


def main() -> int:
    given = json.load(sys.stdin)
    steps = from_json(json.dumps(given["steps"]))
    try:
        with locked(Path(given["lock"])):
            work = Work(Api(chosen_cloud()), dict(given["ids"]), given["user_data"])
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
