"""Machines that may be changed, and such as may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.files import STAGING
from tests.containers.one_operation import Controller

pytestmark = pytest.mark.containers

READY = "from operations.readiness import ready\nready(name='Ready', release='trixie')\n"
# What would come after, were the machine ready.
AFTER = READY + "from operations.packages import packages\npackages(name='Packages', wanted=frozenset({'sl'}))\n"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with temporary_estate(["web"], user="debian") as estate:
        estate.machine("web").run("mkdir -p ~root/.ssh; cp /home/debian/.ssh/authorized_keys ~root/.ssh/")
        yield Controller(estate, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def machine(alone: Controller) -> Machine:
    return alone.machine


def test_a_good_machine_is_ready_by_sudo_and_as_root(alone: Controller) -> None:
    assert alone.converge(READY) == []
    assert replace(alone, data={"ssh_user": "root", "_sudo": False}).converge(READY) == []


def test_another_release_is_refused_and_nothing_is_planned_after_that(alone: Controller, machine: Machine) -> None:
    machine.run("cp /usr/lib/os-release /root/kept; sed -i 's/trixie/bookworm/; s/13/12/' /usr/lib/os-release")
    dry, run = alone.dry(AFTER), alone.attempt(AFTER)
    machine.run("cp /root/kept /usr/lib/os-release")
    assert "this machine runs Debian GNU/Linux 12 (bookworm), and these recipes are for Debian trixie only" in dry.output
    assert dry.changes == run.changes == []
    assert run.status != 0
    assert machine.run("dpkg -s sl", check=False).code != 0


@pytest.mark.parametrize(
    ("damage", "repair", "said"),
    [
        ("mv /etc/sudoers.d/90-cloud-init-users /root/", "mv /root/90-cloud-init-users /etc/sudoers.d/", "password"),
        ("chmod 644 /usr/bin/sudo", "chmod 4755 /usr/bin/sudo", "sudo"),
    ],
)
def test_an_account_without_sudo_is_told_what_to_write_where(
    alone: Controller, machine: Machine, damage: str, repair: str, said: str
) -> None:
    machine.run(damage)
    dry, run = alone.dry(AFTER), alone.attempt(AFTER)
    machine.run(repair)
    for each in (dry, run):
        assert "debian cannot become root by sudo without a password" in each.output
        assert "/etc/sudoers.d/90-debian" in each.output
        assert said in each.refused[0]
        assert each.changes == []
        assert "Traceback" not in each.output
    assert run.status != 0


def test_a_full_disk_is_refused_before_anything_is_written(alone: Controller, machine: Machine) -> None:
    with machine.full_disk("/var/lib/apt"):  # a disk of its own that is not /var: no reason
        assert not alone.dry(READY).refused
    machine.run("mount -t tmpfs -o size=1m tmpfs /mnt; mount --bind /mnt /var")
    run = alone.dry(AFTER)
    machine.run("umount /var; umount /mnt")
    assert "the disk is nearly full: /var has 1 MB free" in run.output
    assert run.changes == []


def test_what_a_dead_run_left_is_removed(alone: Controller, machine: Machine) -> None:
    machine.run(
        f"mkdir -p /var/lib/recettes /etc/recettes/demo.recettes-new\n"
        f"touch '/etc/a b.recettes-new' /etc/recettes/demo.recettes-new/x\n"
        f"printf '%s\\n' '/etc/a b.recettes-new' /etc/gone.recettes-new >{STAGING}"
    )
    assert sorted(alone.converge(READY)) == [
        ("remove left-over", "/etc/a b.recettes-new"),
        ("remove left-over", "/etc/recettes/demo.recettes-new"),
        ("remove left-over", STAGING),
    ]
    assert machine.run("find /etc -name '*.recettes-new*'").out == ""


def test_failed_units_and_a_due_reboot_are_mentioned(alone: Controller, machine: Machine) -> None:
    machine.run("systemd-run --wait --unit broken-thing false; touch /run/reboot-required")
    run = alone.dry(READY)
    machine.run("systemctl reset-failed broken-thing; rm /run/reboot-required")
    assert "failed units: broken-thing.service" in run.output
    assert "waits for a reboot" in run.output
    assert not run.refused
