"""SSH for one address until a time, on a real machine: what the cloud notes is done, and ends by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from recettes import firewall
from recettes.base.window import window
from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.files import FileTable, files_script, plan_files
from recettes.flows import Rules
from recettes.shell import whole, write

pytestmark = pytest.mark.containers

SERVICE = "recettes-ssh-window.service"
NOTE = "/srv/metadata/openstack/latest/meta_data.json"
VISITOR = "198.51.100.9"
# The cloud's note, at the address where clouds have it; and somebody who comes by a cable of his own.
AROUND = f"""
ip address add 169.254.169.254/32 dev lo
mkdir -p $(dirname {NOTE})
systemd-run --quiet --unit=metadata python3 -m http.server --bind 169.254.169.254 --directory /srv/metadata 80
ip netns add visitor
ip link add cable type veth peer name his netns visitor
ip address add 198.51.100.1/24 dev cable
ip link set cable up
ip netns exec visitor ip address add {VISITOR}/24 dev his
ip netns exec visitor ip link set his up
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with temporary_estate(["web"]) as estate:
        machine = estate.machine("web")
        machine.run(AROUND)
        asked = "curl -s -o /dev/null http://169.254.169.254/"
        until(lambda: machine.run(asked, check=False).code == 0, "the cloud's note is served")
        files = window().files
        machine.run(whole(files_script(plan_files(FileTable({}), files), files)))
        rules = firewall.render(Rules((), windows=True), {estate_gateway(machine): None})
        machine.run(f"{write('/root/rules', rules.encode())}nft -f /root/rules\nsystemctl daemon-reload")
        yield machine


def estate_gateway(machine: Machine) -> str:
    """Where this computer comes from: it stays able to come in."""
    return machine.run("ip route show default | cut -d' ' -f3").out.strip()


def note(machine: Machine, *, seconds: float | None, address: str = VISITOR) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=seconds or 0)
    meta = {} if seconds is None else {"recettes-ssh": f"{address} {moment.isoformat()}"}
    machine.run(write(NOTE, json.dumps({"uuid": "u", "meta": meta}).encode()))
    looked(machine)


def looked(machine: Machine) -> None:
    machine.run(f"systemctl start {SERVICE}")


def comes_in(machine: Machine) -> bool:
    """The firewall lets him connect. What sshd says is not asked: it has penalties for those who call often and say nothing."""
    probe = "ip netns exec visitor timeout 4 bash -c 'exec 3<>/dev/tcp/198.51.100.1/22'"
    return not machine.run(probe, check=False).code


def test_ssh_is_open_to_the_address_of_the_note_until_its_time_and_the_kernel_ends_it(machine: Machine) -> None:
    note(machine, seconds=None)
    assert not comes_in(machine)
    note(machine, seconds=3600, address="198.51.100.77")
    assert not comes_in(machine)
    note(machine, seconds=3600)
    assert comes_in(machine)
    note(machine, seconds=5)
    # Nobody looks again: the kernel ends it.
    until(lambda: not comes_in(machine), "SSH is closed again", seconds=40)
    note(machine, seconds=-5)
    assert not comes_in(machine)


def test_a_note_that_is_taken_away_closes_and_one_that_cannot_be_read_changes_nothing(machine: Machine) -> None:
    note(machine, seconds=3600)
    assert comes_in(machine)
    machine.run(write(NOTE, b"not what a cloud says"))
    looked(machine)
    assert comes_in(machine)
    machine.run(
        write(NOTE, json.dumps({"meta": {"recettes-ssh": "198.51.100.9; flush ruleset 2999-01-01T00:00+00:00"}}).encode())
    )
    looked(machine)
    assert comes_in(machine)
    note(machine, seconds=None)
    assert not comes_in(machine)
    assert "policy drop" in machine.run("nft list table inet recettes").out
