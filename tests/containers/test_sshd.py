"""The SSH server on a real machine: hardened, healed, and never able to keep its administrator out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from recettes.containers.estate import ContainersEstate, temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.one_operation import KILLED_IN_TRIAL, Controller

pytestmark = pytest.mark.containers

SAVED = "/etc/recettes/sshd_config"
LIVE = "/run/recettes/sshd_config"
DROP_IN = "/etc/systemd/system/ssh.service.d/recettes.conf"
CUT_SECONDS = 24  # a trial that will fail: long enough for a busy computer, short enough to wait for
LOGIN_NOT_TRIED = "import operations.sshd; operations.sshd.StagedLogin.execute = lambda *_: True\n"
# sshd takes both, and nobody can log in.
NOBODY = ("UsePAM yes", "UsePAM yes\\nAllowUsers nobody")


def deploy(*change: str, login: str = "root", jump: bool = False) -> str:
    # The tests' own failures must not make this computer wait.
    return f"""
from operations.sshd import sshd
from recettes.sshd import sshd_config
config = sshd_config(login="{login}", jump={jump}, exempt=["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
{f'config = config.replace("{change[0]}", "{change[1]}")' if change else ""}
sshd(name="sshd", config=config)
"""


@pytest.fixture(scope="module")
def estate() -> Iterator[ContainersEstate]:
    with temporary_estate(["web"]) as made:
        yield made


@pytest.fixture
def web(estate: ContainersEstate) -> Machine:
    machine = estate.make()["web"]
    reset = machine.run(f"rm -rf {SAVED} {DROP_IN} {LIVE}; systemctl daemon-reload; "
                        "systemctl reset-failed ssh.service; systemctl restart ssh.service", check=False)  # fmt: skip
    if reset.code:  # what the test before left in /run; shown, so that it can be understood
        print(machine.run("journalctl --no-pager -u ssh.service -n 20; ls -R /run/systemd/system /run/recettes; ss -tlnp").out)
        machine.reboot()
    machine.wait_ssh()
    return machine


@pytest.fixture
def controller(estate: ContainersEstate, web: Machine, tmp_path: Path) -> Controller:
    return Controller(estate, tmp_path)


IN_FORCE = r"""
for try in $(seq 50); do
  if words=$(tr '\0 ' '\n\n' <"/proc/$(systemctl show ssh.service -p MainPID --value)/cmdline"); then
    file=$(printf '%s\n' "$words" | sed -n '/^-f$/{n;p;}')
    if [ -z "$file" ] || cat "$file"; then exit 0; fi
  fi 2>/dev/null
  sleep 0.1
done
exit 1
"""


def in_force(machine: Machine) -> str:
    """The configuration of the sshd that runs, as its own arguments tell where it lies; empty for Debian's.

    Asked again while sshd is being replaced by another: there may be none for a moment, or its file be gone already.
    """
    return machine.run(IN_FORCE).out


def main_pid(machine: Machine) -> str:
    return machine.run("systemctl show ssh.service -p MainPID --value").out.strip()


def ssh(estate: ContainersEstate, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["ssh", "-F", str(estate.ssh_config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *options, "web", "id -un"]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


def test_a_dry_run_says_what_the_run_does_and_a_second_run_does_nothing(
    controller: Controller, estate: ContainersEstate, web: Machine
) -> None:
    planned, done = controller.dry(deploy()), controller.attempt(deploy())
    assert done.status == 0, done.output
    assert planned.changes == done.changes
    assert planned.items == [SAVED, DROP_IN, "ssh.service"]
    assert controller.attempt(deploy()).changes == []
    assert in_force(web) == web.run(f"cat {SAVED}").out != ""
    assert ssh(estate).stdout.strip() == "root"
    assert ssh(estate, "-o", "PreferredAuthentications=password,keyboard-interactive").returncode != 0


def test_a_changed_line_is_shown_and_reloaded_without_a_restart(controller: Controller, web: Machine) -> None:
    controller.settle(deploy())
    before = main_pid(web)
    changed = deploy("MaxAuthTries 4", "MaxAuthTries 5")
    planned = controller.dry(changed)
    assert [(change.item, change.action) for change in planned.changes] == [(SAVED, "change"), ("ssh.service", "reload")]
    assert "+MaxAuthTries 5" in planned.changes[0].diff
    assert controller.attempt(changed).changes == planned.changes
    assert "MaxAuthTries 5" in in_force(web)
    assert main_pid(web) == before


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (f"echo '# mine' >>{SAVED}", SAVED),
        (f"chmod 644 {SAVED}", SAVED),
        (f"rm {SAVED}", SAVED),
        (f"echo 'PasswordAuthentication yes' >>{LIVE}; systemctl reload ssh.service", "ssh.service"),
        (f"rm {DROP_IN}", DROP_IN),
        (f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart ssh.service", DROP_IN),
        (f"echo '[Service]' >>{DROP_IN}", DROP_IN),
        (
            f"cp {DROP_IN} /root/x; rm {DROP_IN}; systemctl daemon-reload; systemctl restart ssh.service; mv /root/x {DROP_IN}",
            "ssh.service",
        ),
        ("systemctl disable -q ssh.service", "ssh.service"),
    ],
)
def test_damage_is_named_by_the_dry_run_and_healed(controller: Controller, web: Machine, damage: str, named: str) -> None:
    controller.settle(deploy())
    before = in_force(web)
    web.run(damage)
    planned = controller.dry(deploy())
    assert named in planned.items, planned.output
    healed = controller.attempt(deploy())
    assert healed.status == 0, healed.output
    assert healed.changes == planned.changes
    assert controller.dry(deploy()).changes == []
    assert in_force(web) == before
    assert web.run("systemctl is-enabled ssh.service").out.strip() == "enabled"


@pytest.mark.parametrize(
    "change",
    [
        NOBODY,
        ("PermitRootLogin prohibit-password", "PermitRootLogin no"),
        (",curve25519-sha256@libssh.org", ""),
        (" .ssh/authorized_keys", ""),
    ],
)
def test_a_valid_configuration_that_locks_out_is_refused_and_sshd_not_touched(
    controller: Controller, web: Machine, change: tuple[str, str]
) -> None:
    controller.settle(deploy())
    before = (in_force(web), main_pid(web), web.run(f"stat -c %Y {LIVE} {SAVED}").out)
    run = controller.attempt(deploy(*change))
    assert run.status != 0
    assert "with the new sshd configuration root could not log in any more" in run.output, run.output
    assert "Traceback" not in run.output
    assert (in_force(web), main_pid(web), web.run(f"stat -c %Y {LIVE} {SAVED}").out) == before


def test_a_configuration_that_sshd_does_not_take_is_refused_with_its_words(controller: Controller, web: Machine) -> None:
    controller.settle(deploy())
    before = in_force(web)
    run = controller.attempt(deploy("UsePAM yes", "UsePAN yes"))
    assert run.status != 0
    assert "Bad configuration option: UsePAN" in run.output
    assert in_force(web) == before


@pytest.mark.parametrize("first", [True, False])
def test_a_cut_off_administrator_gets_the_old_sshd_back(
    controller: Controller, estate: ContainersEstate, web: Machine, first: bool
) -> None:
    if not first:
        controller.settle(deploy())
    before = in_force(web)
    controller.seconds = CUT_SECONDS
    run = controller.attempt(LOGIN_NOT_TRIED + deploy(*NOBODY))
    assert run.status != 0
    assert "with the new sshd nobody can come in" in run.output, run.output
    assert "the sshd of before is back" in run.output
    assert in_force(web) == before
    assert ssh(estate).stdout.strip() == "root"
    controller.settle(deploy())


@pytest.mark.parametrize("first", [True, False])
def test_a_killed_controller_leaves_the_old_sshd_and_the_next_run_converges(
    controller: Controller, web: Machine, first: bool
) -> None:
    if not first:
        controller.settle(deploy())
    before = in_force(web)
    changed = deploy("MaxAuthTries 4", "MaxAuthTries 5")
    controller.seconds = CUT_SECONDS
    assert controller.attempt(KILLED_IN_TRIAL + changed).status == -9
    assert "MaxAuthTries 5" in in_force(web)
    until(lambda: in_force(web) == before, "the old sshd is back")
    controller.seconds = 60
    controller.settle(changed)


@pytest.mark.parametrize("locked_out", [False, True])
def test_sshd_comes_up_however_often_it_was_started(controller: Controller, web: Machine, locked_out: bool) -> None:
    # Five starts in ten seconds are all that systemd allows.
    web.run("systemctl reset-failed ssh.service; for _ in 1 2 3 4 5; do systemctl restart ssh.service; done")
    if locked_out:
        controller.seconds = CUT_SECONDS
        assert "the sshd of before is back" in controller.attempt(LOGIN_NOT_TRIED + deploy(*NOBODY)).output
    controller.settle(deploy())


@pytest.mark.parametrize("first", [True, False])
def test_a_reboot_during_the_trial_gives_the_old_sshd(controller: Controller, web: Machine, first: bool) -> None:
    if not first:
        controller.settle(deploy())
    before = in_force(web)
    controller.seconds = 300
    assert controller.attempt(KILLED_IN_TRIAL + deploy("MaxAuthTries 4", "MaxAuthTries 5")).status == -9
    assert "MaxAuthTries 5" in in_force(web)
    web.reboot()
    assert in_force(web) == before
    controller.settle(deploy())


def test_a_reboot_after_a_run_changes_nothing(controller: Controller, web: Machine) -> None:
    controller.settle(deploy())
    before = in_force(web)
    web.reboot()
    assert in_force(web) == before
    assert controller.dry(deploy()).changes == []


@pytest.mark.parametrize("jump", [True, False])
def test_one_goes_on_to_other_machines_only_from_the_jump_host_and_only_by_ssh(
    controller: Controller, estate: ContainersEstate, web: Machine, jump: bool
) -> None:
    controller.settle(deploy(jump=jump))
    web.run("systemd-run -q --collect --unit=listen python3 -m http.server 8099 || :")
    client = paramiko.SSHClient()
    client.load_host_keys(str(estate.known_hosts))
    client.connect(
        web.address, username="root", key_filename=str(estate.administrator_key), allow_agent=False, look_for_keys=False
    )
    with client:
        assert opens(client, 22) == jump
        assert not opens(client, 8099)


def opens(client: paramiko.SSHClient, port: int) -> bool:
    transport = client.get_transport()
    assert transport
    try:
        transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0), timeout=10).close()
    except paramiko.ChannelException:
        return False
    return True


def test_ssh_audit_finds_nothing_but_the_exchange_that_python_needs(controller: Controller, web: Machine) -> None:
    controller.settle(deploy())
    audit = subprocess.run([sys.executable, "-m", "ssh_audit.ssh_audit", "-j", "--skip-rate-test", web.address],
                           capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    report = json.loads(audit.stdout)
    notes = {(kind, entry["algorithm"]): entry["notes"] for kind in ("kex", "key", "enc", "mac") for entry in report[kind]}
    assert [name for name, note in notes.items() if note.get("fail")] == []
    assert [name for name, note in notes.items() if note.get("warn")] == [("kex", "curve25519-sha256@libssh.org")]
    assert "mlkem768x25519-sha256" in {name for _, name in notes}


def test_it_works_by_way_of_sudo(tmp_path: Path) -> None:
    with temporary_estate(["web"], user="debian") as estate:
        controller = Controller(estate, tmp_path)
        controller.settle(deploy(login="debian"))
        assert ssh(estate).stdout.strip() == "debian"
        refused = controller.attempt(deploy(*NOBODY, login="debian"))
        assert "with the new sshd configuration debian could not log in any more" in refused.output
