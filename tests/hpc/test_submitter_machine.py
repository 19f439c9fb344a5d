"""The submitter as deploys/ocr.py makes it, and the gate on another machine, reached through sshd as on automation nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from recettes.containers.identity import Member, archive_of
from recettes.containers.machine import Answer, Machine
from recettes.containers.waiting import until
from recettes.declarations.ocr import KrakenProgram, OcrCluster, OcrModel
from recettes.ocr import names
from recettes.ocr.key_line import key_line
from recettes.ocr.proof import TRIES
from recettes.ocr.settings import gate_settings
from recettes.secrets import Vault
from recettes.shell import quote
from recettes.ssh_keys import public_key
from tests.harness import ROOT, TestLab, test_lab
from tests.hpc.account import MODEL, digest
from tests.hpc.submitter import ALTO, image

pytestmark = pytest.mark.containers

HOME = "/home/debian"
PROVE = ("images", "ocr", "prove", "key at robot")
ELSEWHERE = 'submitter_address="192.0.2.1",'
LAB = """
from datetime import date
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import KrakenProgram, Ocr, OcrCluster, OcrModel
lab = Lab(name="The tests' lab", domain="lab.test", contact="administrator@lab.test", {ocr})
"""
OCR = f"""ocr=Ocr(
    clusters=(OcrCluster(name="robot", home={HOME!r}, until=date(2099, 12, 31), {{address}}
                         robot_port=2222, kraken=KrakenProgram(program="/bin/true"), keys_by="authorized_keys"),),
    models=(OcrModel(name="tiny-print", file={str(MODEL)!r}, sha256={digest(MODEL.read_bytes())!r}),),
)"""
# A forced command that lets more through than the gate.
TOO_OPEN = f"""#!/bin/sh
case $SSH_ORIGINAL_COMMAND in hello*|scp*) exec /usr/bin/python3 -ISB {HOME}/ocr/ocr-gate ;; esac
eval "${{SSH_ORIGINAL_COMMAND:-sh}}"
"""
# The second stage asks nothing, as on automation nodes, but without it nobody comes in.
SSHD = """PerSourcePenalties no
UsePAM yes
Port 22
Port 2222
Match LocalPort 2222
    AuthenticationMethods publickey,keyboard-interactive
    KbdInteractiveAuthentication yes
"""
PAM = "auth required pam_permit.so\naccount required pam_unix.so\nsession required pam_permit.so\n"
# What jobs leave that have recognised every page.
FINISH = f"""
import json, pathlib
for batch in pathlib.Path("{HOME}/ocr/spool/batches").iterdir():
    run = batch / "runs" / str(json.loads((batch / "order.json").read_text())["attempt"])
    for page in (path.name.partition(".")[2] for path in (batch / "images").iterdir()):
        (batch / "results" / (page + ".alto.xml")).write_text({ALTO!r}.format(page=page, text=""))
        (batch / "pages" / (page + ".done")).write_text("")
    (run / "0.started").write_text(json.dumps({{"job": "100"}}))
    (run / "0.exit").write_text(json.dumps({{"job": "100", "seconds": 1.0, "stopped": "", "contained": "none"}}))
pathlib.Path("{HOME}/slurm/jobs").unlink()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """A bare machine that was planned, then made; then the cluster let its key in, and the run was made again."""
    scratch = tmp_path_factory.mktemp("ocr")
    with test_lab(["images", "robot"], scratch, user="debian", groups={"robot": ("hpc",)}) as lab:
        lab.declare(LAB.format(ocr=OCR.format(address="")))
        start_sshd(lab)
        lab.notes["planned"] = lab.dry("ocr")
        lab.notes["ran"] = lab.apply("ocr")
        make_cluster(lab)
        lab.notes["let in"] = lab.apply("ocr")
        yield lab


def write(machine: Machine, path: str, content: bytes, mode: int = 0o600) -> None:
    machine.container.put_archive("/", archive_of([Member(path, content, mode)]))


def start_sshd(lab: TestLab) -> None:
    """With the two stages of the login."""
    robot = lab.estate.machine("robot")
    write(robot, "/etc/pam.d/sshd", PAM.encode(), 0o644)
    write(robot, "/etc/ssh/sshd_config.d/robot.conf", SSHD.encode(), 0o644)
    robot.run("systemctl restart ssh")


