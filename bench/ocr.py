"""What the gate costs: against rsync, against nothing, and against jobs of one page each.

    .venv-test/bin/python -m bench.ocr [--rounds N] [--megabytes N] [--pages N]

On one cluster in a container, by way of its sshd with two stages, each pair in turn and in one run: pages sent by the submitter's
own code and by rsync; all of a batch of three pages but the queue and Kraken; `status` over the shared connection; as many pages
in one job and in as many jobs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from recettes.containers.cluster.settings import HOST, ROBOT_PORT, USER
from recettes.containers.waiting import until
from recettes.recipes import ROOT
from tests.harness import test_lab
from tests.hpc.account import digest
from tests.hpc.cluster.lab import Cluster, declare
from tests.hpc.cluster.pages import TEXT, draw
from tests.hpc.submitter import submitter_settings

sys.path.insert(0, str(ROOT / "programs/ocr"))
from submitter.gate import CIPHERS, Gate
from submitter.settings import read_settings
from submitter.stream import Outgoing

FILES = 50
BATCH_PAGES = 3
FLOOR_SECONDS = 1
ENDED = ("done", "partial", "failed", "killed")
# Recognises nothing, at once: what is left of a job is what we add to it.
AT_ONCE = ROOT / "tests/hpc/stand_in_kraken.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--pages", type=int, default=64)
    asked = parser.parse_args()
    if not shutil.which("rsync"):
        sys.exit("rsync is not installed on this computer: it is what we compare with")
    with tempfile.TemporaryDirectory() as scratch, test_lab([HOST], Path(scratch)) as lab:
        declare(lab)
        made = lab.apply("hpc")
        if made.status:
            sys.exit(made.output)
        cluster = Cluster(lab)
        upload(cluster, asked.rounds, asked.megabytes)
        status(cluster, asked.rounds)
        hand_over(cluster, asked.rounds)
        one_job(cluster, asked.pages)


def settings_of(cluster: Cluster) -> Path:
    """Of a submitter on this computer."""
    folder = cluster.lab.scratch / "submitter"
    folder.mkdir(exist_ok=True)
    cluster.ssh()  # writes known_hosts
    address = cluster.machine.address
    hosts = (cluster.lab.scratch / "known_hosts").read_text().replace(f"{HOST} ", f"[{address}]:{ROBOT_PORT} ")
    (folder / "known_hosts").write_text(hosts)
    settings = submitter_settings(folder, key=str(cluster.key))
    settings["clusters"] = {HOST: {"host": address, "user": USER, "port": ROBOT_PORT, "interactive": True}}
    (folder / "ocr.json").write_text(json.dumps(settings))
    return folder / "ocr.json"


def upload(cluster: Cluster, rounds: int, megabytes: int) -> None:
    """Both from nothing: connection, login, files, synced. rsync does not sync by itself, so it is told to."""
    folder = cluster.lab.scratch / "upload"
    folder.mkdir()
    files = []
    for number in range(FILES):
        path = folder / f"page-{number:02}.png"
        path.write_bytes(os.urandom(megabytes * 1_000_000 // FILES))
        files.append(Outgoing(path.name, path, path.stat().st_size, digest(path.read_bytes())))
    settings = read_settings(settings_of(cluster))
    own = f"ssh -F {cluster.lab.estate.ssh_config} -o {CIPHERS}"  # the same, so that it is the ways that are compared

    def ours() -> None:
        with Gate(settings.clusters[HOST], settings) as gate:
            gate.put("upload", files, len(files), lambda _: None)

    def rsync(*options: str) -> Callable[[], object]:
        command = ["rsync", "-a", *options, "-e", own, f"{folder}/", f"{HOST}:upload/"]
        return lambda: subprocess.run(command, check=True)

    ways = {"gate": ours, "rsync --fsync": rsync("--fsync"), "rsync": rsync()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way, act in sorted(ways.items(), reverse=number % 2 == 1):
            cluster.call("drop upload")
            cluster.as_user("rm -rf ~/upload; sync")
            seconds[way].append(timed(act))
    cluster.call("drop upload")
    cluster.as_user("rm -rf ~/upload")
    took = {way: statistics.median(values) for way, values in seconds.items()}
    print(f"{megabytes} MB in {FILES} files, {rounds} rounds, medians")
    for way, value in took.items():
        print(f"  {way:24} {value:7.2f} s   gate / this {took['gate'] / value:5.2f}", flush=True)


def status(cluster: Cluster, rounds: int) -> None:
    settings = read_settings(settings_of(cluster))
    cluster.put("asked", {"page.png": b"no image"})
    with Gate(settings.clusters[HOST], settings) as gate:
        gate.call("status", "asked")
        shared = statistics.median(timed(lambda: gate.call("status", "asked")) for _ in range(4 * rounds))
    alone = statistics.median(timed(lambda: cluster.status("asked")) for _ in range(rounds))
    python = statistics.median(timed(lambda: cluster.machine.run("python3 -ISB -c 0")) for _ in range(rounds))
    print(f"status, shared connection  {shared:7.3f} s   with a login of its own {alone:.3f} s   "
          f"an interpreter there that does nothing {python:.3f} s", flush=True)  # fmt: skip
    cluster.call("drop asked")


def hand_over(cluster: Cluster, rounds: int) -> None:
    """A batch from folder to results by a Kraken that answers at once: what is left without queue and Kraken.

    In one command that waits, less the seconds it slept, and in two.
    """
    program = f"{cluster.as_user('echo $HOME').strip()}/at-once/bin/kraken"
    cluster.as_user(f"mkdir -p $(dirname {program})")
    cluster.write(program, AT_ONCE.read_text(), "0755")
    settings, parts = settings_of(cluster), dict[str, list[float]]()
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "floor_seconds": FLOOR_SECONDS}))
    head = next(iter(draw(cluster.machine, {"a.png": TEXT}).values()))

    def folder() -> Path:
        made = Path(tempfile.mkdtemp(dir=cluster.lab.scratch))
        for page in range(BATCH_PAGES):
            (made / f"p{page}.png").write_bytes(head + f"{made.name} {page}".encode())
        return made

    def took(part: str, seconds: float) -> None:
        parts.setdefault(part, []).append(seconds)

    with cluster.settings(job={"kraken": program}):
        for _ in range(rounds):
            before = questions(cluster)
            watched = timed(partial(ocr, settings, "submit", folder(), "--model", "tiny-print", "--watch"))
            took("ocr submit --watch", watched - FLOOR_SECONDS * (questions(cluster) - before))
            took("ocr submit", timed(partial(ocr, settings, "submit", folder(), "--model", "tiny-print")))
            name = last_batch(cluster)
            until(partial(ended, cluster, [name]), "the job has ended", seconds=120)
            found = cluster.status(name)
            if found["done"] != BATCH_PAGES:
                sys.exit(str(found))
            took("the job, Kraken at once", found["seconds"])
            time.sleep(FLOOR_SECONDS)
            took("ocr fetch", timed(partial(ocr, settings, "fetch")))
    seconds = {part: statistics.median(values) for part, values in parts.items()}
    print(f"a batch of {BATCH_PAGES} pages, {rounds} rounds, medians")
    for part, value in seconds.items():
        print(f"  {part:24} {value:7.2f} s")
    watched = seconds.pop("ocr submit --watch") + seconds["the job, Kraken at once"]
    print(f"  all, in one command      {watched:7.2f} s   in two {sum(seconds.values()):.2f} s", flush=True)


def questions(cluster: Cluster) -> int:
    """How often the gate was asked how a batch goes. A submitter that watches sleeps before each time."""
    return len(re.findall(r" status ocr-\S+: ok", cluster.as_user("cat ~/ocr/spool/log")))


def last_batch(cluster: Cluster) -> str:
    batches = json.loads(cluster.call("status").out)["batches"]
    return str(max(batches, key=lambda batch: float(batch["made"]))["batch"])


def one_job(cluster: Cluster, count: int) -> None:
    """Both kinds use all the node's processors that Slurm gives: one a job."""
    pages = draw(cluster.machine, {f"p{number:03}.png": TEXT for number in range(count)})
    whole = recognise(cluster, {"one-job": pages})
    single = recognise(cluster, {f"single-{name[:-4]}": {name: image} for name, image in pages.items()})
    print(f"{count} pages in one job     {whole:7.1f} s\n{count} jobs of one page      {single:7.1f} s   "
          f"{single / whole:.2f} x", flush=True)  # fmt: skip


def recognise(cluster: Cluster, batches: dict[str, dict[str, bytes]]) -> float:
    """Seconds from the first job handed over to the last one's end."""
    for name, pages in batches.items():
        cluster.put(name, pages)
    started = time.perf_counter()
    for name in batches:
        cluster.submit(name)
    until(lambda: ended(cluster, list(batches)), "all jobs have ended", seconds=7200)
    taken = time.perf_counter() - started
    for name in batches:
        if cluster.status(name)["state"] != "done":
            sys.exit(str(cluster.status(name)))
        cluster.call(f"drop {name}")
    return taken


def ended(cluster: Cluster, names: Sequence[str]) -> bool:
    batches = json.loads(cluster.call("status").out)["batches"]
    return all(batch["state"] in ENDED for batch in batches if batch["batch"] in names)


def ocr(settings: Path, *words: object) -> None:
    command = [sys.executable, str(ROOT / "programs/ocr"), "--settings", str(settings), *map(str, words)]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: {ran.returncode}\n{ran.stdout}{ran.stderr}")


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
