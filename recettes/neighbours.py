"""What somebody else already serves on a machine that is to become the lab's front."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Neighbours:
    """`files` are those in which the machine's own nginx finds servers that Debian did not ship; `programs` are the other
    programs that listen where a front listens, as (port, name)."""

    files: tuple[str, ...] = ()
    programs: tuple[tuple[int, str], ...] = ()


def crowded(state: Neighbours) -> list[str]:
    """Sentences that say why the machine cannot become a front yet: what is served here would silently end."""
    found = []
    if state.files:
        found.append(
            f"nginx here serves sites that these recipes do not know: {', '.join(state.files)}; they would stop answering. "
            "Declare each as a site of a project in group_data/projects, or have them moved elsewhere; then remove these files "
            "and `systemctl reload nginx`, and run again"
        )
    found += [
        f"{program} listens at port {port}, which the front needs. Stop and disable it, or make another machine the front"
        for port, program in state.programs
    ]
    return found
