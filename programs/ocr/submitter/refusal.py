"""What stands between us and the gate's answer, and what each means: docs/ocr-protocol.md, "Answers"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "fault", "stream", "missing", "closed", "gate", "full", "later", "limit", "unsafe",
    "network", "host", "denied", "stranger", "garbled", "noisy", "changed", "local", "undeclared",
]  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """How long (seconds) nothing more is tried unattended, whether all other batches of the cluster wait as well, and whether a
    person has to do something."""

    pause: int
    everything: bool
    person: bool


_MINUTE, _HOUR, _DAY = 60, 3600, 86400

MEANINGS: Mapping[str, Meaning] = {
    "fault": Meaning(_DAY, False, True),
    "stream": Meaning(_DAY, False, True),  # the first time it is only sent again
    "missing": Meaning(_DAY, False, True),
    "closed": Meaning(_HOUR, True, True),
    "gate": Meaning(_HOUR, False, True),
    "full": Meaning(_HOUR, True, True),
    "later": Meaning(_MINUTE, True, False),
    "limit": Meaning(_HOUR, False, False),  # most limits are those of a day
    "unsafe": Meaning(_HOUR, True, True),
    "network": Meaning(10 * _MINUTE, True, False),
    "host": Meaning(_HOUR, True, True),
    "denied": Meaning(_HOUR, True, True),
    "stranger": Meaning(_HOUR, True, True),
    "garbled": Meaning(_HOUR, False, True),
    "noisy": Meaning(_HOUR, True, True),
    "changed": Meaning(0, False, False),
    "local": Meaning(_HOUR, False, True),
    "undeclared": Meaning(0, False, True),  # nothing is asked of anybody to find it out
}

_EXITS: dict[int, Kind] = {
    64: "fault", 65: "stream", 66: "missing", 69: "closed", 70: "gate", 73: "full", 75: "later", 77: "limit", 78: "unsafe",
}  # fmt: skip
_SENTENCE = 500


class RefusalError(Exception):
    """A call that did not do what it should; `said` is the other side's own sentence, made harmless."""

    def __init__(self, kind: Kind, said: str = "") -> None:
        super().__init__(kind, said)
        self.kind = kind
        self.said = harmless(said)

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.kind]


def harmless(said: str) -> str:
    """One line of printable signs: what comes from elsewhere is shown on terminals and written to files for people."""
    shown = "".join(sign if sign.isprintable() or sign.isspace() else "?" for sign in said)
    return re.sub(r"\s+", " ", shown).strip()[:_SENTENCE]


def refusal_of(status: int, errors: str) -> RefusalError:
    """From ssh's exit status and standard error."""
    lines = [line for line in errors.splitlines() if line.strip()]
    own = [line.removeprefix("ocr-gate:").strip() for line in lines if line.startswith("ocr-gate:")]
    if status in _EXITS and own:
        return RefusalError(_EXITS[status], own[-1])
    last = lines[-1] if lines else ""
    if status == 255 or status < 0:
        if "Host key verification failed" in errors or "host key is known for" in errors:
            return RefusalError("host", last)
        return RefusalError("denied" if "Permission denied" in errors else "network", last)
    return RefusalError("stranger", f"{status}: {last}")
