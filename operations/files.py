"""Files are as wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra.api.operation import operation

from facts.files import file_contents, file_states
from facts.survey import Part, Unread
from operations.engine import Commands, Script, bring, read
from recettes.change import Change
from recettes.files import (
    File,
    FileTable,
    files_script,
    plan_files,
    shows_content,
    with_diffs,
    written,
)


def files_part(wanted: Mapping[str, File]) -> Part[FileTable]:
    """What `files` reads; for the survey."""
    return file_states(wanted, managed=True)


@operation()
def files(wanted: Mapping[str, File]) -> Commands:
    """Files, links and folders are as wanted; files of an earlier run that are wanted no more are gone."""
    yield from bring(
        files_part(wanted),
        lambda actual: differing(actual, wanted),
        lambda _, changes: [Script(f"{len(changes)} files", files_script(changes, wanted))],
        unchanged="files as wanted",
        writes=lambda _, changes: written(changes, wanted),
    )


def differing(actual: FileTable, wanted: Mapping[str, File]) -> list[Change]:
    """The plan, with diffs: the old contents are read only where something differs."""
    changes: Sequence[Change] = plan_files(actual, wanted)
    shown = [change.item for change in changes if shows_content(change, actual, wanted)]
    before = read(file_contents(shown)) if shown else {}
    return with_diffs(changes, {} if isinstance(before, Unread) else before, wanted)
