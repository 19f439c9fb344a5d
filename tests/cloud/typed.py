"""bin/cloud as it is typed, in a lab of the tests' own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recettes.containers.waiting import until
from tests.cloud.lab import CloudLab
from tests.harness import ROOT

COMMAND = (str(ROOT / ".venv/bin/python"), "-m", "recettes.cloud_cli")

# What machines are reached by, where none runs: it writes down what they were told, and says what is in the estate's folder.
SSH = """#!/bin/sh
for word; do
    [ "$last" != -F ] || folder=${word%/*}
    machine=$last last=$word
done
{ echo "-- $machine"; cat; } >>"$SSH_TOLD"
[ ! -f "$folder/says-$machine" ] || cat "$folder/says-$machine"
exit "$(cat "$SSH_STATUS")"
"""


@contextmanager
def keyboard(typed: str | None) -> Iterator[int]:
    """Where somebody types that line; with None there is nobody."""
    if typed is None:
        yield subprocess.DEVNULL
        return
    person, terminal = pty.openpty()
    os.write(person, f"{typed}\n".encode())
    try:
        yield terminal
    finally:
        os.close(person)
        os.close(terminal)


class Typed(CloudLab):
    """A lab in a project, its commands, and somebody at the keyboard."""

    def cloud(self, *words: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """With somebody at the keyboard where `typed` is given."""
        with keyboard(typed) as terminal:
            return subprocess.run(
                [*COMMAND, *words], cwd=ROOT, env=self.surroundings(), capture_output=True, stdin=terminal, text=True,
                timeout=900, check=False,
            )  # fmt: skip

    def cut_off(self, *words: str, when: Callable[[], bool], typed: str | None = None) -> None:
        """The same, and all its processes are killed at that moment, which comes before it is through."""
        with keyboard(typed) as terminal:
            run = subprocess.Popen(
                [*COMMAND, *words], cwd=ROOT, env=self.surroundings(), stdin=terminal, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
            until(lambda: when() or run.poll() is not None, f"the moment for {words[0]} to be cut off")
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
            output, _ = run.communicate()
        assert run.returncode == -signal.SIGKILL, output

    def surroundings(self) -> dict[str, str]:
        told = self.scratch / "bin"
        return {
            **self.variables(self.scratch / "record-unused"),
            "PATH": f"{told}:{os.environ['PATH']}",
            "SSH_TOLD": str(told / "told"),
            "SSH_STATUS": str(told / "status"),
        }

    def stand_in_for_ssh(self, status: int = 0) -> None:
        folder = self.scratch / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "ssh").write_text(SSH)
        (folder / "ssh").chmod(0o755)
        (folder / "status").write_text(str(status))
        (folder / "told").write_text("")

    @property
    def told(self) -> str:
        return (self.scratch / "bin" / "told").read_text()
