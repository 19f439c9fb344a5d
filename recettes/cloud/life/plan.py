"""From what is asked for to the steps that do it."""

from __future__ import annotations

from collections.abc import Callable

from recettes.cloud import quota
from recettes.cloud.actual import CloudState
from recettes.cloud.draft import CloudPlan
from recettes.cloud.life.anew import plan_rebuild, plan_restore
from recettes.cloud.life.asked import Asked, LifeDraft
from recettes.cloud.life.doors import plan_quarantine, plan_window, plan_window_end
from recettes.cloud.life.power import plan_reboot, plan_start, plan_stop
from recettes.cloud.life.sizes import plan_extend, plan_resize
from recettes.cloud.life.snapshots import plan_drop, plan_snapshot, renamed
from recettes.cloud.plan import twice
from recettes.cloud.wanted import WantedCloud

_PLANS: dict[str, Callable[[LifeDraft, WantedCloud, Asked], None]] = {
    "start": plan_start,
    "stop": plan_stop,
    "reboot": plan_reboot,
    "resize": plan_resize,
    "extend": plan_extend,
    "snapshot": plan_snapshot,
    "drop-snapshot": plan_drop,
    "restore": plan_restore,
    "rebuild": plan_rebuild,
    "quarantine": plan_quarantine,
    "open-ssh": plan_window,
    "close-ssh": plan_window_end,
}


def plan_life(state: CloudState, wanted: WantedCloud, asked: Asked) -> CloudPlan:
    """Exact, like any plan; what cannot be had is refused before anything is begun."""
    if doubles := twice(state, wanted.estate):
        return CloudPlan(refusals=tuple(doubles))
    state = renamed(state, wanted)
    draft = LifeDraft(wanted.estate, state)
    _PLANS[asked.command](draft, wanted, asked)
    draft.refusals += quota.too_much(draft.needed, state.quota)
    if draft.steps and any(draft.needed.values()):
        draft.notes.insert(0, quota.told(+draft.needed, state.quota))
    return draft.plan()
