"""Somebody is asked, or nobody is there."""

from __future__ import annotations

import os
import pty
import sys
from io import StringIO

import pytest

from recettes.asking import confirmed


@pytest.mark.parametrize(("typed", "is_meant"), [("web\n", True), ("wbe\n", False), ("\n", False)])
def test_only_what_is_asked_for_counts(typed: str, is_meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, typed.encode())
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert confirmed("web") is is_meant
    os.close(keyboard)


def test_where_nobody_can_be_asked_nothing_is_meant(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("web\n"))
    assert not confirmed("web")
    assert "say --yes if it is meant" in capsys.readouterr().err