def make_cluster(lab: TestLab) -> None:
    """The gate as deploys/hpc.py lays it, with a stand-in for Slurm."""
    robot = lab.estate.machine("robot")
    model = OcrModel(name="tiny-print", file=str(MODEL), sha256=digest(MODEL.read_bytes()))
    cluster = OcrCluster(
        name="robot", home=HOME, until=date(2099, 12, 31), kraken=KrakenProgram(program="/bin/true"),
        slurm=f"{HOME}/slurm", keys_by="authorized_keys",
    )  # fmt: skip
    for name in ("ocr-gate", "ocr-job", "ocr-pages"):
        write(robot, f"{HOME}/ocr/{name}", (ROOT / "programs" / name).read_bytes(), 0o500)
    for name in ("sbatch", "squeue", "scancel"):
        write(robot, f"{HOME}/slurm/{name}", (Path(__file__).parent / "stand_in_slurm.py").read_bytes(), 0o500)
    write(robot, f"{HOME}/ocr/models/tiny-print.safetensors", MODEL.read_bytes(), 0o400)
    write(robot, f"{HOME}/ocr/ocr-gate.json", json.dumps(gate_settings(cluster, [model])).encode(), 0o400)
    key = public_key(Vault(lab.estate.folder).get(names.KEY_SECRET))
    line = key_line(cluster, key, lab.estate.machine("images").address)
    robot.run(f"echo {quote(line)} >>{HOME}/.ssh/authorized_keys")
    robot.run(f"mkdir {HOME}/ocr/spool; chmod 700 {HOME} {HOME}/ocr {HOME}/ocr/spool {HOME}/slurm; chown -R debian: {HOME}")


@pytest.fixture
def machine(made: TestLab) -> Machine:
    """As the run made it, but without any waiting times."""
    machine = made.estate.machine("images")
    settings = json.loads(machine.run(f"cat {names.SUBMITTER_SETTINGS}").out)
    settings["floor_seconds"] = 0
    settings["queue"] |= {"settle_seconds": 0, "gather_seconds": 0}
    write(machine, names.SUBMITTER_SETTINGS, json.dumps(settings).encode(), 0o644)
    return machine


def ocr(machine: Machine, *words: str) -> Answer:
    return machine.run(f"cd /; runuser -u {names.ACCOUNT} -- {names.PROGRAM} {' '.join(map(quote, words))}", check=False)


def jobs(lab: TestLab) -> int:
    """How many were ever handed to Slurm."""
    return int(lab.estate.machine("robot").run(f'cat {HOME}/slurm/calls 2>/dev/null | grep -c \'"program": "sbatch"\' || :').out)


def finish(lab: TestLab) -> None:
    lab.estate.machine("robot").run(f"runuser -u debian -- python3 -c {quote(FINISH)}")


def test_a_run_does_what_was_planned_and_a_second_does_nothing(made: TestLab) -> None:
    planned, ran = made.notes["planned"], made.notes["ran"]
    assert planned.changes == ran.changes and names.KEY in ran.items and "recettes-ocr-queue.timer" in ran.items
    assert Vault(made.estate.folder).get(names.KEY_SECRET).reveal() not in ran.output
    assert "PRIVATE KEY" not in ran.output
    again = made.apply("ocr")
    assert (again.status, again.changes) == (0, []), again.output


def test_a_key_that_is_not_let_in_yet_is_said_and_one_that_is_let_in_is_proved(made: TestLab) -> None:
    ran, let_in = made.notes["ran"], made.notes["let in"]
    address = made.estate.machine("robot").address
    assert ran.status == 1
    assert f"{address} does not let the key in" in ran.output, ran.output
    assert (let_in.status, let_in.changes) == (0, [PROVE]), let_in.output


