"""The gate called inside this process: quick enough for fuzzing, and open to being killed at any step."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.hpc.account import ADDRESS, Account, Answer
from tests.programs import program

GATE = program("ocr-gate")
# What changes anything: after each of these the gate may die.
STEPS = ("write", "pwrite", "rename", "mkdir", "rmdir", "unlink", "fsync", "ftruncate")


@contextmanager
def pieces(content: bytes) -> Iterator[int]:
    """A descriptor that holds the content, to be read from its beginning."""
    descriptor = os.memfd_create("content")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def call(account: Account, words: bytes | str, given: bytes = b"") -> Answer:
    signal.signal(signal.SIGALRM, GATE.stalled)
    with pieces(given) as source, pieces(b"") as sink:
        told = words.encode() if isinstance(words, str) else words
        code, sentence = GATE.one_call(str(account.folder), told, ADDRESS, source, sink)
        size = os.lseek(sink, 0, os.SEEK_CUR)
        return Answer(code, os.pread(sink, size, 0), f"ocr-gate: {GATE.printable(sentence, 480)}\n" if code else "")


def killed(account: Account, words: str, given: bytes, step: int) -> bool:
    """Whether the call died before its step of that number; otherwise it has fewer. Nothing of it runs on, as with SIGKILL."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal left
            if not left:
                os._exit(9)
            left -= 1
            return function(*args, **options)

        return run

    for name in STEPS:
        setattr(GATE.os, name, counted(getattr(os, name)))
    setattr(subprocess, "Popen", counted(subprocess.Popen))  # noqa: B010
    try:
        call(account, words, given)
    finally:
        os._exit(0)
