"""One cluster for all tests here, with the gate put on it once. Batches have names of their own, so tests do not meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.containers.cluster.settings import HOST, USER
from tests.harness import test_lab
from tests.hpc.cluster.lab import Cluster, declare


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster and its submitter, bare at first, then planned, then made; what was said is in the lab's notes."""
    with test_lab([HOST, "images"], tmp_path_factory.mktemp("cluster")) as lab:
        declare(lab)
        # A key of the account's owner, which is no business of ours.
        lab.notes["own"] = lab.estate.machine(HOST).run(f"cat ~{USER}/.ssh/authorized_keys").out
        lab.notes["planned"] = lab.dry("lab")
        lab.notes["ran"] = lab.apply("lab")
        lab.notes["again"] = lab.dry("lab")
        yield Cluster(lab)


@pytest.fixture
def cluster(deployed: Cluster) -> Cluster:
    ran = deployed.lab.notes["ran"]
    assert ran.status == 0, ran.output
    return deployed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)
            item.add_marker(pytest.mark.kraken)
