"""What goes wrong, and what an administrator then reads: the machine concerned is left as it was, the others are completed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.conftest import declare_first_sites
from tests.harness import Run, TestLab, test_lab

NEIGHBOUR = """
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx
    mkdir /srv/neighbour && echo 'the neighbour' >/srv/neighbour/index.html
    echo 'server { listen 80; server_name neighbour.test; root /srv/neighbour; }' >/etc/nginx/sites-available/neighbour
    ln -s ../sites-available/neighbour /etc/nginx/sites-enabled/
    systemctl reload-or-restart nginx
"""


@pytest.fixture(scope="module")
def first_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Two bare machines, reached as debian by sudo. First web has a neighbour: it is refused, and apps made. Then it is bare."""
    with test_lab(["web", "apps"], tmp_path_factory.mktemp("pair"), user="debian") as lab:
        declare_first_sites(lab)
        bare = lab.web.snapshot("bare")
        lab.web.run(NEIGHBOUR)
        lab.notes["before"] = state_of(lab.web)
        lab.notes["crowded"] = [lab.dry("lab"), lab.apply("lab")]
        lab.notes["after"] = state_of(lab.web)
        lab.notes["neighbour"] = lab.curl("http://neighbour.test/").stdout
        lab.web.remake(bare)
        lab.notes["planned"], lab.notes["ran"], lab.notes["again"] = lab.dry("lab"), lab.apply("lab"), lab.apply("lab")
        yield lab


@pytest.fixture
def untouched(first_runs: TestLab) -> TestLab:
    """The two machines, converged, for what changes nothing on them."""
    assert first_runs.notes["again"].status == 0, first_runs.notes["again"].output
    declare_first_sites(first_runs)
    return first_runs


@pytest.fixture
def pair(untouched: TestLab) -> Iterator[TestLab]:
    """The two machines, converged; the next run must converge them again, whatever was done to them meanwhile."""
    yield untouched
    declare_first_sites(untouched)
    healed = untouched.apply("lab")
    assert healed.status == 0, healed.output
    assert zone(untouched.estate.machine("apps")) == zone(untouched.web) == "America/Montreal"


def state_of(machine: Machine) -> str:
    """A digest of what a run could change: configuration, packages, sites."""
    return machine.run(
        # The two that are left out are the container engine's.
        "{ find /etc /srv /var/lib/recettes -type f ! -path /etc/hosts ! -path /etc/resolv.conf -exec sha256sum {} +\n"
        "dpkg-query -W; } | sort | sha256sum"
    ).out


def zone(machine: Machine) -> str:
    return machine.run("readlink /etc/localtime").out.strip().removeprefix("/usr/share/zoneinfo/")


def move_to_paris(lab: TestLab) -> None:
    """One edited line that concerns every machine."""
    declaration = lab.group_data / "lab.py"
    declaration.write_text(declaration.read_text().replace("America/Montreal", "Europe/Paris"))


def only_web_was_changed(lab: TestLab, run: Run, *, before: str) -> None:
    assert run.status != 0, run.output
    assert "Traceback" not in run.output
    assert {machine for machine, *_ in run.changes} == {"web"}
    assert zone(lab.web) == "Europe/Paris"
    assert zone(lab.estate.machine("apps")) == "America/Montreal"
    assert state_of(lab.estate.machine("apps")) == before


def test_a_web_server_s_neighbour_is_named_left_alone_and_answers_on(first_runs: TestLab) -> None:
    for run in first_runs.notes["crowded"]:
        assert "/etc/nginx/sites-enabled/neighbour; they would stop answering" in run.output, run.output
        assert "sites-enabled/default" not in run.output
        assert "group_data/projects" in run.output
        assert {machine for machine, *_ in run.changes} == {"apps"}
    assert first_runs.notes["crowded"][1].status != 0
    assert first_runs.notes["before"] == first_runs.notes["after"]
    assert first_runs.notes["neighbour"] == "the neighbour\n"


def test_by_sudo_a_bare_machine_is_made_as_it_was_planned_and_a_second_run_changes_nothing(first_runs: TestLab) -> None:
    planned, ran, again = (first_runs.notes[name] for name in ("planned", "ran", "again"))
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert len([change for change in planned.changes if change[0] == "web"]) > 50
    assert (again.status, again.changes) == (0, []), again.output
    assert "Bienvenue" in first_runs.curl("https://lab.test/").stdout


def test_a_machine_that_cannot_be_reached_is_named_and_the_other_is_completed(pair: TestLab) -> None:
    apps = pair.estate.machine("apps")
    before = state_of(apps)
    move_to_paris(pair)
    apps.disconnect()
    try:
        plan = pair.command("bin/plan", "lab")
        run = pair.apply("lab")
    finally:
        apps.reconnect()
        apps.wait_ssh()
    assert plan.returncode == 1
    assert "apps\n  could not be read" in plan.stdout
    assert "[apps] Could not connect" in plan.stderr
    only_web_was_changed(pair, run, before=before)
    assert "[apps] Could not connect" in run.output


