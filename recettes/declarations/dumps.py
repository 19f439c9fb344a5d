"""Where dumps of the XML databases are copied to: a group that exists, and that the machine of the databases may reach."""

from __future__ import annotations

from collections.abc import Collection

from recettes.declarations.base import wrong
from recettes.declarations.flows import SSH_PORT, Flow
from recettes.declarations.lab import Lab

FROM = "xmldb"


def check_dumps(lab: Lab, *, groups: Collection[str]) -> None:
    """Note what is wrong with XmlDumps.copy_to."""
    dumps = lab.xmldb.dumps
    if dumps.copy_to is None:
        return
    if dumps.copy_to not in groups:
        wrong(dumps, "copy_to", f"there is no group {dumps.copy_to!r}; groups are {', '.join(groups)}")
    elif dumps.copy_to == FROM:
        wrong(dumps, "copy_to", "a copy beside the databases is lost with them; name another group")
    elif not any(_opens(flow, dumps.copy_to) for flow in lab.flows):
        line = f'Flow(source="{FROM}", to="{dumps.copy_to}", port={SSH_PORT}, why="copies of the dumps")'
        wrong(
            dumps,
            "copy_to",
            f"copies go by SSH, and no flow opens it from {FROM} to {dumps.copy_to}. Add to the lab's flows: {line}",
        )


def _opens(flow: Flow, to: str) -> bool:
    return flow.source == FROM and flow.to == to and flow.protocol == "tcp"
