"""A machine for computing: made, healed, dropped; and a folder that goes there by bin/compute and comes back as results.

It begins as the cluster's image, which has Debian's torch already: only wheels and vips are still to come.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from recettes.containers.cluster.image import cluster_image
from recettes.containers.engine import engine
from recettes.containers.identity import kept_key
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.harness import ROOT, TestLab, test_lab
from tests.hpc.account import MODEL, digest
from tests.hpc.cluster.pages import TEXT, character_error, draw, text_of

pytestmark = pytest.mark.kraken

COMPUTE = f"""compute=Compute(packages=("jq",), models=(
    OcrModel(name="tiny-print", file={str(MODEL)!r}, sha256={digest(MODEL.read_bytes())!r}),)),"""
LAB = """
from recettes.declarations.compute import Compute
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import OcrModel
lab = Lab(name="The tests' lab", domain="lab.test", contact="administrator@lab.test", {compute})
"""
PLACE = "/opt/kraken/models/tiny-print.safetensors"
DROP_IN = "/etc/systemd/system/compute-.service.d/recettes.conf"

# What work sees and can do, told from inside.
PROBE = """#!/usr/bin/python3
import json, os, socket, sys
def tried(what):
    try:
        return what() or "done"
    except OSError as error:
        return type(error).__name__
def written(path):
    return tried(lambda: open(path, "a").close())
interfaces = [line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line]
json.dump({
    "words": sys.argv[1:], "folder": os.getcwd(), "uid": os.getuid(), "interfaces": interfaces,
    "connection": tried(lambda: socket.create_connection((sys.argv[1], 22), 5).close()),
    "work": sorted(os.listdir("/srv/compute")),
    "data": written("../data/probe.py"), "beside": written("../more"), "etc": written("/etc/more"), "tmp": written("/tmp/more"),
    "secret": tried(lambda: open("/etc/recettes/firewall.nft").close()), "root": tried(lambda: os.setuid(0)),
}, open("told.json", "w"))
print("it was told")
"""
# The third time, it ends, with a status of its own.
SLOW = """#!/usr/bin/python3
import sys, time
with open("starts", "a+") as starts:
    starts.write("x")
    starts.seek(0)
    count = len(starts.read())
if count == 3:
    sys.exit(7)
