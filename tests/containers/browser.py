"""Debian's Chromium without a window, which trusts the estate's authority and knows the estate's machine only."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60
# Chromium prints what a page says to its console between much about itself: [..:INFO:CONSOLE:1] "…", source: … (1)
CONSOLE = re.compile(r"^\[[^]]*CONSOLE[^]]*\] (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """A page as it was after its scripts had run, what was said to the console meanwhile, and a picture."""

    document: str
    console: list[str]
    picture: Path


class Browser:
    """`home` becomes its home. All names of `domain` lead to `address`, and all others nowhere."""

    def __init__(self, home: Path, *, authority: Path, domain: str, address: str) -> None:
        self._home = home
        self._names = f"MAP {domain} {address},MAP *.{domain} {address},MAP * ~NOTFOUND"
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "estate", "-i", str(authority)]):
            subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True, capture_output=True, timeout=SECONDS)

    def look(self, url: str, *, width: int = 1280, height: int = 1600) -> Seen:
        """Open the page in a fresh window."""
        picture = self._home / "seen.png"
        picture.unlink(missing_ok=True)
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={self._home / 'profile'}", f"--host-resolver-rules={self._names}",
            "--enable-logging=stderr", "--v=0", f"--window-size={width},{height}",
            "--dump-dom", f"--screenshot={picture}", url,
        ]  # fmt: skip
        run = subprocess.run(
            command, env={**os.environ, "HOME": str(self._home)}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        assert run.returncode == 0 and picture.exists(), run.stderr
        return Seen(run.stdout, CONSOLE.findall(run.stderr), picture)
