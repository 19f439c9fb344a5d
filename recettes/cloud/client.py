"""The cloud's client runs in an environment of its own, as a program: the SDK would make every run slower."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from recettes.recipes import ROOT
from recettes.shell import quote

_PYTHON = ROOT / ".venv-cloud" / "bin" / "python"
MISSING = "The cloud's client is not installed on this computer. bin/cloud installs it, in .venv-cloud. Nothing was touched."


def client() -> str | None:
    """The Python that has the SDK; None where none has."""
    if _PYTHON.exists():
        return str(_PYTHON)
    return sys.executable if find_spec("openstack") else None


def command(module: str, *words: str) -> list[str]:
    """A program of recettes.cloud. To be run in the checkout's root."""
    return [client() or "false", "-W", "ignore", "-m", f"recettes.cloud.{module}", *words]


def script(module: str, *words: str) -> str:
    """Shell lines that run it."""
    if client() is None:
        return f"echo {quote(MISSING)}\nexit 1"
    return f"cd {quote(str(ROOT))}\nexec {' '.join(quote(word) for word in command(module, *words))}"


_begun: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def begin(module: str, *words: str) -> None:
    """Start it now, while this process still gets ready; who asks for it next waits for this one. For what only reads."""
    if client() is not None:
        _begun[module, *words] = _start(module, *words)


def begun(module: str, *words: str) -> tuple[int, str] | None:
    """The exit status and all that was printed by the one that was begun; None where there is none, or no more."""
    if (running := _begun.pop((module, *words), None)) is None:
        return None
    output, _ = running.communicate()
    return running.returncode, output


def said(module: str, *words: str) -> tuple[bool, str]:
    """Run it now. Whether it did what was asked, and the last line that it printed."""
    done, output = told(module, *words)
    return done, output.splitlines()[-1]


def told(module: str, *words: str) -> tuple[bool, str]:
    """Run it now. Whether it did what was asked, and all that it printed."""
    if client() is None:
        return False, MISSING
    ended = begun(module, *words)
    if ended is None:
        running = _start(module, *words)
        output, _ = running.communicate()
        ended = running.returncode, output
    status, output = ended
    return status == 0, output.strip() or f"the cloud's client ended with status {status}"


def _start(module: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(module, *words),
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
