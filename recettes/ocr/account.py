"""The gate's account on a cluster: what is to lie in ~/ocr, what lies there, and the shell text between. Nothing needs root.

~/ocr/kraken-DIGEST           a virtual environment; the one before stays, for jobs that still run
~/ocr/kraken-DIGEST.listing   digest over its files as they were made
~/ocr/incoming                large files on their way
~/ocr/ready                   names the installation with which a page was recognised
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from recettes.change import Change
from recettes.files import File, FileState, FileTable, differences
from recettes.ocr import names
from recettes.ocr.large import Large, plan_large
from recettes.ocr.settings import digest_of
from recettes.ocr.venv import Made, Venv, old_venvs, plan_venv

SUBSYSTEM = "ocr"
AUTHORIZED_KEYS = ".ssh/authorized_keys"
TRIAL = "trial page"
_PROGRAM, _PRIVATE, _FOLDER = 0o500, 0o400, 0o700
# Names that a run which died may have left in the gate's folder.
_STRAY = re.compile(rf"{names.INCOMING}|\.new-[a-z-]+(\.json)?|ready\.new|{names.VENV}[0-9a-f]{{12}}\.listing-new")


@dataclass(frozen=True)
class Account:
    """What is wanted. Paths are absolute. `key` is the whole line of authorized_keys, None where the file is none of ours.

    `command` is the key's; `public` is the key itself, as in authorized_keys, empty as long as there is none. `programs` are
    needed on the cluster; a page is tried with `model`.
    """

    user: str
    home: str
    folder: str
    spool: str
    files: Mapping[str, File]
    large: Mapping[str, Large]
    venv: Venv | None
    command: str
    key: str | None
    public: str
    programs: tuple[str, ...]
    model: str
    until: date

    @property
    def digest(self) -> str:
        """Changes when anything does that a recognised page depends on."""
        files = [f"{path} {file.digest}" for path, file in sorted(self.files.items())]
        large = [f"{path} {one.sha256}" for path, one in sorted(self.large.items())]
        return digest_of(*files, *large, self.venv.digest if self.venv else "")

    @property
    def marks(self) -> tuple[str, ...]:
        """What the lines of authorized_keys hold of which some are ours."""
        gate = f' {self.folder}/{names.GATE}"'
        return (gate, self.public) if self.public else (gate,)

    def owns(self, line: str) -> bool:
        """Whether a line with one of the marks is ours: it lets our key in, whatever that may do then, or a run wrote it,
        whatever key and interpreter it names. Beside the wanted one it would let in an old key, or ours from anywhere."""
        return bool(self.public and self.public in line) or line.rstrip().endswith(f" {names.COMMENT}")

    def folders(self) -> dict[str, File]:
        inside = {path.rpartition("/")[0] for path in (*self.files, *self.large)}
        return {path: File(None, self.user, "", _FOLDER) for path in sorted({self.folder, self.spool, *inside})}


@dataclass(frozen=True)
class AccountState:
    """What is. `inside` are the names in the gate's folder, `images` when those of containers came, by name, `keys` the lines of
    authorized_keys that are ours."""

    user: str
    home: str
    missing: tuple[str, ...]
    files: FileTable
    inside: frozenset[str] = frozenset()
    venvs: Mapping[str, Made] = field(default_factory=dict)
    images: Mapping[str, float] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    ready: str = ""


def programs_of(gate: Mapping[str, str], settings: str, folder: str, user: str) -> dict[str, File]:
    """The gate's own files, from their texts by name."""
    files = {f"{folder}/{name}": File(text.encode(), user, "", _PROGRAM) for name, text in gate.items()}
    return {**files, f"{folder}/{names.SETTINGS}": File(settings.encode(), user, "", _PRIVATE)}


