"""A machine of the estate, by SSH: as root, strictly, with a script that goes by standard input."""

from __future__ import annotations

import subprocess
from pathlib import Path

from recettes.cloud.api import CloudError
from recettes.shell import whole

_CONNECT_SECONDS = 20
_SCRIPT_SECONDS = 900  # a large file system grows in minutes


def on_machine(folder: Path, machine: str, script: str) -> str:
    """What the script prints. Raises CloudError, with its last words, where it was not done."""
    config = folder / "ssh_config"
    if not config.exists():
        raise CloudError(f"{machine} cannot be reached: {config} is missing, which any look at the inventory writes")
    options = ["-F", str(config), "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}"]
    try:
        ran = subprocess.run(
            ["ssh", *options, machine, "sudo -n sh -s"],
            input=whole(script), capture_output=True, text=True, timeout=_SCRIPT_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CloudError(f"{machine} did not do it in {_SCRIPT_SECONDS} seconds") from None
    except OSError as error:
        raise CloudError(f"ssh could not be started: {error.strerror}") from None
    if ran.returncode:
        lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        what = "could not be reached" if ran.returncode == 255 else "did not do it"
        raise CloudError(f"{machine} {what}: {lines[-1] if lines else f'status {ran.returncode}'}")
    return ran.stdout
