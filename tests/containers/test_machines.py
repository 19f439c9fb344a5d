"""The container machines themselves: they boot, answer SSH, reboot, break, and leave nothing behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from recettes.containers.estate import ContainersEstate, temporary_estate
from recettes.containers.leftovers import OWNER_LABEL, remove_dead
from recettes.containers.machine import Machine
from recettes.containers.waiting import ContainersError, until


@pytest.fixture(scope="module")
def estate() -> Iterator[ContainersEstate]:
    with temporary_estate(["web", "xmldb"]) as made:
        yield made


@pytest.fixture
def web(estate: ContainersEstate) -> Machine:
    return estate.make()["web"]


def ssh(estate: ContainersEstate, machine: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", str(estate.ssh_config), "-o", "BatchMode=yes", *options, machine, command],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def engine_says(*arguments: str) -> list[str]:
    """What the docker client prints, which none of the code under test uses."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.split()


def left_behind(label: str) -> list[str]:
    chosen = ("--quiet", "--filter", f"label={label}")
    return [
        *engine_says("ps", "--all", *chosen),
        *engine_says("network", "ls", *chosen),
        *engine_says("images", "--all", *chosen),
    ]


def test_a_machine_is_a_debian_13_on_which_every_unit_came_up(web: Machine) -> None:
    assert web.run("systemctl is-system-running").out == "running\n"
    assert web.run(". /etc/os-release; echo $ID $VERSION_ID").out == "debian 13\n"


def test_ssh_lets_the_administrator_in_with_strict_host_keys(estate: ContainersEstate, web: Machine) -> None:
    answer = ssh(estate, "web", "id -un; hostname")
    assert answer.stdout == "root\nweb\n", answer.stderr


def test_ssh_refuses_a_machine_whose_host_key_changed(estate: ContainersEstate, web: Machine, tmp_path: Path) -> None:
    xmldb = {line.split()[1]: line.split()[2] for line in estate.known_hosts.read_text().splitlines() if "xmldb" in line}
    wrong = tmp_path / "known_hosts"
    wrong.write_text("".join(f"{web.address} {kind} {key}\n" for kind, key in xmldb.items()))
    answer = ssh(estate, "web", "true", "-o", f"UserKnownHostsFile={wrong}")
    assert answer.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in answer.stderr


def test_ssh_refuses_a_machine_it_was_told_nothing_of(estate: ContainersEstate, web: Machine) -> None:
    answer = ssh(estate, "web", "true", "-o", "UserKnownHostsFile=/dev/null")
    assert answer.returncode == 255
    assert "host key is known" in answer.stderr


def test_each_machine_has_keys_and_a_machine_id_of_its_own(estate: ContainersEstate) -> None:
    machines = estate.make()
    told = {machine.run("cat /etc/machine-id /etc/ssh/ssh_host_*.pub").out for machine in machines.values()}
    assert len(told) == len(machines)


def test_machines_find_each_other_by_name(estate: ContainersEstate, web: Machine) -> None:
    assert web.run("getent hosts xmldb").out.split()[0] == estate.make()["xmldb"].address


def test_a_credential_of_a_unit_reaches_it(web: Machine) -> None:
    said = web.run("""systemd-run --quiet --wait --pipe -p SetCredential=word:said \\
        sh -c 'cat "$CREDENTIALS_DIRECTORY"/word'""")
    assert said.out == "said"


def test_a_reboot_starts_every_process_anew_and_empties_run_and_tmp(web: Machine) -> None:
    web.run("touch /run/gone /tmp/gone /root/stays")
    before = web.run("stat -c %Y /proc/1; systemctl show -P ActiveEnterTimestampMonotonic basic.target").out
    web.reboot()
    assert web.run("stat -c %Y /proc/1; systemctl show -P ActiveEnterTimestampMonotonic basic.target").out != before
    assert web.run("ls /run/gone /tmp/gone /root/stays", check=False).out == "/root/stays\n"


def test_a_killed_machine_stays_down_until_it_is_started(estate: ContainersEstate, web: Machine) -> None:
    web.kill()
    assert web.place.container not in engine_says("ps", "--format", "{{.Names}}")
    assert estate.make()["web"].run("systemctl is-system-running").out == "running\n"


def test_a_disconnected_machine_is_out_of_reach_and_keeps_its_address(estate: ContainersEstate, web: Machine) -> None:
    web.disconnect()
    try:
        assert ssh(estate, "web", "true", "-o", "ConnectTimeout=1").returncode == 255
    finally:
        web.reconnect()
    web.wait_ssh()
    assert ssh(estate, "web", "hostname -I").stdout.split()[0] == web.address


def test_nothing_can_be_written_to_a_full_disk_and_afterwards_all_is_as_before(web: Machine) -> None:
    before = web.run("ls -lAR /etc/ssh").out
    with web.full_disk("/etc/ssh"):
        assert web.run("cat /etc/ssh/sshd_config >/dev/null && echo more > /etc/ssh/more", check=False).code != 0
        assert web.run("df --output=avail /etc/ssh | tail -n 1").out.strip() == "0"
    assert web.run("ls -lAR /etc/ssh").out == before


def test_a_machine_made_from_a_snapshot_has_its_files_and_the_same_keys(estate: ContainersEstate, web: Machine) -> None:
    web.run("echo kept > /root/file")
    snapshot = web.snapshot("with-file")
    web.run("rm /root/file")
    before = web.container.id
    web.remake(snapshot)
    assert web.container.id != before
    assert ssh(estate, "web", "cat /root/file").stdout == "kept\n"