def test_a_machine_with_another_host_key_gets_nothing_and_the_other_is_completed(pair: TestLab) -> None:
    apps = pair.estate.machine("apps")
    before = state_of(apps)
    move_to_paris(pair)
    logins = "journalctl -q --no-pager -t sshd-session -t sshd | grep -c Accepted || :"
    counted = apps.run(logins).out
    known = pair.estate.known_hosts
    kept = known.read_text()
    # The same to the controller as another machine at this address: the key it has is not the one that is known.
    swapped = {pair.web.address: apps.address, apps.address: pair.web.address}
    lines = [line.split(" ", 1) for line in kept.splitlines()]
    of_web = [rest for hosts, rest in lines if pair.web.address in hosts]
    known.write_text("".join(f"{hosts} {rest}\n" for hosts, rest in lines if apps.address not in hosts))
    with known.open("a") as stream:
        stream.write("".join(f"{swapped[pair.web.address]} {rest}\n" for rest in of_web))
    try:
        as_in_the_readme, run = pair.pyinfra("deploys/lab.py", "--dry", "--diff"), pair.apply("lab")
    finally:
        known.write_text(kept)
    assert as_in_the_readme.status == 1
    assert {machine for machine, *_ in as_in_the_readme.changes} == {"web"}, "nobody sits there to be asked"
    only_web_was_changed(pair, run, before=before)
    assert f"[apps] SSH host key error (Host key for {apps.address} does not match.)" in run.output
    assert apps.run(logins).out == counted


BROKEN_ANSWERS = {
    "failing": "echo 'database is damaged' >&2; exit 2",
    "empty": "exit 0",
    # The shell that reads the machine, and the one that it has started for this part.
    "cut off": "/usr/bin/dpkg-query.real \"$@\" | head -c 2000\nkill -9 $(awk '/^PPid:/ { print $2 }' /proc/$PPID/status) $PPID",
}


@pytest.mark.parametrize("how", BROKEN_ANSWERS)
def test_a_machine_whose_answer_is_not_whole_is_not_changed_and_the_other_is_completed(pair: TestLab, how: str) -> None:
    apps = pair.estate.machine("apps")
    move_to_paris(pair)
    before = state_of(apps)
    apps.run(
        "mv /usr/bin/dpkg-query /usr/bin/dpkg-query.real\n"
        f"cat >/usr/bin/dpkg-query <<'END'\n#!/bin/sh\n{BROKEN_ANSWERS[how]}\nEND\nchmod 755 /usr/bin/dpkg-query"
    )
    try:
        plan, run = pair.command("bin/plan", "lab"), pair.apply("lab")
    finally:
        apps.run("mv /usr/bin/dpkg-query.real /usr/bin/dpkg-query")
    assert plan.returncode == 1
    only_web_was_changed(pair, run, before=before)
    said = {"failing": "database is damaged", "empty": "dpkg did not answer", "cut off": "the machine's answer was cut off"}[how]
    for output in (plan.stdout, run.output):
        assert said in output
        assert "refused: " in output


@pytest.mark.parametrize(
    ("damage", "repair", "said"),
    [
        (
            "cp /usr/lib/os-release /root/kept; sed -i 's/trixie/bookworm/; s/13/12/' /usr/lib/os-release",
            "mv /root/kept /usr/lib/os-release",
            "this machine runs Debian GNU/Linux 12 (bookworm), and these recipes are for Debian trixie only",
        ),
        (
            "mkdir /root/kept; grep -l debian /etc/sudoers.d/* | xargs -I FILE mv FILE /root/kept/",
            "mv /root/kept/* /etc/sudoers.d/; rmdir /root/kept",
            "debian cannot become root by sudo without a password",
        ),
    ],
    ids=["another release", "no sudo"],
)
def test_a_machine_that_may_not_be_changed_is_refused_and_the_other_is_completed(
    pair: TestLab, damage: str, repair: str, said: str
) -> None:
    apps = pair.estate.machine("apps")
    move_to_paris(pair)
    apps.run(damage)
    before = state_of(apps)
    try:
        plan, run = pair.command("bin/plan", "lab"), pair.apply("lab")
        after = state_of(apps)
    finally:
        apps.run(repair)
    only_web_was_changed(pair, run, before=state_of(apps))
    assert before == after
    assert plan.returncode == 1
    assert said in plan.stdout
    assert said in run.output
    assert "Nothing was changed on this machine" in run.output


def test_a_plan_for_programs_is_json_with_every_change_and_a_deploy_that_is_not_there_is_refused(untouched: TestLab) -> None:
    move_to_paris(untouched)
    plan = untouched.command("bin/plan", "lab", "--json")
    content = json.loads(plan.stdout)
    assert plan.returncode == 2
    assert {change["machine"] for change in content["changes"]} == {"web", "apps"}
    assert "/etc/localtime" in {change["item"] for change in content["changes"]}
    assert (content["refusals"], content["unread"], content["complete"]) == ([], [], True)
    unknown = untouched.command("bin/plan", "printers")
    assert unknown.returncode == 1
    assert "there is no deploys/printers.py; there are base, " in unknown.stderr
    mistyped = untouched.command("bin/plan", "--limit", "wbe")
    assert mistyped.returncode == 1
    assert "there is no machine wbe; there are apps, web" in mistyped.stderr


