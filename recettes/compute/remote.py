"""What `bin/compute` says to programs/compute on a machine, by ssh."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from recettes.compute.names import PROGRAM
from recettes.compute.stream import CutOffError, Found, pack, unpack
from recettes.estate import Estate, EstateError, Machine
from recettes.reaching import ssh

_NO_CONNECTION, _NOT_FOUND = 255, (126, 127)  # of ssh(1), and of sh and sudo


class Remote:
    """The program on one machine. Whatever it refuses, and whatever comes in between, is an EstateError in words."""

    def __init__(self, estate: Estate, machine: Machine) -> None:
        self._estate, self.machine = estate, machine

    def ask(self, *words: str) -> str:
        """What it prints."""
        ran = subprocess.run(self._command(words), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self._check(ran.returncode, ran.stderr)
        return ran.stdout.decode(errors="replace")

    def status(self, *name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ask("status", *name).splitlines()]

    def run(self, name: str, words: Sequence[str], root: Path, files: Sequence[Found], size: int) -> None:
        """Send the files, and start the words on them. Raises StreamError where a file cannot be sent."""
        request = json.dumps({"words": list(words), "bytes": size}) + "\n"
        with subprocess.Popen(self._command(["run", name]), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin and process.stderr
            with suppress(BrokenPipeError, ConnectionResetError):  # the other side has ended; it says why
                try:
                    process.stdin.write(request.encode())
                    pack(root, files, process.stdin)
                finally:
                    process.stdin.close()
            said = process.stderr.read()
        self._check(process.returncode, said)

    def fetch(self, name: str, folder: Path, size: int) -> str:
        """Write the results into the folder, a new one; return their SHA256SUMS. Raises StreamError, and OSError of the disk."""
        words = self._command(["send", name])
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            try:
                sums, _ = unpack(process.stdout, folder, size)
            except CutOffError:
                process.stdout.close()
                if said := process.stderr.read():
                    self._check(process.wait(), said)
                raise
            said = process.stderr.read()
        self._check(process.returncode, said)
        sys.stderr.write(said.decode(errors="replace"))
        return sums

    def _command(self, words: Sequence[str]) -> list[str]:
        return ssh(self._estate, self.machine, " ".join([PROGRAM, *words]))

    def _check(self, status: int, said: bytes) -> None:
        if status == 0:
            return
        name = self.machine.name
        words = said.decode(errors="replace").strip()
        last = words.splitlines()[-1] if words else f"ssh ended with status {status}"
        if status == _NO_CONNECTION:
            raise EstateError(f"{name} could not be reached, or the line broke: {last}")
        if status in _NOT_FOUND or "command not found" in last:
            raise EstateError(f"{name} has no {PROGRAM} yet: declare compute=Compute() in the lab, then deploys/compute.py")
        raise EstateError(f"{name}: {last}")