def refusals(is_: AccountState, want: Account, today: date) -> list[str]:
    """Sentences that say why nothing is to be changed on this account."""
    said = []
    if (is_.user, is_.home) != (want.user, want.home):
        said.append(
            f"the account here is {is_.user} with the home {is_.home}, and declared are {want.user} and home={want.home!r}"
        )
    if is_.missing:
        said.append(f"{' and '.join(is_.missing)} cannot be run here; say with slurm= and python= where they are")
    for path in want.folders():
        state = is_.files.states.get(path)
        if state and state.kind == "l":
            said.append(
                f"{path} is a link to {state.link}: move it away{'; spool= says where batches lie' if path == want.spool else ''}"
            )
        elif state and (state.kind != "d" or state.owner != want.user):
            said.append(f"{path} is not a folder of {want.user}'s: move it away")
    if today > want.until:
        said.append(f"the gate is closed since the end of {want.until}: declare a later until=, or take the cluster out")
    return said


def plan_account(is_: AccountState, want: Account) -> list[Change]:
    """Everything in its place, tried, and only then the key let in. What is not ours in the account is never looked at."""
    states = {path: _as_wanted_of(state) for path, state in is_.files.states.items()}
    changes = [
        replace(change, subsystem=SUBSYSTEM)
        for change in differences(states, {**want.folders(), **want.files})
        if (change.item, change.action) != (want.folder, "create")  # taking the account's lock makes it
    ]
    changes += [
        change
        for path, one in sorted(want.large.items())
        if (change := plan_large(SUBSYSTEM, path, states.get(path), one, owner=want.user, mode=_PRIVATE))
    ]
    if want.venv and (change := plan_venv(SUBSYSTEM, want.folder, is_.venvs, want.venv)):
        changes.append(change)
    if names.STOP not in is_.inside and (changes or is_.ready != want.digest):
        changes.append(Change(SUBSYSTEM, TRIAL, "recognise", want.model))
    lines = [] if want.key is None else [want.key]
    if list(is_.keys) != lines:
        action = "let in" if lines and not is_.keys else "change" if lines else "take out"
        changes.append(Change(SUBSYSTEM, f"{want.home}/{AUTHORIZED_KEYS}", action, "the key that may call the gate"))
    changes += [Change(SUBSYSTEM, f"{want.folder}/{name}", "remove") for name in _surplus(is_, want)]
    return changes


def _as_wanted_of(state: FileState) -> FileState:
    """Without what is the cluster's affair: the group, and that a folder hands its own on. Quotas may count by these."""
    return replace(state, group="", mode=state.mode & ~stat.S_ISGID if state.kind == "d" else state.mode)


def _surplus(is_: AccountState, want: Account) -> list[str]:
    """Names in the gate's folder that are ours and wanted no more. Of what Kraken comes from, the one before stays: jobs that run
    have read their settings, and start it again for every page that takes too long."""
    models, images = f"{want.folder}/{names.MODELS}", f"{want.folder}/{names.IMAGES}"
    others = sorted((when, name) for name, when in is_.images.items() if f"{images}/{name}" not in want.large)
    before = f"{images}/{others[-1][1]}" if others else ""
    files = [
        path.removeprefix(f"{want.folder}/")
        for path, state in is_.files.states.items()
        if path.rpartition("/")[0] in (models, images) and path not in want.large and path != before and state.kind != "d"
    ]
    venvs = old_venvs(is_.venvs, want.venv, keep_one=True)
    return sorted([*venvs, *files, *(name for name in is_.inside if _STRAY.fullmatch(name))])


def uploads(changes: Iterable[Change], want: Account) -> dict[str, Large]:
    """The large files that the changes bring, by their place."""
    return {change.item: want.large[change.item] for change in changes if change.item in want.large}


def tries(changes: Sequence[Change]) -> bool:
    """Whether the changes try a page."""
    return any(change.item == TRIAL for change in changes)


def lets_in(changes: Sequence[Change]) -> bool:
    """Whether the changes touch authorized_keys."""
    return any(change.item.endswith(f"/{AUTHORIZED_KEYS}") for change in changes)


def removed(changes: Iterable[Change]) -> list[str]:
    return [change.item for change in changes if change.action == "remove"]
