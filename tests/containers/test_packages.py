"""Packages on a real machine, from Debian's mirror. Looked at with dpkg and systemctl, not with the code under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recettes.containers.estate import temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.one_operation import Controller

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with temporary_estate(["web"]) as estate:
        yield Controller(estate, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def machine(alone: Controller) -> Machine:
    return alone.machine


def packages(*names: str) -> str:
    return f"from operations.packages import packages\npackages(name='Packages', wanted=frozenset({list(names)!r}))\n"


def running(machine: Machine) -> set[str]:
    """Units enabled, and services running."""
    enabled = machine.run("systemctl list-unit-files --state=enabled --plain --no-legend | cut -d ' ' -f 1").out.split()
    active = machine.run(
        "systemctl list-units --type=service,timer,socket --state=active --plain --no-legend | cut -d ' ' -f 1"
    ).out
    return {*enabled, *(name for name in active.split() if not name.startswith(("user", "systemd-", "apt-")))}


def test_packages_are_installed_exactly_as_planned_and_start_and_enable_nothing(alone: Controller, machine: Machine) -> None:
    """unattended-upgrades enables its unit without asking the preset; fail2ban and nginx would start."""
    before = running(machine)
    wanted = packages("nginx", "fail2ban", "unattended-upgrades", "msmtp-mta")
    assert alone.converge(wanted) == [
        ("install", "fail2ban"),
        ("install", "msmtp-mta"),
        ("install", "nginx"),
        ("install", "unattended-upgrades"),
    ]
    assert machine.run("nginx -v; fail2ban-client --version").code == 0
    assert running(machine) == before
    assert (
        machine.run("find /run/systemd/system-preset /etc/systemd/system-preset /usr/sbin/policy-rc.d -type f", check=False).out
        == ""
    )
    assert machine.run("ls /var/cache/apt/archives/*.deb", check=False).code != 0


def test_a_virtual_package_that_something_provides_is_there(alone: Controller) -> None:
    assert alone.dry(packages("mail-transport-agent", "nginx:amd64", "httpd")).changes == []


def test_a_removed_package_is_seen_and_comes_back(alone: Controller, machine: Machine) -> None:
    machine.run("apt-get -qq remove -y fail2ban 2>&1")
    assert alone.converge(packages("fail2ban", "nginx")) == [("install", "fail2ban")]


def test_a_dependency_that_is_wanted_is_not_autoremoved(alone: Controller, machine: Machine) -> None:
    machine.run("apt-mark auto nginx")
    assert alone.converge(packages("nginx")) == [("keep", "nginx")]
    assert "nginx" not in machine.run("apt-get --simulate autoremove").out


def test_an_installation_that_was_killed_is_finished(alone: Controller, machine: Machine) -> None:
    machine.run("cd /tmp; apt-get -qq download tmux; dpkg --unpack tmux_*.deb >/dev/null 2>&1", check=False)
    assert machine.run("dpkg-query -W -f '${db:Status-Abbrev}' tmux").out.strip() == "iU"
    planned = alone.dry(packages("git-doc"))
    assert [change.action for change in planned.changes] == ["finish", "install"]
    assert alone.converge(packages("nginx")) == [("finish", "dpkg")]
    assert machine.run("tmux -V").code == 0
    assert machine.run("dpkg --audit").out == ""


def test_a_foreign_apt_at_work_is_waited_for(alone: Controller, machine: Machine) -> None:
    """The daily upgrades of a machine that has just booted."""
    machine.run(
        "cat >/tmp/hold.py <<'X'\n"
        "import fcntl, time\n"
        "lock = open('/var/lib/dpkg/lock-frontend', 'w')\n"
        "fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "open('/tmp/held', 'w').close()\n"
        "time.sleep(20)\n"
        "X\n"
        "setsid python3 /tmp/hold.py >/dev/null 2>&1 &"
    )
    until(lambda: machine.run("ls /tmp/held", check=False).code == 0, "the lock is held")
    impatient = machine.run("apt-get -o DPkg::Lock::Timeout=0 -qq -y install sl 2>&1", check=False)
    assert "lock" in impatient.out
    assert impatient.code != 0
    assert alone.converge(packages("sl")) == [("install", "sl")]


def test_an_unknown_package_is_named_in_the_words_of_apt_and_nothing_is_installed(alone: Controller, machine: Machine) -> None:
    run = alone.attempt(packages("no-such-thing", "cowsay"))
    assert run.status != 0
    assert "Unable to locate package no-such-thing" in run.output
    assert "nothing was installed" in run.output
    assert machine.run("dpkg -s cowsay", check=False).code != 0


def test_a_package_that_would_push_out_another_is_refused(alone: Controller, machine: Machine) -> None:
    """msmtp-mta and dma are both mail-transport-agent, and conflict."""
    run = alone.attempt(packages("dma"))
    assert run.status != 0
    assert "remove" in run.output
    assert machine.run("dpkg -s msmtp-mta", check=False).code == 0


def test_an_unreachable_mirror_leaves_the_machine_as_it_was(alone: Controller, machine: Machine) -> None:
    """Whatever address the mirror has: the machine's own resolver and network answer no more."""
    before = machine.run("dpkg -l | sha256sum").out
    machine.run("echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >/etc/apt/apt.conf.d/99test; rm -rf /var/lib/apt/lists/*")
    run = alone.attempt(packages("cowsay"))
    machine.run("rm /etc/apt/apt.conf.d/99test")
    assert run.status != 0
    assert "could not be fetched; nothing was installed" in run.output
    assert "127.0.0.1" in run.output
    assert machine.run("dpkg -l | sha256sum").out == before
    assert alone.converge(packages("cowsay")) == [("install", "cowsay")]
