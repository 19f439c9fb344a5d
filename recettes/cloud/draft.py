"""A plan while it is being made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from recettes.cloud.actual import CloudState, Thing, found
from recettes.cloud.marks import ESTATE, ITEM, Mark
from recettes.cloud.quota import Needed
from recettes.cloud.steps import Step

T = TypeVar("T", bound=Thing)


@dataclass(frozen=True)
class CloudPlan:
    """What a run would do. `ids` are of the things that the steps refer to ("network/private"); `needed` is of the quota.

    `refusals`: nothing is begun. `obstacles`: what cannot be done, and the rest goes on; the run fails at its end. `notes` are
    only said: what is left over, what differs and is not for this run to change.
    """

    steps: tuple[Step, ...] = ()
    refusals: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    needed: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Draft:
    """`blocked` are marks of things that are wanted and cannot be had; what needs them is left out."""

    estate: str
    state: CloudState
    steps: list[Step] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    blocked: set[Mark] = field(default_factory=set)
    needed: Needed = field(default_factory=Needed)

    def mark(self, kind: str, item: str) -> Mark:
        return Mark(self.estate, kind, item)

    def have(self, things: Iterable[T], kind: str, item: str) -> T | None:
        """The thing with this mark. None and blocked where another has its name: nobody could tell the two apart."""
        things = list(things)
        mark = self.mark(kind, item)
        if (thing := found(things, mark)) is not None:
            self.ids[f"{kind}/{item}"] = thing.id
            return thing
        if other := next((thing for thing in things if thing.name == mark.name), None):
            self.obstacle(mark, _taken(mark, other))
        return None

    def step(
        self,
        action: str,
        mark: Mark,
        *needs: str,
        wanted: str = "",
        detail: str = "",
        takes: Mapping[str, int] | None = None,
        **arguments: Any,
    ) -> str:
        """Add the step, and what it `takes` of the quota, unless what it is done to is blocked.

        Needs of steps that are not in the plan are met already.
        """
        step = Step(action, mark, tuple(dict.fromkeys(need for need in needs if need)), arguments, wanted, detail)
        if mark not in self.blocked:
            self.steps.append(step)
            self.needed.update(takes or {})
        return step.key

    def making(self, kind: str, item: str) -> str:
        """The key of the step of this plan that makes the thing; empty where none does."""
        mark = self.mark(kind, item)
        return next((step.key for step in self.steps if step.mark == mark and step.action in ("create", "replace")), "")

    def obstacle(self, mark: Mark, why: str) -> None:
        self.blocked.add(mark)
        self.obstacles.append(why)

    def is_blocked(self, *things: tuple[str, str]) -> bool:
        return any(self.mark(*thing) in self.blocked for thing in things)

    def plan(self) -> CloudPlan:
        if self.refusals:
            return CloudPlan(refusals=tuple(self.refusals), obstacles=tuple(self.obstacles), notes=tuple(self.notes))
        return CloudPlan(tuple(self.steps), (), tuple(self.obstacles), tuple(self.notes), self.ids, +self.needed)


def _taken(mark: Mark, other: Thing) -> str:
    if other.mark:
        return f"{mark.kind} {mark.name}: the name is taken by {other.mark.kind} {other.mark.item} of estate {other.mark.estate}"
    strange = f"{mark.kind} {mark.name}: there is one of this name that the estate did not make, and it was not touched"
    if mark.kind == "server":  # without the estate's host key and port nobody could say that it is this machine
        return f"{strange}. A server cannot be handed over: openstack server set --name OTHER {other.id}, or delete it"
    if mark.kind == "volume":
        how = f"openstack volume set --property {ESTATE}={mark.estate} --property {ITEM}={mark.item} {other.id}"
    else:
        noun = mark.kind.replace("-", " ").replace("group", "security group")
        how = f"openstack {noun} set --description 'recettes:{mark.estate}/{mark.kind}/{mark.item}' {other.id}"
    return f"{strange}. If it is to be the estate's: {how}"
