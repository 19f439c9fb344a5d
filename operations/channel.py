"""A command over a channel of the run's own connection, for what pyinfra's way of running commands cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paramiko import Channel
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.util import make_unix_command_for_host

_HOW = {"_stdin", "_timeout", "_get_pty", "_success_exit_codes"}


def as_whom(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Of an operation's arguments those that say as whom a command runs, not how."""
    return {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments and key not in _HOW}


def begin(state: State, host: Host, command: StringCommand, arguments: Mapping[str, Any], seconds: float) -> Channel | None:
    """The channel on which the command has begun; None where there is no SSH connection.

    `seconds` are how long the machine may take to open it. Raises SSHException and OSError.
    """
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    if transport is None:
        return None
    channel: Channel = transport.open_session(timeout=seconds)
    channel.exec_command(make_unix_command_for_host(state, host, command, **as_whom(arguments)).get_raw_value())
    return channel
