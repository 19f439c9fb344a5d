"""Trees of configuration on a real machine: exactly what is wanted, or nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facts.files import file_states
from facts.survey import survey_script, understand
from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.files import FileTable, text
from recettes.shell import whole
from recettes.trees import Tree, plan_tree, tree_script

ROOT = "/etc/recettes/demo"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with temporary_estate(["web"]) as estate:
        yield estate.machine("web")


def tree(check: str = "true", **files: str) -> Tree:
    return Tree("demo", ROOT, {name.replace("__", "/"): text(content) for name, content in files.items()}, check)


def planned(machine: Machine, wanted: Tree) -> list[tuple[str, str]]:
    part = file_states([], roots=[ROOT])
    answer = machine.run(survey_script([part], "#nonce"))
    table = understand([part], "#nonce", answer.out.splitlines())[part.key]
    assert isinstance(table, FileTable), table
    return [(change.action, change.item.removeprefix(ROOT)) for change in plan_tree(table, wanted)]


def test_a_tree_holds_exactly_what_is_wanted(machine: Machine) -> None:
    machine.run(whole(tree_script(tree(a="1", sub__b="2"))))
    assert planned(machine, tree(a="1", sub__b="2")) == []
    machine.run(f"mkdir {ROOT}/stray; touch {ROOT}/stray/deep; chmod 777 {ROOT}/a")
    assert planned(machine, tree(a="1", sub__b="2")) == [("own", "/a"), ("remove", "/stray")]
    machine.run(whole(tree_script(tree(a="1"))))
    assert machine.run(f"ls -A {ROOT}").out.split() == ["a"]
    assert planned(machine, tree(a="1")) == []


def test_a_tree_that_its_checker_refuses_changes_nothing_and_says_why(machine: Machine) -> None:
    machine.run(whole(tree_script(tree(a="good"))))
    refused = machine.run(whole(tree_script(tree('echo "line 7 of $1/a: not good"; false', a="bad"))), check=False)
    assert refused.code != 0
    assert f"line 7 of {ROOT}/a: not good" in refused.err
    assert machine.run(f"cat {ROOT}/a").out == "good"
    assert machine.run("ls /etc/recettes").out.split() == ["demo"]


def test_readers_never_see_a_tree_that_is_not_whole(machine: Machine) -> None:
    """A loop on the machine reads two files of the tree while it is swapped; their contents always go together."""
    machine.run(whole(tree_script(tree(a="0", b="0"))))
    machine.run(
        f"cd /; rm -f /tmp/torn /tmp/stop; nohup sh -c 'while [ ! -e /tmp/stop ]; do "
        f"exec 3<{ROOT} 2>/dev/null; [ -e {ROOT}/a ] && [ -e {ROOT}/b ] || touch /tmp/torn; done' >/dev/null 2>&1 &"
    )
    for version in range(20):
        machine.run(whole(tree_script(tree(a=str(version), b=str(version)))))
    machine.run("touch /tmp/stop")
    assert machine.run("ls /tmp/torn", check=False).code != 0
