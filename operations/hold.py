"""One controller at a time changes a machine."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable
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
_HELD, _TAKEN, _NO_LOCK = "held", "another run holds this machine", "no file can be locked"


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
        answer = _answer(channel.makefile("r"))
    except (SSHException, OSError, EOFError) as error:
        return f"the machine could not be locked ({error or type(error).__name__}); nothing was changed here"
    if answer == _HELD:
        host.connector_data["recettes_hold"] = channel
        return None
    channel.close()
    return f"{answer or 'the machine could not be locked'}; nothing was changed here"


def _answer(lines: Iterable[str]) -> str:
    """The script's own word, after whatever the account's shell has said when it was started; empty where there is none."""
    said = (line.strip() for line in lines)
    return next((line for line in said if line == _HELD or line.startswith((_TAKEN, _NO_LOCK))), "")


def _script() -> str:
    me = quote(f"{getpass.getuser()} on {socket.gethostname()}")
    return (
        # Who can open the lock could hold it, too.
        f'{_FOLDERS}; umask 077; mkdir -p "$folder"; exec 9>>"$folder/lock"; '
        "flock -n 9; case $? in "
        f'0) echo {me}, since "$(date)" >"$folder/lock.holder"; echo {_HELD}; cat >/dev/null ;; '
        f'1) echo "{_TAKEN}: $(cat "$folder/lock.holder")" ;; '
        # Somebody else's file system may know no locks.
        f'*) echo "{_NO_LOCK} in $folder" ;; esac'
    )
