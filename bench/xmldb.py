"""What an edition costs behind the front, how fast its databases are loaded, and what a run costs that finds all as wanted.

    .venv-test/bin/python -m bench.xmldb [--rounds N] [--megabytes N] [--only PART]

On one machine with the sample edition, made for it, each pair in turn and in one run: a RESTXQ page through nginx with TLS and
from Jetty itself; TEI loaded by the recipe and by a person who types CREATE DB; a run without changes, and the state read by
hand. Besides: a cold start to the first answer, and the server's memory while eight clients ask.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from recettes.containers.machine import Machine
from recettes.recipes import ROOT
from recettes.xmldb.names import BASEX, JAVA, PORT, SOURCES, STAGING
from tests.containers.xmldb.conftest import declare_edition
from tests.harness import TestLab, test_lab

HOST = "letters.lab.test"
# Quickly made, so that what the front adds shows.
PAGE = "api/letters/1861-06-09"
SECONDS = 6
CLIENTS = 8
LOADED = """
from recettes.declarations.lab import Project
from recettes.declarations.sources import Folder
from recettes.declarations.xmldb import XmlDatabase
corpus = Project(name="corpus", title="Much", answers="Ada", xml_databases=(
    XmlDatabase(name="corpus", source=Folder(path={folder!r}), diacritics={diacritics}),
))
"""
SERVER = 'heap="512m"'
PARTS = ("start", "front", "unchanged", "load")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--only", choices=PARTS, help="one part")
    asked = parser.parse_args()
    parts = PARTS if asked.only is None else (asked.only,)
    with (
        tempfile.TemporaryDirectory() as scratch,
        test_lab(["web"], Path(scratch), groups={"web": ("web", "xmldb")}) as lab,
    ):
        declare_edition(lab, SERVER)
        run(lab)
        lab.web.run(f"grep -q {HOST} /etc/hosts || echo 127.0.0.1 {HOST} >>/etc/hosts")
        if "start" in parts:
            cold_start(lab.web, asked.rounds)
        if "front" in parts:
            lab.web.run("apt-get -qq install -y --no-install-recommends wrk >/dev/null 2>&1")
            front(lab.web, asked.rounds)
        run(lab)  # takes back what was added to /etc/hosts
        if "unchanged" in parts:
            unchanged(lab, asked.rounds)
        if "load" in parts:
            load(lab, asked.megabytes)


def front(machine: Machine, rounds: int) -> None:
    """Both are asked from the machine itself, so that only nginx and TLS are between."""
    urls = {"jetty": f"http://{machine.address}:{PORT}/run/letters/letters/{PAGE}", "front": f"https://{HOST}/{PAGE}"}
    single: dict[str, list[float]] = {way: [] for way in urls}
    many: dict[str, list[float]] = {way: [] for way in urls}
    memory = 0
    for url in (*urls.values(), *urls.values()):
        wrk(machine, url, CLIENTS)  # Java compiles what it runs often
    for number in range(rounds):
        for way, url in sorted(urls.items(), reverse=number % 2 == 1):
            single[way].append(1000 / wrk(machine, url, 1))
            many[way].append(wrk(machine, url, CLIENTS))
            memory = max(memory, show(machine, "MemoryCurrent"))
    took = {way: statistics.median(values) for way, values in single.items()}
    answered = {way: statistics.median(values) for way, values in many.items()}
    print(f"one page (/{PAGE}), keep-alive, {rounds} rounds, medians")
    for way in urls:
        print(f"  {way:24} {took[way]:7.2f} ms, one client     {answered[way]:7.0f} a second, {CLIENTS} clients")
    print(f"  front / jetty            {took['front'] / took['jetty']:7.2f} x time             "
          f"{answered['front'] / answered['jetty']:7.2f} x throughput")  # fmt: skip
    limit = show(machine, "MemoryMax")
    print(
        f"  memory with {CLIENTS} clients     {memory >> 20:4} MB at most, {memory / limit:.2f} x what the unit may have",
        flush=True,
    )


def wrk(machine: Machine, url: str, clients: int) -> float:
    """Answers a second. By HTTP/1.1: with 1.0 Jetty closes the connection after an answer whose length it does not know."""
    said = machine.run(f"wrk -t 1 -c {clients} -d {SECONDS}s '{url}'").out
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if not rate or "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{url} was not answered well:\n{said}")
    return float(rate[1])


def show(machine: Machine, key: str) -> int:
    return int(machine.run(f"systemctl show -P {key} basex.service").out)


def cold_start(machine: Machine, rounds: int) -> None:
    taken = []
    for _ in range(rounds):
        machine.run("systemctl stop basex")
        started = time.perf_counter()
        machine.run(f"systemctl start --no-block basex; until curl -skf -o /dev/null https://{HOST}/; do sleep 0.05; done")
        taken.append(time.perf_counter() - started)
    print(f"cold start to the first page {statistics.median(taken):4.1f} s, {rounds} rounds, median", flush=True)


def unchanged(lab: TestLab, rounds: int) -> None:
    """A run that finds all as wanted, against one exec that looks at the same things and knows exactly where."""
    by_hand = """set -e
