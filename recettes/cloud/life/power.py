"""Machines are stopped, started and started anew."""

from __future__ import annotations

from recettes.cloud.actual import Server
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.marks import KEPT, STOPPED, kept
from recettes.cloud.plan_machines import AWAKE
from recettes.cloud.wanted import WantedCloud

RUNNING = "ACTIVE"


def plan_stop(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    """It stays stopped, whatever runs come after, until it is started by command."""
    server = draft.server(asked.name)
    if server is None or not draft.steady(server):
        return
    if server.status not in (RUNNING, *AWAKE):
        draft.refusals.append(f"server {asked.name} is in state {server.status}; one that runs can be stopped")
        return
    noted = keep(draft, server, kept(server.metadata) | {STOPPED})
    if server.status != "SHUTOFF":
        draft.step("stop", draft.mark("server", asked.name), noted)


def plan_start(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    server = draft.server(asked.name)
    if server is None or not draft.steady(server):
        return
    if server.status not in (RUNNING, *AWAKE):
        draft.refusals.append(f"server {asked.name} is in state {server.status}; one that is stopped can be started")
        return
    noted = keep(draft, server, kept(server.metadata) - {STOPPED})
    if server.status in AWAKE:
        draft.step(AWAKE[server.status], draft.mark("server", asked.name), noted, wanted=f"it is {server.status}")


def plan_reboot(draft: LifeDraft, wanted: WantedCloud, asked: Asked) -> None:
    server = draft.server(asked.name)
    if server is None or not draft.steady(server):
        return
    if server.status != RUNNING:
        draft.refusals.append(f"server {asked.name} is in state {server.status}: bin/cloud start {asked.name}")
        return
    hard = "hard" in asked.options
    draft.step("reboot", draft.mark("server", asked.name), wanted="as if by its switch" if hard else "", hard=hard)


def keep(draft: LifeDraft, server: Server, words: frozenset[str]) -> str:
    """Note on the server what a person asked for; the key of the step that does it, "" where it is noted."""
    if words == kept(server.metadata) or server.mark is None:
        return ""
    shown = " and ".join(sorted(words)) or "nothing is asked for any more"
    return draft.step("label", server.mark, wanted=shown, metadata={KEPT: ",".join(sorted(words))})
