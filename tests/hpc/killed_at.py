"""python3 killed_at.py N PROGRAM WORD...: runs the program, and kills it just before it changes something for the N-th time.

A change is a file opened for writing, renamed, linked, removed or made, a program started, a statement of SQLite that writes.
"""

from __future__ import annotations

import os
import runpy
import signal
import sqlite3
import sys
from typing import Any

_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen", "shutil.rmtree", "socket.connect"}
_WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE")


def main() -> None:
    left = int(sys.argv[1])

    def change() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            change()

    plain = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        base: sqlite3.Connection = plain(*arguments, **options)
        base.set_trace_callback(lambda statement: change() if statement.lstrip().upper().startswith(_WRITES) else None)
        return base

    sqlite3.connect = connect  # type: ignore[assignment]
    sys.argv = sys.argv[2:]
    sys.addaudithook(hook)
    runpy.run_path(sys.argv[0], run_name="__main__")


main()
