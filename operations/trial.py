"""A change that could lock the administrator out is put in force for trial, and stays only when a new connection comes in."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import gevent  # type: ignore[import-untyped]
from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from operations.channel import as_whom
from recettes.shell import whole
from recettes.trials import Trial, begin_script, keep_script

# What it prints of a failed login is a traceback; the error itself is shown in a sentence.
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)

SECONDS = "RECETTES_TRIAL_SECONDS"  # after how many seconds what was before returns
_DEFAULT_SECONDS = 60
_MARGIN_SECONDS = 5
# How pyinfra and paramiko say that a connection does not come about, or ends.
TROUBLE = (ConnectError, SSHException, OSError, EOFError)


class OnTrial(PyinfraCommand):
    """Puts a trial in force, proves that one can still come in, and keeps it; else what was before returns by itself."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.trial = trial
        self.seconds = int(os.environ.get(SECONDS) or _DEFAULT_SECONDS)

    def __repr__(self) -> str:
        return f"OnTrial({self.trial.name})"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        arguments = as_whom(connector_arguments)
        # All that is tried must be over well before the way back is taken.
        patience = self.seconds / 3
        started = time.monotonic()
        try:
            begun = _run(host.connector, host, begin_script(self.trial, self.seconds), arguments, patience)
        except TROUBLE as error:
            self._failed(host, f"the new {self.trial.name} cut this very connection ({_words(error)})")
            self._see_return(state, host, arguments, started)
            return False
        if not begun:
            say(host, f"the new {self.trial.name} could not be put in force; what was before is in force")
            return False
        try:
            kept = prove(state, host, keep_script(self.trial), arguments, patience)
        except TROUBLE as error:
            self._failed(host, f"with the new {self.trial.name} nobody can come in ({_words(error)})")
            self._see_return(state, host, arguments, started)
            return False
        if not kept:
            say(host, f"the new {self.trial.name} was not kept; what was before returns, if it has not yet")
        return kept

    def _failed(self, host: Host, what: str) -> None:
        say(host, f"{what}; nothing of it was saved, and what was before returns within {self.seconds} seconds")

    def _see_return(self, state: State, host: Host, arguments: dict[str, Any], started: float) -> None:
        """Waits for the way back to be taken, and tells whether it was."""
        time.sleep(max(0.0, started + self.seconds + _MARGIN_SECONDS - time.monotonic()))
        try:
            prove(state, host, "true", arguments, self.seconds)
            say(host, f"the {self.trial.name} of before is back: a new connection comes in")
        except TROUBLE as error:
            say(host, f"no connection comes in now either ({_words(error)}): look at the network, then at the machine's console")


def prove(state: State, host: Host, script: str, arguments: dict[str, Any], seconds: float) -> bool:
    """Runs the script over a new connection, made by the same route and with the same login as the open one.

    The open one proves nothing: the kernel lets an established connection pass, and sshd keeps the session it has.
    """
    second = type(host.connector)(state, host)
    try:
        with gevent.Timeout(seconds, TimeoutError(f"no answer in {seconds:.0f} seconds")):
            second.connect()
            return _run(second, host, script, arguments, seconds)
    finally:
        if client := getattr(second, "client", None):
            client.close()


def _run(connector: Any, host: Host, script: str, arguments: dict[str, Any], seconds: float) -> bool:
    how = {"_stdin": whole(script), "_timeout": seconds}
    ok, output = connector.run_shell_command(StringCommand("sh", "-s"), **arguments, **how)
    if not ok:
        say(host, output.output.strip() or "the machine said nothing")
    return bool(ok)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def say(host: Host, words: str) -> None:
    host.log_styled(words, fg="red", log_func=logger.error)
