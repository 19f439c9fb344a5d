"""A tree of configuration is as wanted, and its own checker has said that it is good."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.operation import operation

from facts.files import file_contents, file_states
from facts.survey import Part, Unread
from operations.engine import Commands, Script, bring, read
from recettes.change import Change
from recettes.files import FileTable, shows_content, with_diffs, written
from recettes.trees import Tree, plan_tree, tree_script


def tree_part(tree: Tree) -> Part[FileTable]:
    """What `tree` reads; for the survey."""
    return file_states([], roots=[tree.root])


@operation()
def tree(wanted: Tree) -> Commands:
    """The folder holds exactly the wanted files; a tree that its checker refuses changes nothing."""
    yield from bring(
        tree_part(wanted),
        lambda actual: differing(actual, wanted),
        lambda _, changes: [Script(f"{wanted.root}, {len(changes)} changes", tree_script(wanted))],
        unchanged=f"{wanted.root} as wanted",
        writes=lambda _, changes: written(changes, wanted.wanted()),
    )


def differing(actual: FileTable, wanted: Tree) -> list[Change]:
    """The plan, with diffs."""
    changes: Sequence[Change] = plan_tree(actual, wanted)
    files = wanted.wanted()
    shown = [change.item for change in changes if shows_content(change, actual, files)]
    before = read(file_contents(shown)) if shown else {}
    return with_diffs(changes, {} if isinstance(before, Unread) else before, files)