time.sleep(3600)
"""


@dataclass
class Desk:
    """The administrator's."""

    lab: TestLab

    @property
    def machine(self) -> Machine:
        return self.lab.estate.machine("pages")

    def compute(self, *words: str | Path) -> CompletedProcess[str]:
        return self.lab.command("bin/compute", *map(str, words))

    def done(self, *words: str | Path) -> str:
        ran = self.compute(*words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def refused(self, *words: str | Path) -> str:
        ran = self.compute(*words)
        assert (ran.returncode, ran.stdout.count("runs on")) == (1, 0), ran.stdout
        return ran.stderr

    def status(self, name: str) -> str:
        return self.done("status", name)

    def end_of(self, name: str) -> str:
        until(lambda: ": ended" in self.status(name), f"{name} has ended", seconds=600)
        return self.status(name)

    def folder(self, name: str, **files: bytes | str) -> Path:
        """A folder to send; what begins with #! is a program."""
        place = self.lab.scratch / name
        place.mkdir()
        for file, content in files.items():
            path = place / file.replace("_dot_", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o755 if path.read_bytes().startswith(b"#!") else 0o644)
        return place


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with test_lab(["pages"], tmp_path_factory.mktemp("compute"), user="debian", groups={"pages": ("compute",)}) as lab:
        desk = Desk(lab)
        desk.machine.remove()
        key = kept_key(lab.estate.administrator_key).public
        desk.machine.make(cluster_image(engine()), user="debian", public_key=key)
        desk.machine.start()
        desk.machine.run("systemctl disable --now --quiet slurmctld slurmd munge slurm-node; rm -r /opt/kraken")
        lab.declare(LAB.format(compute=COMPUTE))
        lab.notes["planned"] = lab.dry("lab")
        lab.notes["ran"] = lab.apply("lab")
        yield desk


@pytest.fixture
def desk(deployed: Desk) -> Desk:
    ran = deployed.lab.notes["ran"]
    assert ran.status == 0, ran.output
    return deployed


def test_the_dry_run_said_what_the_run_did_and_a_second_one_does_nothing(desk: Desk) -> None:
    planned, ran = desk.lab.notes["planned"], desk.lab.notes["ran"]
    assert planned.status == 0 and planned.changes == ran.changes, planned.output
    assert {PLACE, "/opt/kraken/current", "jq"} <= ran.items
    again = desk.lab.apply("compute")
    assert (again.status, again.changes) == (0, [])
    assert desk.machine.run("find /opt/kraken ! -user root -o -perm /022 ! -type l").out == ""
    assert desk.machine.run("getent passwd compute").out.strip().endswith("/usr/sbin/nologin")


def test_an_image_goes_to_vips_and_comes_back_turned(desk: Desk) -> None:
    image = draw(desk.machine, {"page": TEXT})["page"]
    folder = desk.lab.scratch / "images"
    (folder / "Boîte n° 1").mkdir(parents=True)
    (folder / "Boîte n° 1" / "page (recto).png").write_bytes(image)
    assert "turn runs on pages, on 1 file" in desk.done(
        "run", "turn", folder, "--", "vips", "rot", "../data/Boîte n° 1/page (recto).png", "turned.png", "d90"
    )
    told = desk.end_of("turn")
    assert " well; results: 1 file, " in told and "not fetched" in told
    assert "never fetched" in desk.refused("drop", "turn", "--yes")
    out = desk.lab.scratch / "turned"
    assert "came whole from pages" in desk.done("fetch", "turn", out)
    turned = (out / "turned.png").read_bytes()
    assert struct.unpack(">II", turned[16:24]) == struct.unpack(">II", image[16:24])[::-1]
    there = desk.machine.run("sha256sum </srv/compute/turn/results/turned.png").out.split()[0]
    assert hashlib.sha256(turned).hexdigest() == there
    # A second time brings nothing, and nothing is ever put among other files.
    assert "already, whole" in desk.done("fetch", "turn", out)
    (out / "turned.png").write_bytes(turned + b"!")
    assert "has other files already" in desk.refused("fetch", "turn", out)
    assert ", fetched " in desk.done("drop", "turn", "--yes")
    assert desk.machine.run("ls -A /srv/compute").out == ""


def test_kraken_reads_a_page_with_the_declared_model(desk: Desk) -> None:
    pages = draw(desk.machine, {"one": TEXT[:2], "two": TEXT[2:]})
    folder = desk.folder("pages", one_dot_png=pages["one"], two_dot_png=pages["two"])
    words = f'ln -sf ../data/*.png . && kraken -I "*.png" -o .xml -a binarize segment -x ocr -m {PLACE}'
    desk.done("run", "read", folder, "--", "sh", "-c", words)
    assert "well" in (told := desk.end_of("read")), told
    desk.done("fetch", "read", out := desk.lab.scratch / "read")
    assert sorted(path.name for path in out.iterdir()) == ["one.xml", "two.xml"]
    read = "\n".join(text_of((out / f"{page}.xml").read_bytes()) for page in ("one", "two"))
    assert character_error(read, "\n".join(TEXT)) <= 0.05, read


def test_work_has_no_network_no_shell_and_writes_nothing_but_results(desk: Desk) -> None:
    folder = desk.folder("probe", probe_dot_py=PROBE)
    odd = ["$HOME", "$(id)", "%n %%", "a;b", "../data/*"]
    desk.done("run", "probe", folder, "--", "../data/probe.py", desk.machine.address, *odd)
    told = desk.end_of("probe")
    assert "well" in told and "| it was told" in told
    desk.done("fetch", "probe", desk.lab.scratch / "told")
    inside = json.loads((desk.lab.scratch / "told/told.json").read_text())
    assert inside["words"][1:] == odd
    assert inside["folder"] == "/srv/compute/probe/results" and inside["uid"] != 0
    assert inside["interfaces"] == ["lo"] and inside["connection"] != "done"
    assert inside["work"] == ["probe"]
    assert {inside[what] for what in ("data", "beside", "etc", "secret", "root")} <= {"PermissionError", "OSError"}
    assert inside["tmp"] == "done"
    assert desk.machine.run("stat -c %U:%a /srv/compute/probe/data/probe.py").out.strip() == "root:750"


def test_work_that_takes_too_much_memory_is_ended_and_not_the_machine(desk: Desk) -> None:
    desk.machine.run("systemctl start compute.slice && systemctl set-property --runtime compute.slice MemoryMax=200M")
    desk.done("run", "greedy", desk.folder("greedy", file="x"), "--", "python3", "-c", "x = b'x' * 10**9")
    assert "more memory than work gets" in desk.end_of("greedy")
    desk.machine.run("systemctl revert compute.slice")


def test_work_that_the_machine_went_down_under_was_interrupted_and_starts_again(desk: Desk) -> None:
    folder = desk.folder("slow", slow_dot_py=SLOW)
    desk.done("run", "slow", folder, "--", "python3", "../data/slow.py")
    assert "running since" in desk.status("slow")
    taken = desk.folder("other", file="x")
    assert "there is a slow already, running" in desk.refused("run", "slow", taken, "--", "true")
    for words in (("fetch", "slow", desk.lab.scratch / "early"), ("drop", "slow", "--yes", "--unfetched"), ("again", "slow")):
        assert "slow is running" in desk.refused(*words)
    until(lambda: desk.machine.run("cat /srv/compute/slow/results/starts", check=False).out == "x", "it has begun")
    desk.machine.reboot()
    assert "interrupted" in desk.status("slow")
    desk.done("again", "slow")
    until(lambda: desk.machine.run("cat /srv/compute/slow/results/starts").out == "xx", "it has begun again")
    desk.machine.kill()
    desk.machine.start()
    assert "interrupted" in desk.status("slow")
    desk.done("again", "slow")
    assert "with status 7" in desk.end_of("slow")


def test_a_folder_that_did_not_arrive_whole_leaves_nothing_and_can_be_sent_again(desk: Desk) -> None:
    folder = desk.folder("large")
    with (folder / "zeros").open("wb") as file:
        file.truncate(10**9)
    sending = subprocess.Popen(
        ["bin/compute", "run", "large", folder, "--", "true"], cwd=ROOT, env=desk.lab.variables(), start_new_session=True,
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: desk.machine.run("ls /srv/compute/.new-large/data/zeros", check=False).code == 0, "it is being sent")
    os.killpg(sending.pid, signal.SIGKILL)
    sending.wait()
    until(lambda: desk.machine.run("ls -d /srv/compute/.new-large", check=False).code != 0, "what came of it is gone")
    assert "large" not in desk.done("status")
    (folder / "zeros").write_bytes(b"0")
    desk.done("run", "large", folder, "--", "sha256sum", "../data/zeros")
    assert hashlib.sha256(b"0").hexdigest() in desk.end_of("large")


def test_what_cannot_be_done_is_said_and_nothing_is_begun(desk: Desk) -> None:
    folder = desk.folder("odd", file="x")
    assert "there is no program vipps on this machine" in desk.refused("run", "odd", folder, "--", "vipps", "x")
    assert "odd" not in desk.done("status")
    assert "is not executable" in desk.refused("run", "odd", folder, "--", "../data/file")
    assert "not started" in desk.status("odd")
    (folder / "link").symlink_to("/etc/passwd")
    assert "links are not sent" in desk.refused("run", "odd2", folder, "--", "true")
    desk.machine.run("ln -s /etc/shadow /srv/compute/large/results/shadow")
    brought = desk.compute("fetch", "large", desk.lab.scratch / "no-links")
    assert "Left out, being neither files nor folders: shadow" in brought.stderr
    assert list((desk.lab.scratch / "no-links").iterdir()) == []
    assert "There is nobody to ask" in desk.refused("drop", "odd")
    desk.done("drop", "odd", "--yes")
    assert not {"odd", ".gone-odd", "odd2"} & set(desk.machine.run("ls -A /srv/compute").out.split())


def test_damage_is_named_and_healed(desk: Desk) -> None:
    """Kraken's own files are looked at in tests/hpc: the same functions."""
    desk.machine.run(f"echo x >>{DROP_IN}; chmod 600 {PLACE}; ln -sfn /nowhere /opt/kraken/current")
    desk.machine.run("touch /opt/kraken/models/old.safetensors; echo '#' >>/usr/local/lib/recettes/compute/stream.py")
    planned = desk.lab.dry("compute")
    assert planned.items == {
        DROP_IN, PLACE, "/opt/kraken/current", "/opt/kraken/models/old.safetensors", "/usr/local/lib/recettes/compute/stream.py",
        "systemd",
    }  # fmt: skip
    ran = desk.lab.apply("compute")
    assert ran.status == 0 and ran.changes == planned.changes, ran.output
    assert desk.lab.dry("lab").changes == []


def test_computing_that_is_declared_no_more_goes_and_its_data_stays(desk: Desk) -> None:
    before = desk.machine.run("cd /srv/compute && find . -type f -exec sha256sum {} + | sort").out
    desk.lab.declare(LAB.format(compute=""))
    planned = desk.lab.dry("lab")
    ran = desk.lab.apply("lab")
    assert ran.status == 0 and ran.changes == planned.changes, ran.output
    assert desk.machine.run(f"ls -d /opt/kraken /usr/local/sbin/compute {DROP_IN}", check=False).out == ""
    assert before and desk.machine.run("cd /srv/compute && find . -type f -exec sha256sum {} + | sort").out == before
    assert "deploys/compute.py" in desk.refused("status")
    assert desk.lab.dry("lab").changes == []
