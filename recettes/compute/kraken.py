"""Kraken and its models on a compute machine, root's, for all to read and run; and the shell text that brings them there.

/opt/kraken/kraken-DIGEST   virtual environments, see recettes/ocr/venv.py
/opt/kraken/current         a link to the one that is declared
/opt/kraken/models/NAME     recognition models
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recettes.change import Change
from recettes.files import FileTable
from recettes.ocr.large import Large, plan_large
from recettes.ocr.venv import Made, Venv, old_venvs, plan_venv, venv_script
from recettes.shell import quote

SUBSYSTEM = "kraken"
HOME = "/opt/kraken"
CURRENT = f"{HOME}/current"
MODELS = f"{HOME}/models"
# Large files on their way; gone otherwise.
INCOMING = f"{HOME}/.incoming"
_MODE = 0o444
# What a run that died may have left.
_STRAY = re.compile(r"\.incoming|\.current-new|kraken-[0-9a-f]{12}\.listing-new")


@dataclass(frozen=True)
class Kraken:
    """What is wanted: `models` by path; neither where nothing is declared."""

    venv: Venv | None = None
    models: Mapping[str, Large] = field(default_factory=dict)


@dataclass(frozen=True)
class KrakenState:
    """What is: `inside` are the names in /opt/kraken."""

    files: FileTable
    inside: frozenset[str] = frozenset()
    venvs: Mapping[str, Made] = field(default_factory=dict)


def plan_kraken(is_: KrakenState, want: Kraken) -> list[Change]:
    """Models and environment in their places, then the link to it; what is declared no more goes."""
    states = is_.files.states
    models = (
        plan_large(SUBSYSTEM, path, states.get(path), one, owner="root", mode=_MODE) for path, one in sorted(want.models.items())
    )
    changes = [change for change in models if change]
    if want.venv and (change := plan_venv(SUBSYSTEM, HOME, is_.venvs, want.venv)):
        changes.append(change)
    link = states.get(CURRENT)
    if want.venv and (link is None or (link.kind, link.link) != ("l", want.venv.name)):
        changes.append(Change(SUBSYSTEM, CURRENT, "change" if link else "create", f"link to {want.venv.name}"))
    return changes + [Change(SUBSYSTEM, path, "remove") for path in _surplus(is_, want)]


def _surplus(is_: KrakenState, want: Kraken) -> list[str]:
    models = [path for path, state in is_.files.states.items() if path.startswith(f"{MODELS}/") and state.kind != "d"]
    names = [*old_venvs(is_.venvs, want.venv), *(name for name in is_.inside if _STRAY.fullmatch(name))]
    gone = [path for path in models if path not in want.models] + [f"{HOME}/{name}" for name in names]
    # First of all: nobody is led to what is half gone.
    return ([CURRENT] if not want.venv and CURRENT in is_.files.states else []) + sorted(gone)


def uploads(changes: Iterable[Change], want: Kraken) -> dict[str, Large]:
    """The models that the changes bring, by their place."""
    return {change.item: want.models[change.item] for change in changes if change.item in want.models}


def place_script(arrived: str, path: str) -> str:
    """A model that has arrived whole takes its place."""
    return f"""chown root:root -- {quote(arrived)}
chmod {_MODE:o} -- {quote(arrived)}
[ -d {MODELS} ] || mkdir -m 755 {MODELS}
mv -fT -- {quote(arrived)} {quote(path)}
rm -rf -- {INCOMING}"""


def wheels_script(venv: Venv, archive: str) -> str:
    return venv_script(venv, HOME, incoming=INCOMING, archive=archive, umask="022")


def link_script(venv: Venv) -> str:
    return f"ln -sfnT {venv.name} {HOME}/.current-new\nmv -fT {HOME}/.current-new {CURRENT}"


def remove_script(changes: Sequence[Change]) -> str:
    """A virtual environment's listing goes last: while it is there, the next run knows the rest as ours."""
    gone = [change.item for change in changes if change.action == "remove"]
    lines = [f"rm -rf -- {quote(path)}; rm -f -- {quote(f'{path}.listing')}" for path in gone]
    return "\n".join([*lines, f"for one in {MODELS} {HOME}; do [ ! -d $one ] || rmdir --ignore-fail-on-non-empty $one; done"])
