#!/usr/bin/python3 -ISB
"""A stand-in for sbatch, squeue and scancel (by the name it is called by), where Slurm is not the point. It runs no job.

Beside it lie `calls`, one line of JSON a call (arguments, environment), and `jobs`, what it remembers; a test puts there
`down` (nothing answers), `late` (sbatch remembers the job and hangs until the file is gone), `mute` (sbatch remembers the job
and says that it failed).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE, NAME = Path(__file__).parent, Path(__file__).name


def jobs() -> list[dict[str, Any]]:
    return list(json.loads((HERE / "jobs").read_text())) if (HERE / "jobs").exists() else []


def remember(found: list[dict[str, Any]]) -> None:
    beside = HERE / "jobs.new"
    beside.write_text(json.dumps(found))
    beside.rename(HERE / "jobs")


def option(name: str) -> str:
    return next((word.split("=", 1)[1] for word in sys.argv[1:] if word.startswith(f"--{name}=")), "")


def sbatch() -> None:
    known = jobs()
    number = 100 + len(known)
    tasks = int(option("array").partition("-")[2] or 0) + 1
    known.append({"job": number, "name": option("job-name"), "array": bool(option("array")), "tasks": ["PENDING"] * tasks})
    remember(known)
    if (HERE / "mute").exists():
        sys.exit("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    while (HERE / "late").exists():
        time.sleep(0.01)
    print(number)


def squeue() -> None:
    for job in jobs():
        if job["name"] in option("name").split(","):
            for task, state in enumerate(job["tasks"]):
                print(f"{job['name']}|{job['job']}|{task if job['array'] else 'N/A'}|{state}")


def scancel() -> None:
    known = jobs()
    for job in known:
        if job["name"] == option("name"):
            job["tasks"] = [state if state == "COMPLETED" else "CANCELLED" for state in job["tasks"]]
    remember(known)


def main() -> None:
    with (HERE / "calls").open("a") as file:
        file.write(json.dumps({"program": NAME, "arguments": sys.argv[1:], "environment": dict(os.environ)}) + "\n")
    if (HERE / "down").exists():
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[NAME]()


if __name__ == "__main__":
    main()
