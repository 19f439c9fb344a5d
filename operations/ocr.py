"""The submitter's key works on each cluster, for the gate and for nothing else; a person may have to hand it in first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host

from facts.ocr import proofs_noted, tried
from facts.survey import Unread
from operations.engine import Commands, Script, bring, knowledge, read, record, refuse
from recettes.change import Change, text_diff
from recettes.ocr.proof import SUBSYSTEM, Proof, due, forget_script, note_script, plan_proofs, unproved


@operation()
def keys_proved(wanted: Sequence[Proof]) -> Commands:
    """Every way in was tried with the key, and only the gate answered. Tried again when line, host or tries are others."""
    yield from bring(
        proofs_noted(),
        lambda notes: plan_proofs(notes, wanted),
        lambda _, changes: _prove(changes, wanted),
        unchanged=f"{len(wanted)} keys proved",
    )


def _prove(changes: Sequence[Change], wanted: Sequence[Proof]) -> Iterator[PyinfraCommand]:
    yield Script("notes of other keys", forget_script(changes))
    sentences = []
    for proof in due(changes, wanted):
        found = read(tried(proof))
        try:
            wrong = [found.reason] if isinstance(found, Unread) else unproved(found, proof)
        except (ValueError, KeyError):
            wrong = [f"the key could not be tried at {proof.cluster.host}"]
        if not wrong:
            yield Script(f"the key is proved at {proof.cluster.host}", note_script(proof))
        sentences += wrong
    if sentences:
        yield refuse(f"{'; '.join(sentences)}. Everything else is in its place; run this again when that is mended.")


class Written(PyinfraCommand):
    """A file on this computer."""

    def __init__(self, file: Path, text: str) -> None:
        super().__init__()
        self.file, self.text = file, text

    def __repr__(self) -> str:
        return f"Written({self.file})"

    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        beside = self.file.with_name(f".{self.file.name}.new")
        try:
            beside.write_text(self.text, encoding="utf-8")
            beside.replace(self.file)
        except OSError as error:
            host.log_styled(f"{self.file} could not be written: {error.strerror}", fg="red", log_func=logger.error)
            return False
        host.log_styled(f"to be handed in by a person: {self.file}", fg="yellow", log_func=logger.warning)
        return True


@operation()
def request_written(file: Path, text: str) -> Commands:
    """The request that lets the key in, for the cluster's people, lies in the estate's folder on this computer."""
    if knowledge().refused:
        return
    before = file.read_bytes() if file.exists() else None
    if before == text.encode():
        ctx_host.get().noop("the request as wanted")
        return
    diff = () if before is None else text_diff(file.name, before, text.encode())
    record([Change(SUBSYSTEM, file.name, "create" if before is None else "change", "the request to the cluster's people", diff)])
    yield Written(file, text)
