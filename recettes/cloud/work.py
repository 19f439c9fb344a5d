"""What the steps of a run have in common: the cloud, the ids of its things, and patience."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from recettes.cloud.api import Api, CloudError
from recettes.cloud.marks import Mark

T = TypeVar("T")
# How many seconds a thing may take to become what it was asked to be; a volume is made from an image in minutes.
PATIENCE = "RECETTES_CLOUD_PATIENCE"
_SECONDS = 900.0
_INTERVAL = 0.3  # seconds between two looks at first; half as much again each time
_LONGEST_INTERVAL = 3.0
_TRIES = 3
_PAUSE = 1.0  # seconds after a doubtful answer: what was asked for may still be on its way


class NotYetError(CloudError):
    """To be asked again; a sentence says what is in the way, for when patience ends."""


@dataclass
class Work:
    """`ids` by "KIND/ITEM" grow while things are made. `user_data` by machine hold secrets. `folder` is the estate's."""

    api: Api
    ids: dict[str, str]
    user_data: Mapping[str, str] = field(repr=False, default_factory=dict)
    folder: Path = Path()
    patience: float = field(default_factory=lambda: float(os.environ.get(PATIENCE, _SECONDS)))

    def resolved(self, value: Any) -> Any:
        """With ids in place of references."""
        if isinstance(value, str) and value.startswith("@"):
            return self.ids[value[1:]]
        if isinstance(value, list):
            return [self.resolved(one) for one in value]
        return value

    def id(self, mark: Mark) -> str:
        return self.ids[f"{mark.kind}/{mark.item}"]

    def until(self, ask: Callable[[], T | None], waited_for: str) -> T:
        """Ask again until there is an answer. Raises CloudError when patience ends."""
        deadline = time.monotonic() + self.patience
        interval = _INTERVAL
        while True:
            why = ""
            try:
                if (answer := ask()) is not None:
                    return answer
            except NotYetError as error:
                why = f" ({error})"
            if time.monotonic() > deadline:
                raise CloudError(f"{waited_for} has not happened in {self.patience:.0f} seconds{why}; the next run looks again")
            time.sleep(interval)
            interval = min(interval * 1.5, _LONGEST_INTERVAL)


def once(make: Callable[[], T], look: Callable[[], T | None]) -> T:
    """Make a thing, and only one: where the answer leaves that in doubt, look whether it is there before trying again."""
    for attempt in range(_TRIES):
        try:
            return make()
        except CloudError as error:
            if not error.doubtful:
                raise
            time.sleep(_PAUSE)
            if (there := look()) is not None:
                return there
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def only(found: Sequence[T]) -> T | None:
    return found[0] if found else None
