"""One account a test."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from recettes.containers.waiting import until
from tests.hpc.account import Account


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


@pytest.fixture
def one_day() -> None:
    """For tests of what is counted by the day: the gate's ends at midnight UTC, and not while they are made."""
    until(lambda: time.time() % 86400 < 86400 - 60, "the gate's day is over", seconds=90)
