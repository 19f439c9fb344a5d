"""Kraken decodes images from strangers: what one that has been taken over can reach, and what a job does without containment."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from tests.hpc.account import records
from tests.hpc.images import png
from tests.hpc.test_pages import Cluster
from tests.programs import program

JOB = program("ocr-pages")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.parametrize("means", ["best", "bwrap", "landlock"])
def test_contained_kraken_sees_nothing_of_the_account(cluster: Cluster, means: str) -> None:
    cluster.set(job={"contain": means})
    key = cluster.home / "id_ed25519"
    key.write_text("secret")
    status = cluster.run({"p1.png": png(do=f"peek {cluster.folder}/ocr-gate.json"), "p2.png": png(do=f"peek {key}")})
    if status["contained"] in ("", "none"):
        pytest.skip(f"{means} cannot be had on this machine")
    assert status["state"] == "done"
    assert all(b"hidden:" in result for result in records(cluster.call("fetch abc").out).values())


@pytest.mark.parametrize("means", ["bwrap", "landlock"])
def test_a_kraken_below_the_gates_folder_can_be_contained_too(cluster: Cluster, means: str) -> None:
    (cluster.home / "kraken").rename(cluster.folder / "kraken")
    cluster.set(job={"contain": means, "kraken": str(cluster.folder / "kraken/bin/kraken")})
    status = cluster.run({"p1.png": png(do=f"peek {cluster.folder}/ocr-gate.json")})
    if means == "bwrap" and (
        not shutil.which("bwrap") or subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False).returncode
    ):
        pytest.skip("there is no bubblewrap that works on this machine")
    if means == "landlock" and not status["contained"]:
        pytest.skip("this kernel has no Landlock")
    assert (status["state"], status["contained"]) == ("done", means)
    assert b"hidden:" in records(cluster.call("fetch abc").out)["p1.png.alto.xml"]


@pytest.mark.parametrize(("left", "kept"), [("", True), ("ocr-gate.json", False)])
def test_a_containment_is_kept_when_the_gates_folder_is_empty_in_it_and_only_then(tmp_path: Path, left: str, kept: bool) -> None:
    """As bubblewrap shows a folder below which Kraken lies."""
    cluster = Cluster(tmp_path)
    work = JOB.Work(cluster.settings["job"] | {"contain": "best"})
    try:
        Path(work.model).write_bytes(b"model")
        shown = tmp_path / "shown"
        shown.mkdir()
        if left:
            (shown / left).write_text("{}")
        over = f'mount --bind {shown} {cluster.folder} && exec "$@"'
        work.ways = lambda: [("bwrap", ["unshare", "--mount", "sh", "-c", over, "sh"], False)]
        if work.start(work.ways()[0], ["true"]).wait(20):
            pytest.skip("an other view of a folder needs root and leave to mount")
        assert bool(work.strictest(str(cluster.folder))) is kept
    finally:
        shutil.rmtree(work.path)


def test_a_containment_that_was_asked_for_and_cannot_be_had_stops_the_job(cluster: Cluster) -> None:
    (cluster.home / "apptainer").write_text("#!/bin/sh\nexit 1\n")
    (cluster.home / "apptainer").chmod(0o755)
    cluster.set(job={"contain": "apptainer", "apptainer": str(cluster.home / "apptainer"), "image": "/nonexistent.sif"})
    status = cluster.run({"p1.png": png()})
    assert (status["state"], status["why"]) == ("killed", "Kraken cannot be contained by apptainer on this node")


# What each does to something of the account's that is no business of the job's.
WAYS_OUT = {
    "connects to a socket": "import socket; socket.socket(socket.AF_UNIX).connect({socket!r})",
    "connects to a port": "import socket; socket.socket().connect(('127.0.0.1', {port}))",
    "signals a process": "import os; os.kill({process}, 0)",
    "limits a process": "import resource; resource.prlimit({process}, resource.RLIMIT_CPU, (99, 99))",
    "reads shared memory": "open('/dev/shm/{memory}', 'rb').read()",
    "opens a file to others": "import os; os.chmod({file!r}, 0o777)",
}


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[dict[str, object]]:
    place = str(tmp_path / "socket")
    memory, process = SharedMemory(create=True, size=10), subprocess.Popen(["sleep", "60"])
    try:
        with socket.socket(socket.AF_UNIX) as local, socket.create_server(("127.0.0.1", 0)) as port:
            local.bind(place)
            local.listen()
            names = {"socket": place, "port": port.getsockname()[1], "process": process.pid, "memory": memory.name, "file": place}
            yield names
    finally:
        process.kill()
        process.wait()
        memory.close()
        memory.unlink()


@pytest.mark.parametrize("deed", WAYS_OUT)
def test_a_kraken_held_by_landlock_does_nothing_to_the_rest_of_the_account(
    cluster: Cluster, victims: dict[str, object], deed: str
) -> None:
    if deed == "signals a process" and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 12):
        pytest.skip("this kernel's Landlock does not hold signals")
    work = JOB.Work(cluster.settings["job"])
    command = ["/usr/bin/python3", "-c", WAYS_OUT[deed].format(**victims)]
    try:
        assert work.start(("none", [], False), command).wait(20) == 0
        try:
            held = work.start(("landlock", [], True), command, stderr=subprocess.PIPE)
        except subprocess.SubprocessError:
            pytest.skip("this kernel has no Landlock")
        assert b"PermissionError" in held.communicate(timeout=20)[1] and held.returncode == 1
    finally:
        shutil.rmtree(work.path)


# Says what it was called with; cannot cut off the network, as where accounts may not; shows nothing but what it is given.
APPTAINER = """#!/bin/sh
echo "$@" >>{log}
case " $* " in *" --net "*) exit 1 ;; *" /bin/sh "*) exit 0 ;; esac
while [ "$1" != /kraken.sif ]; do shift; done
shift
exec "$@"
"""


def test_apptainer_shows_only_the_batch_and_gets_krakens_words(cluster: Cluster) -> None:
    apptainer, log = cluster.home / "apptainer", cluster.home / "words"
    apptainer.write_text(APPTAINER.format(log=log))
    apptainer.chmod(0o755)
    image = {"apptainer": str(apptainer), "image": "/kraken.sif", "contain": "apptainer"}
    cluster.set(job=image | {"segmenter": "baselines", "device": "cuda:0"})
    status = cluster.run({"p1.png": png()})
    assert (status["state"], status["contained"]) == ("done", "apptainer with the node's network")
    cut_off, tried, ran = (line.split() for line in log.read_text().splitlines())
    place = str(Path(ran[ran.index("--pwd") + 1]).parent)
    options = f"""exec --containall --no-home --pwd {place}/out --bind {place}/in:{place}/in:ro --bind {place}/out:{place}/out
        --bind {place}/tmp:{place}/tmp --env COLUMNS=1000 --env HOME={place}/tmp --env LC_ALL=C.UTF-8 --env OMP_NUM_THREADS=1
        --env TERM=dumb --env TMPDIR={place}/tmp --nv /kraken.sif""".split()
    kraken = f"""{cluster.settings["job"]["kraken"]} -a -d cuda:0 --threads 1 -i {place}/in/0000.png {place}/out/0000.xml
        segment -bl ocr -m {place}/in/model.safetensors""".split()
    assert ran == options + kraken
    assert tried[: len(options)] == options
    assert [word for word in cut_off if word not in ("--net", "--network", "none")] == tried
