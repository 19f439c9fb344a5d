"""Accounts on a real machine: who gets in, looked at with ssh, sudo and getent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from recettes.accounts import Account
from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.one_operation import Controller

pytestmark = pytest.mark.containers

ALICE = Account("/home/alice", "/bin/bash", system=False, groups=frozenset({"sudo", "editors"}))
SERVICE = Account("/var/lib/demo")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with temporary_estate(["web"]) as estate:
        machine = estate.machine("web")
        machine.run(
            "mkdir -p /etc/keys; cp ~root/.ssh/authorized_keys /etc/keys/alice; chmod 644 /etc/keys/alice\n"
            "echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/keys/%u' >/etc/ssh/sshd_config.d/keys.conf\n"
            "systemctl restart ssh\n"
            "echo '%sudo ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/sudo"
        )
        yield Controller(estate, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def machine(alone: Controller) -> Machine:
    return alone.machine


def accounts(**wanted: Account) -> str:
    return (
        "import datetime\nfrom operations.accounts import accounts\nfrom recettes.accounts import Account\n"
        f"accounts(name='Accounts', wanted={wanted!r})\n"
    )


def logs_in(alone: Controller, name: str, command: str = "true") -> bool:
    run = subprocess.run(
        ["ssh", "-F", alone.estate.ssh_config, "-o", "BatchMode=yes", "-l", name, "web", command],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    return run.returncode == 0


def test_a_person_gets_in_by_key_and_becomes_root_and_nobody_gets_in_as_a_service(alone: Controller, machine: Machine) -> None:
    assert alone.converge(accounts(alice=ALICE, demo=SERVICE)) == [("create", "alice"), ("create", "demo")]
    assert logs_in(alone, "alice", "sudo -n true")
    assert machine.run("stat -c '%U %a' /home/alice").out.strip() == "alice 700"
    assert machine.run("getent passwd demo").out.split(":")[5:] == ["/var/lib/demo", "/usr/sbin/nologin\n"]
    assert machine.run("ls -d /var/lib/demo", check=False).code != 0
    assert int(machine.run("id -u demo").out) < 1000 <= int(machine.run("id -u alice").out)


def test_key_login_works_where_sshd_does_not_ask_pam(alone: Controller, machine: Machine) -> None:
    machine.run("echo 'UsePAM no' >/etc/ssh/sshd_config.d/pam.conf; systemctl restart ssh")
    assert logs_in(alone, "alice")
    machine.run("rm /etc/ssh/sshd_config.d/pam.conf; systemctl restart ssh")


@pytest.mark.parametrize(
    "damage",
    [
        "gpasswd --delete alice sudo",
        "groupadd -f docker; gpasswd --add alice docker",
        "echo alice:secret | chpasswd",
        "passwd --delete alice",
        "usermod --lock --expiredate 1 alice",
        "usermod --shell /bin/sh alice",
        "rm -r /home/alice",
        "usermod --home /tmp alice",
        "groupdel editors",
        "userdel alice",
    ],
)
def test_what_somebody_changed_by_hand_is_seen_and_undone(alone: Controller, machine: Machine, damage: str) -> None:
    # usermod and userdel refuse to touch the home of somebody who is there.
    hers = 'grep -lsE "^Uid:.$(id -u alice)[[:space:]]" /proc/[0-9]*/status | cut -d / -f 3'
    out = f'there=$({hers}); [ -z "$there" ] || {{ kill -KILL $there; exit 1; }}'
    until(lambda: machine.run(out, check=False).code == 0, "nothing of hers runs")
    machine.run(damage + " 2>&1")
    (done,) = alone.converge(accounts(alice=ALICE, demo=SERVICE))
    assert done[1] == "alice"
    assert sorted(machine.run("id -nG alice").out.split()) == ["alice", "editors", "sudo"]
    assert machine.run("getent shadow alice").out.split(":")[1] == "*"
    assert logs_in(alone, "alice", "test -d ~ -a $SHELL = /bin/bash")


def test_an_account_ends_by_itself_after_its_last_day(alone: Controller) -> None:
    today = date.today()
    alone.converge(accounts(alice=replace(ALICE, until=today + timedelta(1)), demo=SERVICE))
    assert logs_in(alone, "alice")
    alone.converge(accounts(alice=replace(ALICE, until=today - timedelta(1)), demo=SERVICE))
    assert not logs_in(alone, "alice")
    alone.converge(accounts(alice=ALICE, demo=SERVICE))
    assert logs_in(alone, "alice")


def test_a_dropped_person_is_out_at_once_and_the_files_stay(alone: Controller, machine: Machine, tmp_path: Path) -> None:
    machine.run("su alice -c 'echo data >/home/alice/data'; su alice -c 'setsid nohup sleep 1000 >/dev/null 2>&1 &'")
    session = subprocess.Popen(
        ["ssh", "-F", alone.estate.ssh_config, "-o", "BatchMode=yes", "-l", "alice", "web", "echo in; sleep 1000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert session.stdout
    assert session.stdout.readline() == b"in\n"
    assert alone.converge(accounts(demo=SERVICE)) == [("lock", "alice")]
    assert session.wait(timeout=20) != 0
    session.stdout.close()
    assert not logs_in(alone, "alice")
    assert machine.run("id -nG alice").out.split() == ["alice"]
    assert machine.run('grep -lsE "^Uid:.$(id -u alice)" /proc/[0-9]*/status', check=False).out == ""
    assert machine.run("cat /home/alice/data").out == "data\n"


def test_a_dropped_account_that_somebody_opens_again_is_locked_again(alone: Controller, machine: Machine) -> None:
    machine.run("usermod --unlock --expiredate '' --shell /bin/bash --groups sudo alice 2>&1", check=False)
    machine.run("usermod --expiredate '' --shell /bin/bash alice")
    assert alone.converge(accounts(demo=SERVICE)) == [("lock", "alice")]
    assert not logs_in(alone, "alice")


def test_a_person_who_comes_back_gets_the_same_account(alone: Controller, machine: Machine) -> None:
    number = machine.run("id -u alice").out
    assert alone.converge(accounts(alice=ALICE, demo=SERVICE)) == [("change", "alice")]
    assert machine.run("id -u alice").out == number
    assert logs_in(alone, "alice", "sudo -n true")


def test_a_dropped_service_account_is_locked_and_its_processes_are_left_to_its_unit(alone: Controller, machine: Machine) -> None:
    machine.run("setpriv --reuid demo --regid demo --clear-groups setsid sleep 1000 >/dev/null 2>&1 & sleep 0.5")
    assert alone.converge(accounts(alice=ALICE)) == [("lock", "demo")]
    uid = machine.run("id -u demo").out.strip()
    assert machine.run(f"grep -lsE '^Uid:.{uid}' /proc/[0-9]*/status").code == 0


def test_an_account_that_was_never_ours_is_left_alone(alone: Controller, machine: Machine) -> None:
    machine.run("useradd --groups sudo --shell /bin/bash neighbour")
    before = machine.run("getent passwd neighbour; id neighbour").out
    assert alone.converge(accounts(alice=ALICE)) == []
    assert machine.run("getent passwd neighbour; id neighbour").out == before


def test_the_account_of_the_connection_is_not_locked(alone: Controller, machine: Machine) -> None:
    as_alice = replace(alone, data={"ssh_user": "alice", "_sudo": True})
    for wanted in (accounts(), accounts(alice=replace(ALICE, groups=frozenset()))):
        run = as_alice.attempt(wanted)
        assert run.status != 0
        assert "this run is logged in as alice" in run.output
        assert run.changes == []
    assert logs_in(alone, "alice", "sudo -n true")
