"""Security groups, one for each machine type, from the same openings that make the machines' own firewall."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from recettes.cloud.actual import Rule
from recettes.declarations.flows import Flow
from recettes.estate import GROUPS
from recettes.flows import rules_for

# What comes in is what the flows say; what goes out is let through, as by the machines themselves.
OUT = frozenset({Rule("egress", 4), Rule("egress", 6)})


def group_rules(group: str, flows: Iterable[Flow], there: Collection[str], administrators: Collection[str]) -> frozenset[Rule]:
    """The rules of the security group of one machine type. `there` are the types that the estate has a machine of.

    A rule's `remote` is a network, "" for the world, or one of `there`, to be replaced by that group's id.
    """
    rules = set(OUT)
    # Without addresses: in the cloud a type is known by its group, and no machine has to be there yet.
    for opening in rules_for((group,), flows, addresses={}, administrators=administrators).openings:
        ports = (opening.protocol, opening.first, opening.last)
        if opening.networks is None:
            rules |= {Rule("ingress", 4, *ports), Rule("ingress", 6, *ports)}
        elif opening.source in GROUPS:
            rules |= {Rule("ingress", 4, *ports, opening.source)} if opening.source in there else set()
        else:
            rules |= {Rule("ingress", network.version, *ports, str(network)) for network in opening.networks}
    return frozenset(rules)


def quarantine_rules(there: Collection[str], administrators: Collection[str]) -> frozenset[Rule]:
    """For a machine that is shut off: the administrators come in by SSH, straight or through `web`. Nothing goes out."""
    # A machine of a type that no flow leads to, and none passes through.
    return group_rules("", (), there, administrators) - OUT
