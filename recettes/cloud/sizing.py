"""How large a quota the declared estate needs, how much of a quota is in use, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recettes.cloud import quota
from recettes.cloud.actual import Allowance, CloudState, Flavor, Image, Network
from recettes.cloud.plan import plan_cloud
from recettes.cloud.wanted import WantedCloud
from recettes.declarations.cloud import Needs, root_volume

# A new project has its default security group, with four rules until a run empties it.
_DEFAULT_RULES = 4
# From this share of a limit on, somebody should know.
_NEARLY = 0.9
ORDER = (
    quota.SERVERS, quota.VCPUS, quota.MEMORY, quota.VOLUMES, quota.VOLUME_SIZE, quota.SNAPSHOTS, quota.FLOATING_IPS,
    quota.NETWORKS, quota.SUBNETS, quota.ROUTERS, quota.PORTS, quota.GROUPS, quota.RULES,
)  # fmt: skip


class SizingError(Exception):
    """The cloud has not what is declared: a sentence."""


@dataclass(frozen=True)
class Row:
    """`least` is what the estate is made of; `room` that, and what snapshots of all volumes, a restore and a quarantine take."""

    what: str
    least: int
    room: int
    allowed: Allowance | None = None


@dataclass(frozen=True)
class Sizing:
    """`unknown` are flavours that only the cloud can tell the size of: vCPU and memory are then without them."""

    rows: tuple[Row, ...]
    unknown: tuple[str, ...] = ()

    def row(self, what: str) -> Row:
        return next(row for row in self.rows if row.what == what)


def sizing(wanted: WantedCloud, state: CloudState | None = None) -> Sizing:
    """Of an empty project, by the plan that would fill it. `state` None: no cloud is asked. Raises SizingError."""
    known = state if state is not None else _imagined(wanted)
    # Nothing of the estate itself: neither its network nor anything else that has a name of its.
    networks = tuple(one for one in known.networks if one.external or wanted.network in (one.name, one.id))
    plan = plan_cloud(CloudState(flavors=known.flavors, images=known.images, networks=networks), wanted)
    if problems := [*plan.refusals, *plan.obstacles]:
        raise SizingError("; ".join(problems))
    least = Counter(plan.needed)
    least[quota.GROUPS] += 1
    least[quota.RULES] += _DEFAULT_RULES
    sizes = {
        step.mark.item: int(step.arguments["size"])
        for step in plan.steps
        if step.mark.kind == "volume" and step.action == "create"
    }
    room = least + _more(wanted, sizes)
    unknown: tuple[str, ...] = ()
    if state is None:
        unknown = tuple(dict.fromkeys(one.flavour for one in wanted.machines if isinstance(one.flavour, str)))
    allowed = state.quota if state is not None else {}
    return Sizing(tuple(Row(what, least[what], room[what], allowed.get(what)) for what in ORDER), unknown)


def _imagined(wanted: WantedCloud) -> CloudState:
    """A cloud that has just what is asked for; where a flavour has only a name, nobody knows how large it is."""
    flavors = []
    for machine in wanted.machines:
        needs, disk = machine.flavour, 0 if machine.until is None else machine.root
        if isinstance(needs, Needs):
            flavors.append(Flavor(machine.name, str(needs), needs.vcpus, needs.memory * 1000, disk))
        else:
            flavors.append(Flavor(needs, needs, 0, 0, disk))
    image = Image("image", str(wanted.image), "", wanted.image.distribution, wanted.image.release)
    external = wanted.external or "external"
    networks = [Network(external, external, None, external=True)]
    if wanted.network:
        networks.append(Network(wanted.network, wanted.network, None))
    return CloudState(flavors=tuple(flavors), images=(image,), networks=tuple(networks))


def _more(wanted: WantedCloud, sizes: Mapping[str, int]) -> Counter[str]:
    """One snapshot of every volume; and the volumes of one machine twice, the one with most: a restore keeps what it replaces.
    And the security group of a machine in quarantine.
    """
    of_machine = [
        [
            sizes[name]
            for name in (root_volume(one.name), *(v.name for v in wanted.volumes if v.machine == one.name))
            if name in sizes
        ]
        for one in wanted.machines
    ]
    largest = max(of_machine, key=sum, default=[])
    most = max(map(len, of_machine), default=0)
    return Counter(
        {
            quota.SNAPSHOTS: len(sizes),
            # Of quarantine.
            quota.GROUPS: 1,
            quota.RULES: len(wanted.quarantine),
            quota.VOLUMES: most,
            quota.VOLUME_SIZE: sum(sizes.values()) + sum(largest),
        }
    )


def table(sizing: Sizing, words: Mapping[str, str] | None = None) -> list[tuple[str, ...]]:
    """Lines of words and figures; what the cloud does not tell is "-"."""
    lines: list[tuple[str, ...]] = []
    for row in sizing.rows:
        allowed = row.allowed
        limit = "-" if allowed is None else "any" if allowed.limit is None else str(allowed.limit)
        used = "-" if allowed is None else str(allowed.used)
        lines.append(((words or {}).get(row.what, row.what), str(row.least), str(row.room), limit, used))
    return lines


def advice(sizing: Sizing) -> list[str]:
    """What follows from it, the worst first."""
    too_small, no_room, full, more = [], [], [], []
    for row in sizing.rows:
        if row.allowed is None:
            continue
        limit, used = row.allowed.limit, row.allowed.used
        if limit is not None and limit < row.least:
            too_small.append(f"{row.what}: {limit} allowed, and the estate needs {row.least}: ask for {row.room - limit} more")
        elif limit is not None and limit < row.room:
            no_room.append(f"{row.what}: {limit} allowed, enough without snapshots and restores: ask for {row.room - limit} more")
        elif limit is not None and used >= limit * _NEARLY and used > row.least:
            full.append(f"{row.what}: {used} of {limit} in use")
        if used > row.room:
            more.append(
                f"{row.what}: {used} in use, {used - row.least} more than is declared: bin/cloud plan names what is left over"
            )
    return [*too_small, *no_room, *full, *more]


def unknown_words(sizing: Sizing) -> Sequence[str]:
    return [f"vCPU and memory are without flavour {name}, whose size the cloud tells: set OS_CLOUD" for name in sizing.unknown]
