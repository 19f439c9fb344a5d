"""Trees: configuration that only makes sense together, staged beside its place, checked by its service, swapped in one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recettes.change import Change
from recettes.files import File, FileTable, differences
from recettes.shell import SWAP, quote, words, write


@dataclass(frozen=True)
class Tree:
    """A folder that is ours alone: `files` (paths relative to `root`) are all there is in it. Without any it is not there.

    `check` is a shell command that gets the staged folder as $1 and fails, with words, when the service would not take it.
    Files in it may refer to each other by relative paths only, or the check would read the live ones.
    """

    subsystem: str
    root: str
    files: Mapping[str, File]
    check: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    def wanted(self) -> dict[str, File]:
        """By absolute path, the root and the folders between included."""
        if not self.files:
            return {}
        below = {f"{self.root}/{name}": file for name, file in self.files.items()}
        folders = {parent: File(None, "root", self.group, self.mode) for path in below for parent in _parents(path, self.root)}
        return {self.root: File(None, self.owner, self.group, self.mode), **folders, **below}


def _parents(path: str, root: str) -> list[str]:
    parents = []
    parent = path.rpartition("/")[0]
    while parent != root:
        parents.append(parent)
        parent = parent.rpartition("/")[0]
    return parents


def plan_tree(actual: FileTable, tree: Tree) -> list[Change]:
    """Every file of the tree that differs, is missing or has no business there."""
    wanted = tree.wanted()
    inside = {path: state for path, state in actual.states.items() if path == tree.root or path.startswith(tree.root + "/")}
    changes = differences(inside, wanted)
    extra = sorted(path for path in inside if path not in wanted)
    gone = [path for path in extra if path.rpartition("/")[0] not in extra]
    changes += [Change("files", path, "remove") for path in gone]
    return [replace(change, subsystem=tree.subsystem) for change in changes]


def tree_script(tree: Tree) -> str:
    """The whole tree staged as ROOT.recettes-new, checked, and exchanged with the live one in one step."""
    if not tree.files:
        return f"rm -rf -- {quote(tree.root)}"
    new = tree.root + ".recettes-new"
    lines = [SWAP, "umask 077", f"rm -rf -- {quote(new)}", f"trap 'rm -rf -- {quote(new)}' EXIT"]
    staged = {new + path.removeprefix(tree.root): want for path, want in sorted(tree.wanted().items())}
    lines += [_stage(path, want) for path, want in staged.items()]
    lines += [
        f"sync -- {words(path for path, want in staged.items() if want.kind == 'f')}",
        f"check() {{ {tree.check}\n}}",
        f"if ! check {quote(new)} >{quote(new)}.said 2>&1; then",
        f"  echo 'The check refused the new {tree.subsystem} configuration; the old one stays in force:' >&2",
        f"  sed {quote(f's|{new}|{tree.root}|g')} {quote(new)}.said >&2; rm -f {quote(new)}.said; exit 1",
        "fi",
        f"rm -f {quote(new)}.said",
        f"[ -d {quote(tree.root)} ] || rm -f -- {quote(tree.root)}",
        f"swap {quote(new)} {quote(tree.root)}",
    ]
    return "\n".join(lines)


def _stage(path: str, want: File) -> str:
    owner = f"{want.owner}:{want.group}"
    if want.link is not None:
        return f"ln -s {quote(want.link)} {quote(path)}; chown -h {owner} {quote(path)}"
    if want.content is None:
        return f"mkdir -p {quote(path)}; chown {owner} {quote(path)}; chmod {want.mode:o} {quote(path)}"
    return write(path, want.content) + f"chown {owner} {quote(path)}; chmod {want.mode:o} {quote(path)}"
