"""Calls of the gate by SSH: one connection for all of them, strict about who answers and about what."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from .names import BATCH, MODEL, page_of
from .refusal import RefusalError, harmless, refusal_of
from .settings import Cluster, Settings
from .stream import Incoming, Outgoing, read_stream, write_stream

CONNECT_SECONDS = 30  # to the host and through both stages of the login
STALL_SECONDS = 120  # longer than the gate's own patience, so that its sentence comes first
KEPT_SECONDS = 60  # how long the shared connection outlives a submitter that was killed
CIPHERS = "Ciphers=^aes256-gcm@openssh.com,aes128-gcm@openssh.com"  # preferred: processors have instructions for it
_ANSWER_BYTES = 16_000_000  # `have` of the largest batch is a hundredth of it
_ERROR_BYTES = 20_000
_MOST_ERRORS = 1_000_000  # who says more than that is ended
_BROKEN = (255, -signal.SIGKILL)  # ssh's own failure, and one that we ended


class Gate:
    """The gate of one cluster. Connects with the first call; `close` ends the connection.

    Every call raises RefusalError when it did not do what it should.
    """

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._options = _options(cluster, settings)
        self._target = f"{cluster.user}@{cluster.host}"
        self._folder: Path | None = None
        self.reached = False  # whether it ever let us in

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._folder:
            end = ["ssh", *self._options, *self._control(), "-O", "exit", "--", self._target]
            with suppress(subprocess.TimeoutExpired, OSError):
                subprocess.run(end, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=_environment(), timeout=CONNECT_SECONDS, check=False)  # fmt: skip
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def call(self, *words: str) -> dict[str, Any]:
        """The answer, an object whose keys are still to be checked."""
        with self._session(words, subprocess.DEVNULL) as session:
            answer = session.read_all()
        return _object(answer)

    def put(self, batch: str, files: Sequence[Outgoing], count: int, moved: Callable[[int], None]) -> dict[str, Any]:
        """Send `files` of a batch that holds `count` pages when it is whole; `moved` hears of the bytes on the way.

        Raises FileChangedError as well.
        """
        with self._session(("put", batch), subprocess.PIPE) as session:
            stdin = session.stdin
            with suppress(BrokenPipeError):  # it says why on its standard error
                for chunk in write_stream(files, count):
                    stdin.write(chunk)
                    session.alive()
                    moved(len(chunk))
                stdin.close()  # it answers when there is no more
            answer = session.read_all()
        return _object(answer)

    def fetch(self, batch: str, after: str, wanted: Callable[[str], bool], most: int) -> Iterator[Incoming]:
        """Results of the batch as they come, each whole and checked. `wanted`: whether there may be this name; `most`: bytes."""
        words = ("fetch", batch, after) if after else ("fetch", batch)
        with self._session(words, subprocess.DEVNULL) as session:
            yield from read_stream(session.read, after=after, wanted=wanted, most=most)
            if session.read(1):
                raise RefusalError("garbled", "something follows the end of the stream")

    @contextmanager
    def _session(self, words: Sequence[str], stdin: int) -> Iterator[_Session]:
        if not all(BATCH.fullmatch(word) or MODEL.fullmatch(word) or page_of(word) for word in words):
            raise RefusalError("fault", " ".join(words))
        self._connect()
        with tempfile.TemporaryFile() as errors:
            ssh = subprocess.Popen(
                ["ssh", *self._options, *self._control(), "--", self._target, *words],
                stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=_environment(), start_new_session=True,
            )  # fmt: skip
            session = _Session(ssh, errors)
            try:
                yield session
            except RefusalError as refusal:
                # A stream that ends too early is the consequence; why it did is what ssh and the gate say.
                if refusal.kind == "network" and (status := session.end(1)) > 0:
                    raise refusal_of(status, _text(errors)) from None
                raise
            finally:
                status = session.end(STALL_SECONDS)
                if status in _BROKEN:
                    self.close()  # the next call connects anew
            if session.stalled:
                raise RefusalError("network", f"nothing came for {STALL_SECONDS} s")
            if status:
                raise refusal_of(status, _text(errors))

    def _connect(self) -> None:
        """Once: a call whose master has gone meanwhile logs in by itself."""
        if self._folder:
            return
        # A socket's path may have 104 bytes: not below a folder of somebody's choice.
        self._folder = Path(tempfile.mkdtemp(prefix="ocr-"))
        try:
            self._log_in()
        except RefusalError:
            self.close()
            raise

    def _log_in(self) -> None:
        """A master in the background. It ends by itself when we are gone, so that a kill leaves nothing behind."""
        with tempfile.TemporaryFile() as errors:
            command = ["ssh", *self._options, *self._control(), "-o", "ControlMaster=yes", "-o", f"ControlPersist={KEPT_SECONDS}",
                       "-N", "-f", "--", self._target]  # fmt: skip
            try:
                # Without a terminal of its own it cannot ask a person: what is asked gets an empty answer.
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                      env=_environment(), start_new_session=True, timeout=2 * CONNECT_SECONDS,
                                      check=False)  # fmt: skip
            except subprocess.TimeoutExpired:
                raise RefusalError("network", f"no login within {2 * CONNECT_SECONDS} s") from None
            except FileNotFoundError:
                raise RefusalError("network", "there is no ssh on this machine") from None
            if done.returncode:
                raise refusal_of(done.returncode, _text(errors))
        self.reached = True

    def _control(self) -> list[str]:
        assert self._folder
        return ["-o", f"ControlPath={self._folder}/s"]


class _Session:
    """One running ssh, ended when nothing moves for STALL_SECONDS."""

    def __init__(self, ssh: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._ssh, self._errors = ssh, errors
        self._stdout = cast(BufferedReader, ssh.stdout)
        self._moved = time.monotonic()
        self._over = threading.Event()
        self.stalled = False
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def stdin(self) -> IO[bytes]:
        assert self._ssh.stdin
        return self._ssh.stdin

    def alive(self) -> None:
        self._moved = time.monotonic()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; none at the end."""
        self.alive()
        chunk = self._stdout.read1(size)
        self.alive()
        return chunk

    def read_all(self) -> bytes:
        answer = bytearray()
        self.alive()  # once: an answer comes as a whole, and one that drips is none
        while chunk := self._stdout.read1(1 << 16):
            answer += chunk
            if len(answer) > _ANSWER_BYTES:
                self._ssh.kill()
                raise RefusalError("garbled", "an answer without end")
        return bytes(answer)

    def end(self, patience: float) -> int:
        """Its exit status; killed if it does not end within `patience` seconds."""
        with suppress(BrokenPipeError):
            if self._ssh.stdin:
                self._ssh.stdin.close()
        self._stdout.close()
        try:
            return self._ssh.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self._ssh.kill()
            return self._ssh.wait()
        finally:
            self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(1):
            self.stalled = time.monotonic() - self._moved > STALL_SECONDS
            if self.stalled or os.fstat(self._errors.fileno()).st_size > _MOST_ERRORS:
                self._ssh.kill()
                return


