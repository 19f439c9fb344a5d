"""Production and test in one project: neither touches the other, and what is different between them is told."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cloud.control.launch import Control
from tests.cloud.lab import listed, refusals, said
from tests.cloud.project import CLOUD, Project, make_project
from tests.cloud.typed import Typed

BOTH = """
machines[:] = [one.model_copy(update={'flavour': 'c2-7.5gb-31'}) for one in machines[:2]]
del volumes[1:], flows[3:]
estates.append(
    CloudEstate(name="test", cloud="lab", together="web", domain="test.lab.test", flavours={"web": "p2-4gb"}, sizes={"texts": 1})
)
"""


def stamped(lab: Typed, machine: str, commit: str) -> None:
    (lab.folder / f"says-{machine}").write_text(json.dumps({"machine": machine, "commit": commit}))


def ids_of(project: Project) -> set[str]:
    return {one.id for things in (project.member.compute.servers(), project.member.block_storage.volumes()) for one in things}


def test_two_estates_of_one_project_do_not_touch_each_other_and_are_compared(project: Project, tmp_path: Path) -> None:
    production = Typed(project, tmp_path, project.environment())
    production.stand_in_for_ssh()
    production.declare(BOTH)
    test = production.estate("test")
    assert production.apply().status == 0
    alone = listed(project)
    ids = ids_of(project)
    made = test.apply()
    assert made.status == 0, made.output
    both = listed(project)
    assert both["servers"] == ["production-web", "production-xmldb", "test-web"]
    assert both["volumes"] == ["production-texts", "test-texts", "test-web-root"]
    assert both["networks"] == ["production-private", "test-private"]
    for lab in (production, test):
        again = lab.dry()
        assert (again.status, again.changes, said(again), refusals(again)) == (0, [], "", ""), again.output
        inventory = lab.pyinfra(deploy="debug-inventory")
        assert inventory.status == 0, inventory.output
    assert "xmldb" not in (test.folder / "ssh_config").read_text()

    stamped(production, "web", "aaa1")
    stamped(production, "xmldb", "bbb2")
    stamped(test, "web", "aaa1")
    compared = production.cloud("compare", "production", "test")
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.splitlines() == [
        "domain",
        "  production: lab.test",
        "  test: test.lab.test",
        "machine web",
        "  production: c2-7.5gb-31, 20 GB, in web, floating IP",
        "  test: p2-4gb, 20 GB, in web xmldb, floating IP",
        "machine xmldb",
        "  production: c2-7.5gb-31, 20 GB, in xmldb",
        "  test: -",
        "volume texts",
        "  production: 3 GB, at xmldb:/srv/texts",
        "  test: 1 GB, at web:/srv/texts",
        "recipes of web",
        "  production: aaa1",
        "  test: aaa1",
        "recipes of xmldb",
        "  production: bbb2",
        "  test: -",
    ]

    # The end of one is not that of the other.
    ended = test.cloud("teardown", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert (listed(project), ids_of(project)) == (alone, ids)


def test_two_estates_in_two_projects_are_told_apart_by_their_clouds(project: Project, control: Control, tmp_path: Path) -> None:
    other = make_project(control.place, tmp_path / "other")
    clouds = yaml.safe_load(project.clouds.read_text())
    clouds["clouds"]["lab-test"] = yaml.safe_load(other.clouds.read_text())["clouds"][CLOUD]
    project.clouds.write_text(yaml.safe_dump(clouds))
    production = Typed(project, tmp_path, project.environment())
    production.declare(BOTH + "estates[1] = estates[1].model_copy(update={'cloud': 'lab-test', 'without': ('texts',)})\n")
    test = production.estate("test")
    refused = test.apply()
    assert refused.status != 0
    assert "OS_CLOUD is lab, but estate test is declared to live in lab-test" in refused.output
    test.environment = {**test.environment, "OS_CLOUD": "lab-test"}
    made = test.apply()
    assert made.status == 0, made.output
    assert listed(other)["servers"] == ["test-web"]
    assert not any(names for kind, names in listed(project).items() if kind != "groups")
    for one in (other.member, other.admin):
        one.close()
