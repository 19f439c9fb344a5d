"""Flows: what may be declared, and what a machine lets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from recettes.declarations.base import noted
from recettes.declarations.flows import Flow, check_flows
from recettes.flows import rules_for

GROUPS = ("web", "xmldb")


@pytest.fixture(autouse=True)
def nothing_noted() -> Iterator[None]:
    noted()
    yield
    noted()


def flow(source: str = "web", to: str = "xmldb", port: int | str = 8080, protocol: Any = "tcp") -> Flow:
    return Flow(source=source, to=to, port=port, protocol=protocol, why="test")


def mistakes(*flows: Flow) -> list[str]:
    by_themselves = [str(mistake) for mistake in noted()]
    if not by_themselves:
        check_flows(flows, groups=GROUPS)
    return by_themselves + [str(mistake) for mistake in noted()]


@pytest.mark.parametrize(
    "good",
    [
        {"source": "world", "to": "web", "port": 80},
        {"source": "world", "to": "web", "port": 443},
        {"source": "world", "to": "web", "port": 443, "protocol": "udp"},
        {"source": "administrators", "port": "8000-8010"},
        {"source": "192.0.2.0/24", "port": 22},
        {"source": "2001:db8::/32", "port": "9000"},
        {"source": "192.0.2.7"},
    ],
)
def test_what_is_sensible_is_accepted(good: dict[str, Any]) -> None:
    assert mistakes(flow(**good)) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"source": "world", "port": 8080}, "world -> xmldb:8080/tcp is refused: only 80/tcp, 443/tcp and 443/udp"),
        ({"source": "world", "port": 80, "protocol": "udp"}, "only 80/tcp"),
        ({"source": "world", "port": "80-443"}, "SSH|only 80/tcp"),
        ({"source": "world", "port": 22}, "opens SSH to the world"),
        ({"source": "0.0.0.0/0", "port": 8080}, "only 80/tcp"),
        ({"source": "::/0", "port": 22}, "opens SSH to the world"),
        ({"source": "128.0.0.0/1", "port": "20-30"}, "opens SSH to the world"),
        ({"source": "nosuch"}, "'nosuch' is not known"),
        ({"to": "nosuch"}, "no group 'nosuch'"),
        ({"source": "192.0.2.1/24"}, "Flow.source: is neither"),
        ({"source": "300.0.0.0/8"}, "Flow.source: is neither"),
        ({"port": 0}, "between 1 and 65535"),
        ({"port": "9-8"}, "between 1 and 65535"),
        ({"port": "http"}, "is not a port"),
        ({"port": True}, "is not a port"),
        ({"protocol": "icmp"}, "Flow.protocol"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(bad: dict[str, Any], said: str) -> None:
    [mistake] = mistakes(flow(**bad))
    assert "test_flows.py:" in mistake
    assert re.search(said, mistake)


def test_a_flow_declared_twice_is_named_however_it_is_written() -> None:
    assert "declared twice" in mistakes(flow(port=8080), flow(port="8080"))[0]
    assert "declared twice" in mistakes(flow("world", "web", 443), flow("0.0.0.0/0", "web", 443))[0]
    assert mistakes(flow(port=8080), flow(port=8080, protocol="udp")) == []


def rules(*flows: Flow, groups: tuple[str, ...] = ("xmldb",)) -> list[tuple[str, list[str] | None, str, int, int]]:
    addresses = {"web": ["10.0.0.2", "2001:db8::2"], "xmldb": ["10.0.0.3"]}
    made = rules_for(groups, flows, addresses=addresses, administrators=["192.0.2.0/25", "192.0.2.128/25"])
    return [
        (o.source, None if o.networks is None else [str(n) for n in o.networks], o.protocol, o.first, o.last)
        for o in made.openings
    ]


SSH = ("administrators", ["192.0.2.0/24"], "tcp", 22, 22)
JUMP = ("web", ["10.0.0.2/32", "2001:db8::2/128"], "tcp", 22, 22)


def test_ssh_comes_from_administrators_and_to_private_machines_from_web() -> None:
    assert rules() == [SSH, JUMP]
    assert rules(groups=("web",)) == [SSH]
    assert rules(groups=("web", "xmldb")) == [SSH]


def test_a_machine_opens_the_flows_to_all_its_groups_and_no_others() -> None:
    flows = [flow(port="8000-8010"), flow("world", "web", 443), flow("10.9.0.0/16", "web", 5000, "udp")]
    assert rules(*flows) == [SSH, JUMP, ("web", ["10.0.0.2/32", "2001:db8::2/128"], "tcp", 8000, 8010)]
    assert rules(*flows, groups=("web",)) == [
        SSH,
        ("world", None, "tcp", 443, 443),
        ("10.9.0.0/16", ["10.9.0.0/16"], "udp", 5000, 5000),
    ]
    assert len(rules(*flows, groups=("web", "xmldb"))) == 4


def test_a_group_without_machines_lets_nobody_in() -> None:
    made = rules_for(["web"], [flow("xmldb", "web", 8080)], addresses={}, administrators=[])
    assert all(opening.networks == () for opening in made.openings)
    assert not made.admits("10.0.0.3", 8080)


def test_accounts_are_muted_whatever_flows_there_are() -> None:
    made = rules_for(["xmldb"], [], addresses={}, administrators=[], muted=["b", "a"])
    assert made.muted == ("a", "b")
