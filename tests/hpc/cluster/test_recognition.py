"""Pages go in by the key and come back read: sshd in two stages, the gate, Slurm, Kraken."""

from __future__ import annotations

import json
import re

import pytest

from recettes.containers.cluster.settings import HOME
from recettes.containers.identity import Member, archive_of
from recettes.containers.waiting import until
from recettes.ocr.names import ACCOUNT, PROGRAM, SUBMITTER_SETTINGS
from recettes.recipes import ROOT
from tests.hpc.cluster.lab import Cluster
from tests.hpc.cluster.pages import TEXT, bomb, character_error, draw, file_name, text_of, text_of_page

PAGES = "/srv/pages"
STAND_IN = ROOT / "tests/hpc/stand_in_kraken.py"
ENDED = ("done", "partial", "failed", "killed", "cancelled")


def end_of(cluster: Cluster, batch: str, *, seconds: float = 300) -> str:
    until(lambda: cluster.status(batch)["state"] in ENDED, f"the job of {batch} has ended", seconds=seconds)
    return str(cluster.status(batch)["state"])


@pytest.fixture(scope="module")
def mixed(deployed: Cluster) -> dict[str, bytes]:
    """Good pages among bad ones; the second submit has followed the first."""
    good = draw(deployed.machine, {"good-1.png": TEXT, "good-2.png": TEXT[2:], "good-3.png": TEXT[:2]})
    bad = {
        "bomb.png": bomb(deployed.machine),
        "cut.png": good["good-1.png"][: len(good["good-1.png"]) // 2],
        "words.png": b"This is no image.\n",
    }
    deployed.put("mixed", {**good, **bad})
    deployed.submit("mixed")
    assert end_of(deployed, "mixed") == "partial", deployed.status("mixed")
    return deployed.results("mixed")


def test_drawn_pages_come_back_with_their_words(cluster: Cluster, mixed: dict[str, bytes]) -> None:
    read = text_of(mixed["good-1.png.alto.xml"])
    assert character_error(read, "\n".join(TEXT)) <= 0.05, read
    assert character_error(text_of(mixed["good-3.png.alto.xml"]), "\n".join(TEXT[:2])) <= 0.05


def test_a_result_names_the_page_it_is_of(cluster: Cluster, mixed: dict[str, bytes]) -> None:
    assert {name: file_name(alto) for name, alto in mixed.items()} == {
        f"good-{number}.png.alto.xml": f"good-{number}.png" for number in (1, 2, 3)
    }


def test_each_bad_page_is_named_with_its_reason_and_the_good_ones_are_not_held_up(
    cluster: Cluster, mixed: dict[str, bytes]
) -> None:
    batch = cluster.status("mixed")
    reasons = dict(batch["failures"])
    assert (batch["done"], batch["failed"], sorted(reasons)) == (3, 3, ["bomb.png", "cut.png", "words.png"])
    assert "pixels" in reasons["bomb.png"]
    assert "no PNG" in reasons["words.png"]
    assert reasons["cut.png"]


def test_kraken_could_see_nothing_of_the_account(cluster: Cluster, mixed: dict[str, bytes]) -> None:
    assert cluster.status("mixed")["contained"] in ("bwrap", "landlock")


def test_submitting_again_does_only_what_is_missing(cluster: Cluster, mixed: dict[str, bytes]) -> None:
    before = cluster.as_user("cd ~/ocr/spool/batches/mixed/results && sha256sum * && stat -c '%n %Y' *")
    answer = cluster.call("submit mixed tiny-print").json
    assert answer["attempt"] == 2 and answer["new"]
    assert end_of(cluster, "mixed") == "partial"
    assert cluster.as_user("cat ~/ocr/spool/batches/mixed/runs/2/list | grep -c png").strip() == "1"  # cut.png: it failed
    assert cluster.as_user("cd ~/ocr/spool/batches/mixed/results && sha256sum * && stat -c '%n %Y' *") == before


def test_many_pages_are_one_job(cluster: Cluster) -> None:
    pages = draw(cluster.machine, {f"page-{number:02}.png": TEXT[number % 4 :][:1] for number in range(24)})
    cluster.put("many", pages)
    job = cluster.submit("many")
    assert end_of(cluster, "many") == "done"
    assert cluster.status("many")["job"] == job
    results = cluster.results("many")
    assert len(results) == 24
    # Of one short line: one letter is 3 %.
    wrong = [name for name, alto in results.items() if character_error(text_of(alto), TEXT[int(name[5:7]) % 4]) > 0.1]
    assert wrong == []
    assert cluster.call("drop many").json["dropped"]


def test_a_large_batch_is_an_array_of_jobs(cluster: Cluster) -> None:
    """Slurm's own numbers and states of tasks. Kraken is a stand-in that answers at once."""
    kraken = f"{HOME}/stand-in/bin/kraken"
    cluster.as_user(f"mkdir -p {HOME}/stand-in/bin")
    cluster.write(kraken, STAND_IN.read_text(), "0755")
    image = draw(cluster.machine, {"a.png": TEXT[:1]})["a.png"]
    with cluster.settings(job={"kraken": kraken}, slurm={"pages_a_task": 2}):
        cluster.put("array", {f"p{number}.png": image for number in range(5)})
        job = cluster.submit("array")
        assert end_of(cluster, "array") == "done", cluster.status("array")
    exits = cluster.as_user("cd ~/ocr/spool/batches/array/runs/1 && cat *.exit")
    assert exits.count(f'"job": "{job}"') == 3 and sorted(re.findall(r'"done": (\d)', exits)) == ["1", "2", "2"]
    assert len(cluster.results("array")) == 5
    cluster.as_user(f"rm -r {HOME}/stand-in")
    cluster.call("drop array")


def test_the_submitter_brings_alto_and_page_beside_the_images(cluster: Cluster) -> None:
    """As a person types it, on the machine that deploys/ocr.py made."""
    images = cluster.lab.estate.machine("images")
    members = [Member(f"{PAGES}/{name}", image, 0o644) for name, image in draw(cluster.machine, {"Page 1.png": TEXT}).items()]
    images.container.put_archive("/", archive_of(members))
    settings = json.loads(images.run(f"cat {SUBMITTER_SETTINGS}").out)
    images.run(f"cat >/tmp/quick.json <<'END'\n{json.dumps({**settings, 'floor_seconds': 1})}\nEND\nchown -R {ACCOUNT}: {PAGES}")
    with cluster.settings(job={"formats": ["alto", "page"]}):
        said = images.run(
            f"cd /; runuser -u {ACCOUNT} -- {PROGRAM} --settings /tmp/quick.json submit {PAGES} --model tiny-print --watch --zip"
        )
    assert "1 of 1 pages" in said.out, said
    there = images.run(f"cd {PAGES} && ls").out.splitlines()
    assert {"Page 1.png", "Page 1.xml", "Page 1.page.xml"} < set(there) and any(name.endswith(".zip") for name in there)
    alto, page = (images.run(f"cat '{PAGES}/{name}'").out.encode() for name in ("Page 1.xml", "Page 1.page.xml"))
    assert character_error(text_of(alto), "\n".join(TEXT)) <= 0.05 and file_name(alto) == "Page 1.png"
    assert b'imageFilename="Page 1.png"' in page
    assert character_error(text_of_page(page), "\n".join(TEXT)) <= 0.05
