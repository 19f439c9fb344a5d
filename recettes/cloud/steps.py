"""What a run does in the cloud, as data: who plans it knows no network, who does it decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recettes.change import Change
from recettes.cloud.marks import Mark

SUBSYSTEM = "cloud"


@dataclass(frozen=True)
class Step:
    """One change by one call, or by a few that only make sense together.

    `mark` is whose it is done to. `needs` are the keys of steps that come first; where one fails, this one is left out. In
    `arguments`, "@KIND/ITEM" stands for the id of a thing, which may not be made yet.
    """

    action: str
    mark: Mark
    needs: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    wanted: str = ""
    detail: str = ""

    @property
    def key(self) -> str:
        return " ".join(word for word in (self.action, str(self.mark), self.detail) if word)

    @property
    def change(self) -> Change:
        item = f"{self.mark}: {self.detail}" if self.detail else str(self.mark)
        return Change(SUBSYSTEM, item, self.action, self.wanted)


def reference(kind: str, item: str) -> str:
    return f"@{kind}/{item}"


def to_json(steps: Iterable[Step]) -> str:
    return json.dumps([asdict(step) for step in steps])


def from_json(text: str) -> list[Step]:
    return [Step(**{**entry, "mark": Mark(**entry["mark"]), "needs": tuple(entry["needs"])}) for entry in json.loads(text)]
