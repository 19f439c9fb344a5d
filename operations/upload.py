"""A large file made on the controller, brought to a root-only place on the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO, Any, BinaryIO

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.command import PyinfraCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State

from operations.channel import begin
from recettes.contents.cache import cache_folder, sha256_of
from recettes.contents.entries import BLOCK
from recettes.shell import quote

_OPEN_SECONDS = 20.0


class Upload(PyinfraCommand):
    """Writes what `make` writes to `path` on the machine, mode 0600 in a folder 0700 that holds nothing else.

    The bytes go by standard input of one exec: under sudo, pyinfra's own upload would first put them where all can read them.
    The file gets its name only when its SHA-256 is right. `make` may raise `failures`; that stops this host.
    """

    def __init__(self, make: Callable[[BinaryIO], None], path: str, failures: type[Exception]) -> None:
        super().__init__()
        self.make, self.path, self.failures = make, path, failures

    def __repr__(self) -> str:
        return f"Upload({self.path})"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        # Without a name from the start, so that a killed run leaves nothing.
        with tempfile.TemporaryFile(dir=cache_folder()) as file:
            try:
                self.make(file)
            except self.failures as error:
                host.log_styled(str(error), fg="red", log_func=logger.error)
                return False
            file.seek(0)
            digest = sha256_of(file)
            file.seek(0)
            said = _send(state, host, _script(self.path, digest), file, connector_arguments)
        if said is not None:
            host.log_styled(f"{self.path} could not be written: {said}", fg="red", log_func=logger.error)
        return said is None


def _script(path: str, digest: str) -> str:
    folder = quote(path.rpartition("/")[0])
    part = quote(f"{path}.part")
    return (
        f"set -eu; umask 077; mkdir -p {folder}; chmod 700 {folder}; find {folder} -mindepth 1 -delete; "
        f"cat >{part} || {{ rm -f {part}; exit 1; }}; "
        f"echo '{digest} '{part} | sha256sum -c --status || {{ rm -f {part}; echo 'it arrived damaged' >&2; exit 1; }}; "
        f"mv -fT {part} {quote(path)}"
    )


def _send(state: State, host: Host, script: str, file: IO[bytes], arguments: Any) -> str | None:
    """None, or what went wrong."""
    try:
        channel = begin(state, host, StringCommand("sh", "-c", QuoteString(script)), arguments, _OPEN_SECONDS)
    except (SSHException, OSError, EOFError) as error:
        return str(error) or type(error).__name__
    if channel is None:
        return "the machine is not reached over SSH"
    try:
        while block := file.read(BLOCK):
            channel.sendall(block)
        channel.shutdown_write()
    except OSError:
        pass  # the other side has ended; it says why
    said = channel.makefile_stderr("rb").read().decode(errors="replace").strip()
    status = channel.recv_exit_status()
    channel.close()
    return None if status == 0 else said or f"exit status {status}"
