"""What is asked for of a machine or volume, as it goes from bin/cloud to the run that does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from recettes.cloud.actual import Flavor, Server, Thing, Volume, found
from recettes.cloud.draft import Draft

T = TypeVar("T", bound=Thing)


@dataclass(frozen=True)
class Asked:
    """`options` by name. What depends on the time has it here: dry run and run mean the same moment."""

    command: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class LifeDraft(Draft):
    """A plan for one thing of the estate."""

    def server(self, name: str) -> Server | None:
        return self._the(self.state.servers, "server", name)

    def volume(self, name: str) -> Volume | None:
        return self._the(self.state.volumes, "volume", name)

    def _the(self, things: Sequence[T], kind: str, name: str) -> T | None:
        """The thing, whose id is noted; refused where there is none."""
        if (thing := found(things, self.mark(kind, name))) is not None:
            self.ids[f"{kind}/{name}"] = thing.id
            return thing
        known = sorted(one.mark.item for one in things if one.mark and one.mark.estate == self.estate)
        self.refusals.append(f"estate {self.estate} has no {kind} {name} in the cloud; it has {', '.join(known) or 'none'}")
        return None

    def flavor_of(self, server: Server) -> Flavor | None:
        """None where the cloud offers it no more: a server keeps the flavour that it was made with."""
        return next((one for one in self.state.flavors if server.flavor in (one.id, one.name)), None)

    def steady(self, server: Server) -> bool:
        """Whether the cloud is not doing something with it already; refused where it is."""
        if server.task:
            self.refusals.append(f"{server.mark} is busy: {server.task}. Wait until that is through")
        return not server.task
