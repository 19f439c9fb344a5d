"""What the submitter's machine gets, from what is declared."""

from __future__ import annotations

import json
from datetime import date

import pytest

from recettes.declarations.ocr import KrakenProgram, Ocr, OcrCluster, OcrModel
from recettes.ocr import names
from recettes.ocr.queue import SERVICE
from recettes.ocr.submitter import Reached, projects_of, submitter
from recettes.secrets import Secret

KEY = "ssh-ed25519 AAAA"
ROBOT = Reached("robot", "192.0.2.7", 22, "ada", (KEY,), True)


def ocr(**projects: tuple[str, ...]) -> Ocr:
    clusters = tuple(
        OcrCluster(
            name=name, home="/home/ada", until=date(2099, 1, 1), kraken=KrakenProgram(program="/bin/true"),
            keys_by="authorized_keys", projects=those,
        )
        for name, those in projects.items()
    )  # fmt: skip
    return Ocr(clusters=clusters, models=(OcrModel(name="m", file="m.mlmodel", sha256="0" * 64),))


def content(path: str, *clusters: Reached) -> str:
    made = submitter(clusters, name="lab/images", projects={}, key=Secret(names.KEY_SECRET, "x" * 32))
    return (made.files[path].content or b"").decode()


def test_the_queue_reaches_the_clusters_and_nothing_else() -> None:
    assert "IPAddressAllow=localhost\nIPAddressAllow=192.0.2.7\n" in content(SERVICE, ROBOT)
    assert "IPAddressDeny=any" in content(SERVICE, ROBOT)
    named = Reached("other", "robot.cluster.test", 22, "ada", (KEY,), True)
    assert "IPAddressDeny is not set: a cluster is known by its name only" in content(SERVICE, ROBOT, named)


def test_host_keys_are_pinned_at_their_port() -> None:
    other = Reached("other", "192.0.2.8", 2222, "ada", (KEY,), False)
    assert content(names.KNOWN_HOSTS, ROBOT, other) == f"192.0.2.7 {KEY}\n[192.0.2.8]:2222 {KEY}\n"
    clusters = json.loads(content(names.SUBMITTER_SETTINGS, ROBOT, other))["clusters"]
    assert (clusters["robot"]["interactive"], clusters["other"]["interactive"]) == (True, False)


def test_the_key_is_secret_and_the_submitter_s_alone() -> None:
    key = submitter([ROBOT], name="x", projects={}, key=Secret(names.KEY_SECRET, "x" * 32)).files[names.KEY]
    assert (key.owner, key.group, key.mode, key.secret) == (names.ACCOUNT, names.ACCOUNT, 0o600, True)
    assert b"PRIVATE KEY" in (key.content or b"")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (ocr(one=(), two=()), {}),
        (ocr(one=("a",), two=()), {"a": "one", "b": "two"}),
        (ocr(one=("a",)), {"a": "one"}),
    ],
    ids=["nobody is charged", "the rest goes to the one for all", "the rest goes nowhere"],
)
def test_projects_go_to_the_cluster_that_is_charged_for_them(declared: Ocr, expected: dict[str, str]) -> None:
    assert projects_of(declared, ["a", "b"]) == expected