def test_a_key_with_which_more_can_be_had_is_told(made: TestLab) -> None:
    """The line in force is another than the one that was handed in: no restrict, a shell beside the gate, no from=."""
    robot, machine = made.estate.machine("robot"), made.estate.machine("images")
    write(robot, f"{HOME}/open", TOO_OPEN.encode(), 0o755)
    machine.run("rm -r /var/lib/recettes/ocr-proved")
    robot.run(
        f'cd {HOME}/.ssh; cp -p authorized_keys kept; sed -i \'s@.*command="[^"]*"@command="{HOME}/open"@\' authorized_keys'
    )
    made.declare(LAB.format(ocr=OCR.format(address=ELSEWHERE)))
    try:
        said = made.apply("ocr")
    finally:
        robot.run(f"mv {HOME}/.ssh/kept {HOME}/.ssh/authorized_keys")
        made.declare(LAB.format(ocr=OCR.format(address="")))
    assert said.status == 1
    had = {name for name in TRIES if f"has to refuse the key {name}, and this came of it" in said.output}
    assert had >= {
        "a command",
        "a terminal",
        "the subsystem sftp",
        "a forwarding to the cluster's inside",
        "a forwarding to here",
    }
    assert "scp" not in had
    assert f'sees this machine at {machine.address}, and the key line says from="192.0.2.1"' in said.output
    assert made.apply("ocr").changes == [PROVE]


def test_nobody_but_the_submitter_reads_its_key(made: TestLab) -> None:
    """Neither another account, even one that may drop images, nor a unit such as the image server's."""
    machine = made.estate.machine("images")
    machine.run(f"id other 2>/dev/null || useradd --system --groups {names.ACCOUNT} other")
    for path in (names.KEY, f"{names.STATE}/ocr.sqlite3"):
        machine.run(f"runuser -u {names.ACCOUNT} -- test -r {names.KEY}")
        assert machine.run(f"runuser -u other -- cat {path}", check=False).code != 0
        unit = f"systemd-run --quiet --wait --pipe -p User=other -p Group={names.ACCOUNT} cat {path}"
        answer = machine.run(unit, check=False)
        assert answer.code != 0 and "Permission denied" in answer.err
    assert machine.run(f"runuser -u other -- ls {names.QUEUE}").code == 0
    assert machine.run(f"stat -c '%U %a' {names.KEY} {names.KEY_FOLDER}").out.split() == [
        names.ACCOUNT,
        "600",
        names.ACCOUNT,
        "700",
    ]


def test_what_is_dropped_comes_back_through_the_unit(made: TestLab, machine: Machine) -> None:
    """By the hardened unit, through both stages of the login; then the machine reboots, and the timer goes on."""
    assert machine.run("systemctl is-active recettes-ocr-queue.timer").out.strip() == "active"
    # It would send what has been dropped so far.
    machine.run("systemctl stop recettes-ocr-queue.timer recettes-ocr-queue.service")
    for number in (1, 2):
        write(machine, f"{names.QUEUE}/tiny-print/letters/p{number}.png", image(str(number)), 0o644)
    machine.run(f"chown -R :{names.ACCOUNT} {names.QUEUE}/tiny-print; chmod -R g+rX {names.QUEUE}/tiny-print")
    machine.run(
        f"install -d -m 700 {names.QUEUE}/tiny-print/closed; install -m 600 /dev/null {names.QUEUE}/tiny-print/closed.png"
    )
    machine.run("systemctl start recettes-ocr-queue.service")
    told = machine.run(f"cat {names.RESULTS}/tiny-print/NOT-RECOGNISED.txt").out
    assert "closed: cannot be read" in told and "closed.png: cannot be read" in told
    machine.run(f"rm -r {names.QUEUE}/tiny-print/closed*")
    assert jobs(made) == 1
    assert machine.run(f"pgrep -u {names.ACCOUNT}", check=False).out == "", "the connection was ended"
    machine.reboot()
    assert machine.run("systemctl is-active recettes-ocr-queue.timer").out.strip() == "active"
    finish(made)
    machine.run("systemctl start recettes-ocr-queue.service")
    found = machine.run(f"cd {names.RESULTS}/tiny-print/letters && ls").out.split()
    assert [name for name in found if name.endswith(".xml")] == ["p1.xml", "p2.xml"] and len(found) == 3
    assert machine.run(f"ls {names.RESULTS}/tiny-print").out.split() == ["letters"]
    assert jobs(made) == 1
    machine.run("systemctl start recettes-ocr-queue.service")
    assert jobs(made) == 1


