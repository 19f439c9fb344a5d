"""Whether a machine is one that may be changed: its system, its rights, its room; and what a run that died left on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recettes.change import Change
from recettes.files import STAGING
from recettes.shell import words

# Below this apt and atomic writes fail half-way.
FREE_BYTES = 200_000_000
# Certificates, logs and one-time codes suffer from more.
_SKEW_SECONDS = 60


@dataclass(frozen=True)
class Readiness:
    """`distribution` and `release` as /etc/os-release says (debian, trixie). `free`: bytes by folder. `skew`: seconds that the
    machine's clock is ahead of the controller's. `leftovers`: paths that a run which died has staged. `failed`: units that
    failed."""

    distribution: str
    release: str
    system: str
    architecture: str
    root: bool
    free: Mapping[str, int]
    skew: float
    leftovers: tuple[str, ...] = ()
    reboot: bool = False
    failed: tuple[str, ...] = ()


def refusals(state: Readiness, release: str) -> list[str]:
    """Sentences that say why nothing is to be changed here."""
    found = []
    if (state.distribution, state.release) != ("debian", release):
        found.append(f"this machine runs {state.system}, and these recipes are for Debian {release} only")
    if not state.root:
        found.append("this run is not root here: log in as root, or as an account that may use sudo, and set _sudo")
    short = [f"{folder} has {free // 1_000_000} MB" for folder, free in sorted(state.free.items()) if free < FREE_BYTES]
    if short:
        found.append(
            f"the disk is nearly full: {', '.join(short)} free, {FREE_BYTES // 1_000_000} MB are needed. Make room first"
        )
    return found


def warnings(state: Readiness) -> list[str]:
    """Sentences about what a person should look at; no reason to stop."""
    found = []
    if abs(state.skew) > _SKEW_SECONDS:
        side = "ahead of" if state.skew > 0 else "behind"
        found.append(f"its clock is {abs(state.skew):.0f} s {side} this computer's")
    if state.reboot:
        found.append("it waits for a reboot, to run what was upgraded")
    if state.failed:
        found.append(f"failed units: {', '.join(state.failed)} (systemctl status NAME says why, on the machine)")
    return found


def plan_ready(state: Readiness) -> list[Change]:
    return [Change("ready", path, "remove left-over") for path in state.leftovers]


def ready_script(state: Readiness) -> str:
    """The list of what was staged goes last, so that no run forgets what an earlier one has seen."""
    staged = [path for path in state.leftovers if path != STAGING]
    return "\n".join(f"rm -rf -- {words(paths)}" for paths in (staged, [STAGING]) if paths)


def no_sudo(user: str, said: str) -> str:
    """The sentence for a machine where the account of the connection cannot become root."""
    return (
        f"{user} cannot become root by sudo without a password; it said: {said}. As root on the machine, install sudo and write "
        f"`{user} ALL=(ALL:ALL) NOPASSWD: ALL` to /etc/sudoers.d/90-{user} (mode 0440); or log in as root"
    )