def test_another_machine_made_from_a_snapshot_is_not_taken_for_the_first(estate: ContainersEstate, web: Machine) -> None:
    xmldb = estate.make()["xmldb"]
    web.run("echo kept > /root/file")
    xmldb.remake(web.snapshot("for-xmldb"))
    assert ssh(estate, "xmldb", "cat /root/file; hostname").stdout == "kept\nxmldb\n"
    assert xmldb.run("cat /etc/machine-id").out != web.run("cat /etc/machine-id").out


def test_making_the_estate_again_changes_nothing(estate: ContainersEstate) -> None:
    def state() -> list[object]:
        files = [(path, path.stat().st_mtime_ns) for path in sorted(estate.folder.rglob("*"))]
        return [
            files,
            {
                name: (machine.container.id, machine.container.attrs["State"]["StartedAt"])
                for name, machine in estate.make().items()
            },
        ]

    assert state() == state()


def test_machines_toml_lists_each_machine_with_address_group_and_user(estate: ContainersEstate) -> None:
    listed = tomllib.loads(estate.machines_toml.read_text())
    assert listed == {
        name: {"address": machine.address, "groups": [name], "user": "root"} for name, machine in estate.make().items()
    }


def test_no_private_key_can_be_read_by_others(estate: ContainersEstate) -> None:
    private = [path for path in estate.folder.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
    assert len(private) == 5  # the administrator's, and two of each machine
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_as_on_a_cloud_image_debian_has_sudo_and_root_no_login() -> None:
    with temporary_estate(["web"], user="debian") as estate:
        assert ssh(estate, "web", "id -un; sudo -n id -un").stdout == "debian\nroot\n"
        answer = ssh(estate, "web", "true", "-l", "root")
        assert answer.returncode == 255
        assert "Permission denied" in answer.stderr


def test_a_removed_estate_leaves_nothing(tmp_path: Path) -> None:
    estate = ContainersEstate(tmp_path / "gone", ["web"])
    machine = estate.make()["web"]
    machine.snapshot("first")
    machine.remake(machine.snapshot("second"))
    assert len(left_behind(f"recettes.estate={estate.name}")) == 4
    estate.remove()
    assert left_behind(f"recettes.estate={estate.name}") == []
    assert not estate.folder.exists()


def test_what_a_dead_test_run_left_is_removed_and_living_estates_are_not(estate: ContainersEstate) -> None:
    program = (
        "import os\n"
        "from recettes.containers.estate import temporary_estate\n"
        "with temporary_estate(['web']) as estate:\n"
        "    print(estate.name, estate.folder.parent, flush=True)\n"
        "    input()\n"
        "    os._exit(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        name, folder = other.stdout.readline().split()
        remove_dead(docker.from_env())
        # Looked at while it lives: once it is dead, any test that makes machines removes what it left.
        assert len(left_behind(f"recettes.estate={name}")) == 2
        other.communicate("\n")
    remove_dead(docker.from_env())
    assert left_behind(f"recettes.estate={name}") == []
    assert len(left_behind(OWNER_LABEL)) >= 3  # this run's own two machines and network
    subprocess.run(["rm", "-r", folder], check=True)


def test_containers_without_their_folder_are_refused(tmp_path: Path) -> None:
    estate = ContainersEstate(tmp_path / "lost", ["web"])
    estate.make()
    try:
        estate.folder.rename(tmp_path / "elsewhere")
        with pytest.raises(ContainersError, match="has other keys"):
            ContainersEstate(tmp_path / "lost", ["web"]).make()
    finally:
        estate.remove()


@pytest.mark.parametrize("name", ["Web", "web_1", "-web", "", "w" * 33])
def test_a_name_that_no_machine_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContainersError, match="Nothing was made"):
        ContainersEstate(tmp_path / "never", [name])
    assert not (tmp_path / "never").exists()


def test_what_does_not_come_true_in_time_is_an_error_that_names_it() -> None:
    with pytest.raises(ContainersError, match="Waited 0 s in vain: never"):
        until(lambda: False, "never", seconds=0)


NAMELESS = "import os; os.environ.pop('DOCKER_HOST', None)\nfrom recettes.containers.engine import engine\n"


def test_without_an_engine_and_without_root_the_error_says_what_to_do() -> None:
    # The engine's socket is root's, so to anybody else it does not answer.
    said = subprocess.run(
        [sys.executable, "-c", f"{NAMELESS}os.setgroups([]); os.seteuid(65534)\nengine()"],
        capture_output=True,
        text=True,
        check=False,
    ).stderr.splitlines()[-1]
    assert "systemctl start docker" in said
    assert "Nothing was made." in said


def test_an_engine_is_started_where_none_answers_even_after_one_that_was_killed() -> None:
    # In name spaces of its own: no socket there, and a pid file naming a process that lives but is no engine.
    # The engine ends with the name space.
    script = f"""set -e
        mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib/docker; mount -t tmpfs tmpfs /var/log
        ip link set lo up
        echo $$ > /var/run/docker.pid
        {sys.executable} -c "{NAMELESS}print('engine', engine().version()['Version'])"
    """
    answer = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert answer.stdout.startswith("engine "), answer.stderr