def test_an_upload_cut_anywhere_goes_on_and_two_at_once_are_one(made: TestLab, machine: Machine) -> None:
    before = jobs(made)
    folder = "/srv/ocr/pages"
    machine.run(f"install -d -o {names.ACCOUNT} {folder}")
    for number in range(3):
        machine.run(f"(printf '\\211PNG\\r\\n\\032\\n'; head -c 20000000 /dev/urandom) >{folder}/p{number}.png")
    submit = f"runuser -u {names.ACCOUNT} -- {names.PROGRAM} submit {folder} --model tiny-print"
    for seconds in ("0.4", "0.55", "0.7"):
        machine.run(f"cd /; timeout -s KILL {seconds} {submit}; pkill -KILL -u {names.ACCOUNT} ssh", check=False)
    machine.run(f"cd /; ({submit}) & ({submit}) & wait", check=False)
    # A call that was cut holds the batch until it has noticed.
    until(lambda: ocr(machine, "submit", folder, "--model", "tiny-print").code == 0, "the batch is handed in")
    assert jobs(made) == before + 1
    finish(made)
    fetched = ocr(machine, "fetch")
    assert fetched.code == 0 and "3 of 3 pages" in fetched.out, fetched
    assert machine.run(f"ls {folder}/p1.xml").code == 0


def test_another_machine_in_the_cluster_s_place_gets_nothing(made: TestLab, machine: Machine) -> None:
    robot = made.estate.machine("robot")
    robot.run("cd /etc/ssh; mkdir kept; mv ssh_host_* kept; ssh-keygen -q -A; systemctl restart ssh")
    try:
        said = ocr(machine, "status")
        assert said.code == 4 and "is not the cluster that we know" in said.err
    finally:
        robot.run("cd /etc/ssh; rm ssh_host_*; mv kept/* .; rmdir kept; systemctl restart ssh")
    assert ocr(machine, "status").code == 0


def test_a_cluster_that_lets_the_key_in_no_more_is_said(made: TestLab, machine: Machine) -> None:
    robot = made.estate.machine("robot")
    robot.run(f"cd {HOME}/.ssh; cp -p authorized_keys kept; sed -i /command=/d authorized_keys")
    try:
        said = ocr(machine, "status")
        assert said.code == 4 and "does not accept our key" in said.err
    finally:
        robot.run(f"mv {HOME}/.ssh/kept {HOME}/.ssh/authorized_keys")
    robot.run("systemctl stop ssh.socket ssh 2>/dev/null; :")
    try:
        said = ocr(machine, "status")
        assert said.code == 3 and "could not be reached" in said.err
    finally:
        robot.run("systemctl start ssh")


def test_damage_is_seen_and_healed(made: TestLab) -> None:
    machine = made.estate.machine("images")
    machine.run(f"chmod 644 {names.KEY}; echo >>{names.KNOWN_HOSTS}; rm {names.SUBMITTER_SETTINGS}; chown root: {names.STATE}")
    machine.run("systemctl disable --now recettes-ocr-queue.timer")
    planned = made.dry("ocr")
    expected = {names.KEY, names.KNOWN_HOSTS, names.SUBMITTER_SETTINGS, names.STATE, "recettes-ocr-queue.timer"}
    assert expected <= planned.items
    healed = made.apply("ocr")
    assert healed.status == 0 and healed.changes == planned.changes
    assert made.dry("ocr").changes == []


def test_dropped_it_is_gone_and_what_people_have_stays(made: TestLab) -> None:
    """Last in this file: nothing of it is left."""
    machine = made.estate.machine("images")
    machine.run(f"mkdir -p {names.RESULTS}/kept {names.QUEUE}/kept; touch {names.RESULTS}/kept/p.xml")
    made.declare(LAB.format(ocr=""))
    planned = made.dry("ocr")
    dropped = made.apply("ocr")
    assert dropped.status == 0 and dropped.changes == planned.changes
    gone = machine.run(f"ls {names.KEY} {names.PROGRAM} {names.SUBMITTER_SETTINGS} {names.KNOWN_HOSTS}", check=False)
    assert gone.out == ""
    assert machine.run("systemctl is-active recettes-ocr-queue.timer", check=False).code != 0
    assert machine.run(f"ls {names.RESULTS}/kept/p.xml {names.STATE}/ocr.sqlite3").code == 0
    assert made.apply("ocr").changes == []
