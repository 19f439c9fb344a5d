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


def said(module: str, *words: str) -> tuple[bool, str]:
    """Run it now. Whether it did what was asked, and the last line that it printed."""
    done, output = told(module, *words)
    return done, output.splitlines()[-1]


def told(module: str, *words: str) -> tuple[bool, str]:
    """Run it now. Whether it did what was asked, and all that it printed."""
    if client() is None:
        return False, MISSING
    ran = subprocess.run(
        command(module, *words),
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return ran.returncode == 0, ran.stdout.strip() or f"the cloud's client ended with status {ran.returncode}"
