"""A control plane for all tests, a project for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.control.launch import Control, join
from tests.cloud.faults import Proxy
from tests.cloud.machines import delete_servers, let_servers_run
from tests.cloud.project import Project, make_project


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Control]:
    """keystone, placement, glance, neutron, nova and cinder, on free ports; shared by the workers of one run."""
    temporary = tmp_path_factory.getbasetemp()
    control = join((temporary if worker_id == "master" else temporary.parent) / "control")
    yield control
    control.leave()


@pytest.fixture
def project(control: Control, tmp_path: Path) -> Iterator[Project]:
    """An empty project with a quota of its own."""
    project = make_project(control.place, tmp_path / "cloud")
    yield project
    project.member.close()
    project.admin.close()


@pytest.fixture
def running_project(project: Project) -> Iterator[Project]:
    """A project whose servers from the newest Debian 13 really run, as containers. Security groups filter nothing there."""
    let_servers_run(project)
    yield project
    delete_servers(project)


@pytest.fixture
def proxy(project: Project) -> Iterator[Proxy]:
    """The same cloud by way of a proxy that counts requests and makes faults: clouds.yaml is `proxy.clouds`."""
    with Proxy(project.place, project.clouds) as proxy:
        yield proxy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cloud)
            if "running_project" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.containers)
