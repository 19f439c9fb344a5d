"""The record of a run: every change and every refusal as a line of JSON, written by the operations, dry run and run alike."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recettes.change import Change

RECORD = "RECETTES_RECORD"  # names the file to which a run appends


@dataclass(frozen=True)
class Record:
    """On one machine a change, a refusal, what it said when asked, or none of them: the machine was read.

    `phase` is "plan" or "run".
    """

    machine: str
    phase: str
    change: Change | None = None
    refusal: str | None = None
    said: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "phase": self.phase,
            **({} if self.change is None else asdict(self.change)),
            "refusal": self.refusal,
            **({} if self.said is None else {"said": self.said}),
        }


def append(file: Path, records: list[Record]) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write("".join(json.dumps(record.to_json()) + "\n" for record in records))


def read_records(file: Path) -> list[Record]:
    if not file.exists():
        return []
    return [_record(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def _record(line: dict[str, Any]) -> Record:
    change = (
        Change(line["subsystem"], line["item"], line["action"], line["wanted"], tuple(line["diff"]))
        if "subsystem" in line
        else None
    )
    return Record(line["machine"], line["phase"], change, line["refusal"], line.get("said"))
