"""The SSH server's configuration and plan."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from facts.sshd import sshd_state
from recettes.sshd import DROP_IN, LIVE, SAVED, SshdState, drop_in, plan_sshd, sshd_config

CONFIG = sshd_config(login="root")
BYTES = CONFIG.encode()
CONVERGED = SshdState(BYTES, "root:root 600", BYTES, drop_in().encode(), "active", "enabled", True, False)


def plan(actual: SshdState) -> list[tuple[str, str]]:
    return [(change.action, change.item) for change in plan_sshd(actual, CONFIG)]


def test_sshd_as_wanted_needs_no_change() -> None:
    assert plan(CONVERGED) == []


def test_a_bare_machine_is_put_on_our_configuration() -> None:
    assert plan(SshdState()) == [("create", SAVED), ("create", DROP_IN), ("restart", "ssh.service")]


def test_what_is_saved_but_not_in_force_is_reloaded() -> None:
    assert plan(replace(CONVERGED, live=b"old")) == [("reload", "ssh.service")]
    assert plan(replace(CONVERGED, on_ours=False)) == [("restart", "ssh.service")]
    assert plan(replace(CONVERGED, in_trial=True)) == [("restart", "ssh.service")]
    assert plan(replace(CONVERGED, saved_mode="root:root 644")) == [("own", SAVED)]


def test_root_logs_in_only_where_it_is_the_login_of_the_estate() -> None:
    assert "PermitRootLogin prohibit-password" in CONFIG
    debian = sshd_config(login="debian")
    assert "PermitRootLogin no" in debian
    assert "Match User debian\n    AuthorizedKeysFile /etc/recettes/ssh/authorized_keys/%u .ssh/authorized_keys" in debian


def test_only_the_jump_host_forwards_and_only_to_ssh() -> None:
    assert "AllowTcpForwarding no" in CONFIG
    assert "AllowTcpForwarding local\nPermitOpen *:22" in sshd_config(login="root", jump=True)


def test_nobody_is_exempt_from_penalties_unless_named() -> None:
    assert "PerSourcePenalty" not in CONFIG
    assert "PerSourcePenaltyExemptList 10.0.0.0/8" in sshd_config(login="root", exempt=["10.0.0.0/8"])


def test_the_answer_of_a_machine_is_understood() -> None:
    lines = [f"F {SAVED} root:root 600 {base64.b64encode(BYTES).decode()}", f"F {LIVE} root:root 600 ", "ActiveState=active"]
    state = sshd_state().parse([*lines, "UnitFileState=enabled", "MainPID=7", "O"])
    assert state == SshdState(BYTES, "root:root 600", b"", None, "active", "enabled", True, False)


@pytest.mark.parametrize("odd", [["stat: cannot stat"], ["ActiveState=active"], ["F x root:root 600"]])
def test_an_odd_answer_is_an_error(odd: list[str]) -> None:
    with pytest.raises((ValueError, KeyError)):
        sshd_state().parse(odd)
