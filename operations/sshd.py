"""The SSH server is configured as wanted, and its administrator still comes in."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from paramiko import Channel
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector

from facts.sshd import sshd_state
from facts.survey import Unread
from operations.channel import begin
from operations.engine import Script, bring, read, refuse
from operations.trial import TROUBLE, OnTrial, say
from recettes.sshd import STAGED, UNIT, plan_sshd, restarts, sshd_trial, stage_script

_LOGIN_SECONDS = 10


@operation()
def sshd(config: str) -> Generator[PyinfraCommand, None, None]:
    """sshd runs on this configuration; one that would keep this administrator out is refused."""
    part = sshd_state()
    actual = read(part)
    if not isinstance(actual, Unread) and actual.active != "active":
        yield refuse(
            f"SSH does not run as {UNIT} on this machine ({UNIT} is {actual.active}), so a configuration cannot be tried. "
            f"Start it (systemctl disable --now ssh.socket; systemctl enable --now {UNIT}), then run again. sshd was not touched."
        )
        return
    yield from bring(
        part,
        lambda actual: plan_sshd(actual, config),
        lambda actual, _: [
            Script("stage sshd_config", stage_script(config)),
            StagedLogin(),
            OnTrial(sshd_trial(config, restart=restarts(actual))),
        ],
        unchanged="sshd as wanted",
    )


class StagedLogin(PyinfraCommand):
    """Logs in through the staged configuration over a channel of the open connection: no port, and the live sshd not touched."""

    def __repr__(self) -> str:
        return "StagedLogin()"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        command = StringCommand("/usr/sbin/sshd", "-i", "-f", STAGED)
        try:
            channel = begin(state, host, command, connector_arguments, _LOGIN_SECONDS)
        except TROUBLE:
            channel = None
        if channel is None:
            say(host, "the connection is gone; sshd was not touched")
            return False
        staged = _Through(state, host, channel)
        try:
            staged.connect()
            ok, _ = staged.run_shell_command(StringCommand("true"), _timeout=_LOGIN_SECONDS)
            why = "the session could not run a command"
        except TROUBLE as error:
            ok, why = False, str(error) or type(error).__name__
        finally:
            if staged.client:
                staged.client.close()
            channel.close()
        if not ok:
            login = channel.get_transport().get_username()
            say(
                host, f"refused: with the new sshd configuration {login} could not log in any more ({why}). sshd was not touched."
            )
        return ok


class _Through(SSHConnector):
    """The host's own connection with the same keys and host keys, spoken over a channel instead of a socket."""

    def __init__(self, state: State, host: Host, channel: Channel) -> None:
        super().__init__(state, host)
        self.channel = channel

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        arguments: dict[str, Any] = super().make_paramiko_kwargs()
        limits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), _LOGIN_SECONDS)
        more = arguments["_pyinfra_ssh_paramiko_connect_kwargs"] or {}
        return {**arguments, "_pyinfra_ssh_paramiko_connect_kwargs": {**more, **limits, "sock": self.channel}}
