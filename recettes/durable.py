"""Files on the controller that a crash, a full disk or a second command must not lose."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STAGED = ".staged"
PATIENCE = 30.0  # seconds; a command holds the lock for milliseconds


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Replace `path` at one stroke, `mode` from its first instant. Raises OSError, with `path` as it was."""
    staged = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}{STAGED}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # the umask may have taken from it
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        staged.replace(path)
    except BaseException:
        with suppress(OSError):
            staged.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sweep(path: Path) -> None:
    """Remove what a killed `write_whole(path)` left. Only for who holds the lock that guards `path`."""
    for stray in path.parent.glob(f"{path.name}.*{STAGED}"):
        stray.unlink(missing_ok=True)


@contextmanager
def locked(lock: Path, patience: float | None = None) -> Iterator[None]:
    """Hold `lock` alone, among threads and processes; the system frees it when its holder dies.

    Raises TimeoutError after `patience` seconds (30).
    """
    patience = PATIENCE if patience is None else patience
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience
        # Asking again and again instead of waiting inside flock(): under gevent, waiting there would stop the
        # greenlet that holds the lock, too.
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another command has held {lock} for {patience:.0f} seconds") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)