def _options(cluster: Cluster, settings: Settings) -> list[str]:
    """Nothing of anybody's ~/.ssh counts. Not BatchMode, and not without prompts: the second stage would not be gone through."""
    return [
        word
        for option in (
            f"Port={cluster.port}",
            f"IdentityFile={settings.key}",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"PreferredAuthentications=publickey{',keyboard-interactive' if cluster.interactive else ''}",
            f"UserKnownHostsFile={settings.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "VerifyHostKeyDNS=no",
            CIPHERS,
            "RequestTTY=no",
            "AddressFamily=inet",
            f"ConnectTimeout={CONNECT_SECONDS}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "EscapeChar=none",
            "LogLevel=ERROR",
        )
        for word in ("-o", option)
    ] + ["-F", "/dev/null"]


def _environment() -> dict[str, str]:
    """Its messages in English, so that they can be told apart; no program of a desktop that asks for words."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}


def _text(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - _ERROR_BYTES))
    return errors.read().decode("utf-8", "replace")


def _object(answer: bytes) -> dict[str, Any]:
    """The one JSON object on one line that every answer is."""
    before, _, last = answer.removesuffix(b"\n").rpartition(b"\n")
    try:
        said = json.loads(last) if answer.endswith(b"\n") else None
    except (ValueError, RecursionError):
        said = None
    if before or not isinstance(said, dict):
        raise RefusalError("noisy" if isinstance(said, dict) else "garbled", answer[:100].decode("ascii", "replace"))
    return said


def text_of(said: dict[str, Any], key: str) -> str:
    """A text of an answer, harmless. Raises RefusalError when it is none."""
    return harmless(str(_of(said, key, str)))


def number_of(said: dict[str, Any], key: str) -> float:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        raise RefusalError("garbled", f"{key}: {value!r}")
    return value


def texts_of(said: dict[str, Any], key: str) -> list[str]:
    """Texts of an answer, harmless."""
    return [harmless(str(entry)) for entry in list_of(said, key)]


def list_of(said: dict[str, Any], key: str) -> list[Any]:
    return list(_of(said, key, list))


def pairs_of(entries: Iterable[Any], *kinds: type) -> list[list[Any]]:
    """Entries that are lists of just these kinds. Raises RefusalError for any other."""
    checked = []
    for entry in entries:
        fits = isinstance(entry, list) and len(entry) == len(kinds)
        if not fits or not all(type(part) is kind for part, kind in zip(entry, kinds, strict=True)):
            raise RefusalError("garbled", repr(entry))
        checked.append(entry)
    return checked


def _of(said: dict[str, Any], key: str, kind: type) -> Any:
    if not isinstance(said.get(key), kind):
        raise RefusalError("garbled", f"{key}: {said.get(key)!r}")
    return said[key]
