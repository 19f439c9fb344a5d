"""Who holds the key and nothing else, against real sshd in two stages: what ssh and its kin can ask for, and what comes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress

import paramiko
import pytest

from recettes.containers.cluster.settings import HOME, HOST, ROBOT_PORT, USER
from recettes.containers.waiting import until
from tests.hpc.account import Answer
from tests.hpc.cluster.lab import Cluster

# What a thief would leave behind, had anything of his been run.
TRACE = "/tmp/stolen"
OURS = f"ps -u {USER} -o comm="
LOOK = f"find {HOME} /tmp -not -path '*/spool/*' -not -name spool -printf '%p %s %m\\n' | sort"


@pytest.fixture(autouse=True)
def _nothing_was_run(cluster: Cluster) -> Iterator[None]:
    before = seen(cluster)
    yield
    assert seen(cluster) == before
    # A call's own end may come a moment after its answer; a login has these two.
    until(lambda: set(cluster.machine.run(OURS, check=False).out.split()) <= {"systemd", "(sd-pam)"}, "nothing runs on")


def seen(cluster: Cluster) -> str:
    """Files of the account outside its spool. Asked again where the engine lost the answer, which is never empty."""
    found = ""
    while not found:
        found = cluster.machine.run(LOOK).out
    return found


def run(command: list[str], given: bytes = b"") -> Answer:
    ran = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, start_new_session=True)
    return Answer(ran.returncode, ran.stdout, ran.stderr.decode("ascii", "replace"))


@pytest.mark.parametrize(
    "words",
    [
        "",
        f"touch {TRACE}",
        f"hello; touch {TRACE}",
        f"hello && touch {TRACE}",
        f"hello\ntouch {TRACE}",
        f"put $(touch {TRACE})",
        f"status `touch {TRACE}`",
        "/bin/sh",
        "internal-sftp",
        "/usr/lib/openssh/sftp-server",
        "scp -t .",
        "rsync --server --sender . /",
        f"fetch ../../../.ssh {TRACE}",
        "h\u0435llo",  # the second letter is Cyrillic
        "hello " + "x" * 100_000,
    ],
)
def test_a_command_of_the_thiefs_own_is_refused(cluster: Cluster, words: str) -> None:
    cluster.call(words).refused(64, "this is not one of the commands")


def test_a_command_of_a_megabyte_is_refused(cluster: Cluster) -> None:
    """More than ssh's own words can be: the operating system allows an eighth of it. sshd or the account's shell gives up."""
    with closing(paramiko.Transport((cluster.machine.address, ROBOT_PORT))) as transport:
        transport.start_client(timeout=60)
        transport.auth_publickey(USER, paramiko.Ed25519Key.from_private_key_file(str(cluster.key)))
        transport.auth_interactive(USER, lambda _title, _words, asked: [""] * len(asked))
        channel, status = transport.open_session(), -1
        with suppress(paramiko.SSHException, EOFError, OSError):  # it may hang up while the rest is being sent
            channel.exec_command(f"touch {TRACE}; " + "x" * 1_000_000)
            status = channel.recv_exit_status()
    assert status != 0


def test_the_sftp_subsystem_runs_the_gate(cluster: Cluster) -> None:
    answer = run([*cluster.ssh("-s"), "sftp"])
    assert (answer.code, answer.out) == (64, b""), answer


def test_scp_and_sftp_bring_nothing_and_take_nothing(cluster: Cluster) -> None:
    stolen = cluster.lab.scratch / "stolen"
    there = f"{USER}@{HOST}:.ssh/authorized_keys"
    options = cluster.ssh(target="")[1:]
    for command in (
        ["scp", *options, there, str(stolen)],
        ["scp", "-O", *options, there, str(stolen)],
        ["scp", *options, __file__, f"{USER}@{HOST}:.bashrc"],
        ["scp", "-O", *options, __file__, f"{USER}@{HOST}:.bashrc"],
        ["sftp", *options, there, str(stolen)],
    ):
        answer = run(command)
        assert answer.code != 0, command
        assert not stolen.exists()


def test_there_is_no_terminal(cluster: Cluster) -> None:
    ran = subprocess.run(
        [*cluster.ssh("-v", "-tt"), "hello"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert "PTY allocation request failed" in ran.stderr, ran.stderr
    assert "\r" not in ran.stdout  # which a terminal would put before every LF


def test_nothing_is_forwarded_to_the_inside(cluster: Cluster) -> None:
    """A port of the cluster's own (Slurm's controller), as if it were the thief's."""
    answer = run([*cluster.ssh("-W", "127.0.0.1:6817", target=""), f"{USER}@{HOST}"])
    assert answer.code != 0 and "administratively prohibited" in answer.words