dpkg-query -W >/dev/null
find /etc/recettes /usr/local/lib/recettes /srv/basex/apps -type f -exec sha256sum {} + >/dev/null
getent passwd basex www-data >/dev/null
nft list ruleset >/dev/null
systemctl is-active --quiet nginx basex recettes-firewall
for name in letters-en letters-fr; do echo "count(db:get('$name'))" | /usr/local/lib/recettes/xmldb query; done
"""
    python = ROOT / ".venv" / "bin" / "python"
    ways: dict[str, Callable[[], object]] = {
        "by hand": lambda: subprocess.run(
            ["ssh", "-F", lab.estate.ssh_config, "web", "sh", "-s"], input=by_hand, text=True, check=True, capture_output=True
        ),
        "import pyinfra": lambda: subprocess.run([python, "-c", "import pyinfra_cli.main"], check=True),
        "run": lambda: run(lab, unchanged=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, act in ways.items():
            seconds[way].append(timed(act))
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    print(f"a run without changes, {rounds} rounds, medians")
    for way, taken in median.items():
        print(f"  {way:24} {taken:7.2f} s")
    print(f"  run less import / hand   {(median['run'] - median['import pyinfra']) / median['by hand']:7.2f} x", flush=True)


def load(lab: TestLab, megabytes: int) -> None:
    """The files are there already: another option makes the recipe build the database anew, and nothing else."""
    folder = lab.scratch / "corpus"
    write_corpus(folder, megabytes)

    def declared(diacritics: bool) -> None:
        declare_edition(lab, SERVER, corpus=LOADED.format(folder=str(folder), diacritics=diacritics))
        run(lab)

    declared(False)
    ways: dict[str, list[Callable[[], object]]] = {
        "nothing": [partial(declared, diacritics) for diacritics in (False, True, False)],
        "hand": [partial(create_by_hand, lab.web, diacritics) for diacritics in (True, False, True)],
        "recipe": [partial(declared, diacritics) for diacritics in (True, False, True)],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    # In each round a run first finds all as it was left, then somebody types, then a run builds.
    for acts in zip(*ways.values(), strict=True):
        for way, act in zip(ways, acts, strict=True):
            seconds[way].append(timed(act))
    hand, recipe = min(seconds["hand"]), min(seconds["recipe"]) - min(seconds["nothing"])
    print(f"{megabytes} MB of TEI with full-text index, 3 rounds, shortest: other work on the computer only adds")
    print(f"  CREATE DB by hand        {hand:7.2f} s")
    print(
        f"  recipe                   {recipe:7.2f} s   {recipe / hand:.2f} x (a run that builds, less one that does not)",
        flush=True,
    )


def create_by_hand(machine: Machine, diacritics: bool) -> None:
    """As a person would who is logged in, and has stopped nothing: with the same options, and as much memory."""
    place = f"{STAGING}/by-hand"
    options = {"FTINDEX": "true", "STEMMING": "true", "LANGUAGE": "en", "DIACRITICS": str(diacritics).lower()}
    commands = [*(f"SET {name} {value}" for name, value in options.items()), f"CREATE DB corpus {SOURCES}/corpus/current"]
    words = " ".join(f"-c '{command}'" for command in commands)
    said = machine.run(f"""set -e
install -d -o basex -g basex {place} {place}/data
cd {place}
heap=$(($(getconf _PHYS_PAGES) * $(getconf PAGE_SIZE) / 4194304))
runuser -u basex -- {JAVA} -Xmx${{heap}}m -cp '{BASEX}/lib/*' -Dorg.basex.path={place} -Dorg.basex.dbpath={place}/data \\
    org.basex.BaseX {words} -c 'XQUERY count(db:get("corpus"))'
rm -rf {place}""").out
    if not int(said):
        sys.exit("nothing was loaded by hand")


def write_corpus(folder: Path, megabytes: int) -> None:
    """A volume a megabyte, of the sample's letters over and over, each of them a little different."""
    bodies = [
        re.sub(r' xml:id="[^"]*"', "", file.read_text(encoding="utf-8").partition("<body>")[2].partition("</body>")[0])
        for file in sorted((ROOT / "samples" / "letters" / "en").iterdir())
    ]
    folder.mkdir()
    for volume in range(megabytes):
        with (folder / f"volume-{volume:04}.xml").open("w", encoding="utf-8") as file:
            file.write('<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>Volume '
                       f"{volume}</title></titleStmt></fileDesc></teiHeader><text><body>\n")  # fmt: skip
            number = 0
            while file.tell() < 1 << 20:
                file.write(bodies[number % len(bodies)].replace("</p>", f" {volume * 977 + number}th</p>", 1))
                number += 1
            file.write("</body></text></TEI>\n")


def run(lab: TestLab, *, unchanged: bool = False) -> None:
    done = lab.apply("lab")
    if done.status or (unchanged and done.changes):
        sys.exit(done.output)


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
