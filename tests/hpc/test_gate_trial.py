"""The trial page: what an installation before this one left behind does not stay in the way."""

from __future__ import annotations

import subprocess
import time

from recettes.recipes import ROOT
from tests.hpc.account import PYTHON, Account

PAGE = {"trial.png": b"a page"}


def trial(account: Account, name: str) -> subprocess.CompletedProcess[str]:
    page = account.home / "trial.png"
    page.write_bytes(PAGE["trial.png"])
    words = [str(account.folder / "ocr-gate"), name, "tiny-print", str(page), "0"]
    command = [PYTHON, "-ISB", str(ROOT / "programs/ocr-trial"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def batches(account: Account) -> list[str]:
    return [batch["batch"] for batch in account.call("status").json["batches"]]


def test_the_trials_of_installations_before_this_one_are_taken_back(account: Account) -> None:
    account.set(age_days=1)
    for name in ("trial-arrived", "trial-waits", "trial-ended", "letters"):
        account.put(name, PAGE)
    account.call("put trial-arriving", b"")
    for name in ("trial-waits", "letters"):
        account.call(f"submit {name} tiny-print")
    account.call("submit trial-ended tiny-print")
    account.ran("trial-ended", failed={"trial.png": "no words"})
    (account.batch("trial-waits") / "made").write_text(str(int(time.time()) - 3 * 86400))
    ran = trial(account, "trial-new")
    assert ran.returncode == 2 and "of the trial page is queued" in ran.stdout, ran.stdout
    assert batches(account) == ["letters", "trial-new"]
    assert [job["tasks"] for job in account.jobs()] == [["CANCELLED"], ["PENDING"], ["PENDING"], ["PENDING"]]
    assert trial(account, "trial-new").returncode == 2 and len(account.jobs()) == 4, "it goes on with its own job"


def test_a_trial_that_somebody_holds_is_left_to_the_next(account: Account) -> None:
    held = account.start("put trial-held", stdin=subprocess.PIPE)
    while not (account.batch("trial-held") / "lock").exists():
        assert held.poll() is None
        time.sleep(0.01)
    assert trial(account, "trial-new").returncode == 2
    assert batches(account) == ["trial-held", "trial-new"]
    held.communicate(b"")
    assert trial(account, "trial-new").returncode == 2
    assert batches(account) == ["trial-new"]


def test_a_trial_that_slurm_does_not_let_go_of_is_left_to_the_next(account: Account) -> None:
    account.put("trial-old", PAGE)
    account.call("submit trial-old tiny-print")
    scancel = account.slurm / "scancel"
    scancel.unlink()
    scancel.write_text("#!/bin/sh\nexit 0\n")
    scancel.chmod(0o500)
    assert trial(account, "trial-new").returncode == 2
    assert batches(account) == ["trial-new", "trial-old"]
    (account.slurm / "jobs").write_text((account.slurm / "jobs").read_text().replace("PENDING", "CANCELLED", 1))
    assert trial(account, "trial-new").returncode == 2
    assert batches(account) == ["trial-new"]
