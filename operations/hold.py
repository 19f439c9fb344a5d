"""One controller at a time changes a machine."""

from __future__ import annotations

import getpass
import socket
from typing import Any

from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State

from operations.channel import begin
from recettes.ocr.names import GATE_FOLDER
from recettes.shell import quote

# On an account without root: in the one folder there that is ours.
_FOLDERS = f'if [ "$(id -u)" = 0 ]; then folder=/run/recettes; else folder=$HOME/{GATE_FOLDER}; fi'
_ANSWER_SECONDS = 20.0


def hold(state: State, host: Host, arguments: dict[str, Any]) -> str | None:
    """Take the machine for this run, or say who has it.

    The lock is held by a process on the machine whose standard input is a channel of this run's own connection: when the
    controller is killed, or the network cut, the channel ends and the lock with it. Nothing has to be cleaned up.
    """
    if "recettes_hold" in host.connector_data:
        return None
    try:
        channel = begin(state, host, StringCommand(_script()), arguments, _ANSWER_SECONDS)
        if channel is None:
            return None  # not reached over SSH: only unit tests are
        channel.settimeout(_ANSWER_SECONDS)
        answer = channel.makefile("r").readline().strip()
    except (SSHException, OSError, EOFError) as error:
        return f"the machine could not be locked ({error or type(error).__name__}); nothing was changed here"
    if answer == "held":
        host.connector_data["recettes_hold"] = channel
        return None
    channel.close()
    return f"{answer or 'the machine could not be locked'}; nothing was changed here"


def _script() -> str:
    me = quote(f"{getpass.getuser()} on {socket.gethostname()}")
    return (
        # Who can open the lock could hold it, too.
        f'{_FOLDERS}; umask 077; mkdir -p "$folder"; exec 9>>"$folder/lock"; '
        f'if flock -n 9; then echo {me}, since "$(date)" >"$folder/lock.holder"; echo held; cat >/dev/null; '
        'else echo "another run holds this machine: $(cat "$folder/lock.holder")"; fi'
    )