def _git_repository(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    words = ["-c", "user.name=a", "-c", "user.email=a@lab.test"]
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run(["git", "-C", folder, *words, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return f"file://{folder}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Folder(path='{scratch}/nowhere')", ["there is no folder", "/nowhere", "second.py"]),
        ("Archive(path='{scratch}/nowhere.zip', sha256='{zeros}')", ["there is no file", "/nowhere.zip", "second.py"]),
        ("Archive(path='{scratch}/site.tar', sha256='{zeros}')", ["site letters", "site.tar", "0" * 64]),
        ("Git(url='{git}', ref='no-such-branch')", ["site letters", "no branch or tag 'no-such-branch'", "there are main"]),
    ],
    ids=["missing folder", "missing archive", "wrong checksum", "unknown ref"],
)
def test_contents_that_cannot_be_had_are_named_before_anything_is_changed(
    untouched: TestLab, source: str, said: list[str]
) -> None:
    (untouched.scratch / "site.tar").write_bytes(bytes(10240))
    given = {"scratch": untouched.scratch, "zeros": "0" * 64, "git": _git_repository(untouched.scratch / "letters.git")}
    (untouched.group_data / "projects" / "second.py").write_text(
        "from recettes.declarations.lab import Project\n"
        "from recettes.declarations.sites import StaticSite\n"
        "from recettes.declarations.sources import Archive, Folder, Git\n"
        "second = Project(name='second', title='Letters', answers='Ada', sites=(\n"
        f"    StaticSite(name='letters', host='letters.lab.test', source={source.format(**given)}),\n))\n"
    )
    before = state_of(untouched.web)
    plan, run = untouched.command("bin/plan", "web"), untouched.apply("web")
    assert plan.returncode == 1
    assert run.status != 0
    assert run.changes == []
    assert "Traceback" not in run.output
    for words in said:
        assert words in run.output
        assert words in plan.stdout + plan.stderr
    assert state_of(untouched.web) == before


@pytest.mark.parametrize("folder", ["/etc/recettes", "/srv/www"])
def test_a_full_disk_leaves_nothing_half_written_and_the_sites_serve_on(lab: TestLab, folder: str) -> None:
    project = lab.group_data / "projects" / "first.py"
    project.write_text(project.read_text().replace('to="https://lab.test/"', 'to="https://lab.test/new"'))
    (lab.scratch / "home" / "index.html").write_text("<h1>Welcome</h1>" + "x" * 200_000)
    with lab.web.full_disk(folder):
        before = lab.web.run(f"find {folder} -type f ! -name .brim | sort | xargs sha256sum").out
        run = lab.apply()
        after = lab.web.run(f"find {folder} -type f ! -name .brim | sort | xargs sha256sum").out
        answer = lab.curl("https://lab.test/").stdout
        redirect = lab.curl("https://old.lab.test/", "-o", "/dev/null", "-w", "%{redirect_url}").stdout
    assert run.status != 0
    assert "No space left on device" in run.output
    assert "Traceback" not in run.output
    assert before == after
    assert ("Bienvenue" in answer) == (folder == "/srv/www")
    assert redirect == "https://lab.test/"
    healed = lab.apply()
    assert healed.status == 0, healed.output
    redirect_now = ("https://old.lab.test/", "-o", "/dev/null", "-w", "%{redirect_url}")
    until(lambda: lab.curl(*redirect_now).stdout == "https://lab.test/new", "nginx redirects anew")
    assert "Welcome" in lab.curl("https://lab.test/").stdout
    assert lab.dry().changes == []


def test_without_the_mirror_apt_s_words_are_shown_and_nothing_is_broken(lab: TestLab) -> None:
    project = lab.group_data / "projects" / "first.py"
    project.write_text(project.read_text().replace("uploads=", "extensions=('mbstring', 'xml', 'bz2'), uploads="))
    (lab.scratch / "book" / "index.php").write_text("<?php echo extension_loaded('bz2') ? 'squeezes' : 'does not';\n")
    nowhere = "/etc/apt/apt.conf.d/zz-nowhere"
    lab.web.run(f"""echo 'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::https::Proxy "http://127.0.0.1:9";' >{nowhere}""")
    before = state_of(lab.web)
    run = lab.apply()
    assert run.status != 0
    assert "The packages could not be fetched; nothing was installed. apt said:" in run.output
    assert "127.0.0.1" in run.output
    assert state_of(lab.web) == before
    assert lab.curl("https://book.lab.test/").stdout == "sum 42"
    lab.web.run(f"rm {nowhere}")
    healed = lab.apply()
    assert healed.status == 0, healed.output
    until(lambda: lab.curl("https://book.lab.test/").stdout == "squeezes", "PHP has the extension")
    assert lab.dry().changes == []