def test_nothing_is_forwarded_to_the_outside(cluster: Cluster) -> None:
    answer = cluster.call("hello", options=["-R", "0:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes"])
    assert answer.code == 255 and "remote port forwarding failed" in answer.words
    answer = run([*cluster.ssh("-N", "-R", "/tmp/stolen.sock:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes")])
    assert answer.code == 255


def test_neither_agent_nor_display_goes_along(cluster: Cluster) -> None:
    """Looked for on the cluster while a call is under way: sshd would listen for both."""
    sockets = "find /tmp -type s; ss -Hltn | grep -E ':60[0-9][0-9] '"
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    variables = dict(part.split(";")[0].split("=", 1) for part in agent.splitlines()[:2])
    call = subprocess.Popen(
        [*cluster.ssh("-A", "-X"), "put agent"],
        env={"PATH": "/usr/bin:/bin", "DISPLAY": ":0", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: bool(cluster.machine.run("pgrep -f '[o]cr-gate'", check=False).out), "the gate is called")
        assert cluster.machine.run(sockets, check=False).out == ""
    finally:
        call.kill()
        call.wait()
        subprocess.run(["kill", variables["SSH_AGENT_PID"]], check=True)
    until(lambda: not cluster.machine.run("pgrep -f '[o]cr-gate'", check=False).out, "the call is over")
    cluster.call("drop agent")


def test_variables_do_not_change_the_job(cluster: Cluster) -> None:
    """Even where sshd is so friendly as to let them through."""
    # Restarted, not reloaded: that one ends when it listens again.
    cluster.machine.run("echo 'AcceptEnv SBATCH_* SLURM_* PYTHON*' >/etc/ssh/sshd_config.d/all.conf; systemctl restart ssh")
    variables = (
        "SBATCH_TIMELIMIT=1000",
        "SBATCH_JOB_NAME=stolen",
        "SLURM_CONF=/tmp/x",
        "PYTHONPATH=/tmp",
        f"PYTHONSTARTUP={TRACE}",
    )
    # ssh takes one SetEnv, with all of them.
    options = ["-o", f"SetEnv={' '.join(variables)}"]
    try:
        cluster.put("variables", {"page.png": b"no image"})
        job = cluster.call("submit variables tiny-print", options=options).json["job"]
        said = cluster.machine.run(f"squeue --noheader --states=all --job={job} --format='%l %j'").out
    finally:
        cluster.machine.run("rm /etc/ssh/sshd_config.d/all.conf; systemctl restart ssh")
    assert said.startswith("20:00 ocr-variables-")
    until(lambda: cluster.status("variables")["state"] == "failed", "the job has ended")
    cluster.call("drop variables")


def test_the_second_stage_is_demanded(cluster: Cluster) -> None:
    assert cluster.call("hello", options=["-o", "BatchMode=yes"]).code == 255
    assert cluster.call("hello", options=["-o", "PreferredAuthentications=publickey"]).code == 255


def test_from_another_address_the_key_opens_nothing(cluster: Cluster) -> None:
    """The cluster itself is the other place: the same key, used there, comes from 127.0.0.1."""
    cluster.machine.run(f"install -m 600 /dev/stdin /root/stolen <<'END'\n{cluster.key.read_text()}END")
    options = f"-i /root/stolen -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p {ROBOT_PORT}"
    said = cluster.machine.run(
        f"ssh {options} {USER}@127.0.0.1 hello </dev/null; code=$?; rm -f /root/stolen; exit $code", check=False
    )
    assert said.code == 255 and "Permission denied" in said.err
    assert cluster.call("hello").code == 0


def test_the_gate_refuses_when_others_could_have_changed_it(cluster: Cluster) -> None:
    cluster.as_user("chmod g+w ~/ocr/ocr-pages")
    try:
        cluster.call("hello").refused(78, "can be changed by others")
    finally:
        cluster.as_user("chmod 500 ~/ocr/ocr-pages")
