"""The web machine as an administrator and its visitors see it: planned exactly, made, kept, healed."""

from __future__ import annotations

import json
import random
import subprocess
import time
from typing import Any

import testinfra

from recettes.containers.waiting import until
from tests.containers.conftest import LAB, declare_first_sites
from tests.harness import PYINFRA, ROOT, TestLab


def test_the_plan_on_a_bare_machine_is_exactly_what_the_first_run_does(first_run: TestLab) -> None:
    planned, ran = first_run.notes["planned"], first_run.notes["ran"]
    assert ran.status == 0, ran.output
    assert [record.change for record in planned.records] == [record.change for record in ran.records]
    assert len(planned.changes) > 50


def test_a_second_run_changes_nothing_and_bin_plan_says_so(lab: TestLab) -> None:
    again = lab.apply()
    assert again.status == 0, again.output
    assert again.changes == []
    plan = lab.command("bin/plan", "web")
    assert (plan.returncode, plan.stdout.strip()) == (0, "0 changes on 0 machines")


def test_every_kind_of_site_answers_over_https(lab: TestLab) -> None:
    assert "Bienvenue" in lab.curl("https://lab.test/").stdout
    assert lab.curl("https://book.lab.test/").stdout == "sum 42"
    assert (
        lab.curl("https://old.lab.test/x", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}").stdout
        == "301 https://lab.test/"
    )
    assert lab.curl("https://www.lab.test/a?b", "-o", "/dev/null", "-w", "%{redirect_url}").stdout == "https://lab.test/a?b"
    assert lab.curl("http://lab.test/a?b", "-o", "/dev/null", "-w", "%{redirect_url}").stdout == "https://lab.test/a?b"
    assert lab.curl("https://status.lab.test/", "-o", "/dev/null", "-w", "%{http_code}").stdout == "401"
    password = lab.command("bin/secrets", "--estate", lab.estate.folder.name, "get", "site-status-ada")
    assert password.returncode == 0, password.stderr
    answered = lab.curl(
        "https://status.lab.test/", "-o", "/dev/null", "-w", "%{http_code}", "--user", f"ada:{password.stdout.strip()}"
    )
    assert answered.stdout == "502"  # let in; there is nobody at that port
    assert lab.curl("https://unknown.test/").returncode != 0


def test_one_edited_line_is_exactly_one_change_and_a_reload(lab: TestLab) -> None:
    project = lab.group_data / "projects" / "first.py"
    project.write_text(
        project.read_text().replace("to='https://lab.test/'", "").replace('to="https://lab.test/"', 'to="https://lab.test/new"')
    )
    planned = lab.dry()
    assert [(c[1], c[2]) for c in planned.changes] == [("nginx", "change"), ("units", "reload")]
    assert any(
        "+" in line and "https://lab.test/new" in line
        for record in planned.records
        if record.change
        for line in record.change.diff
    )
    ran = lab.apply()
    assert [r.change for r in planned.records] == [r.change for r in ran.records]
    redirect = ("https://old.lab.test/", "-o", "/dev/null", "-w", "%{redirect_url}")
    until(lambda: lab.curl(*redirect).stdout == "https://lab.test/new", "nginx redirects anew")
    assert lab.apply().changes == []


def test_a_dropped_site_disappears_and_its_files_stay(lab: TestLab) -> None:
    lab.web.run("echo precious >/srv/www/book/data/entries/one")
    project = lab.group_data / "projects" / "first.py"
    lines = project.read_text().splitlines(keepends=True)
    project.write_text("".join(line for line in lines if "PhpSite(name" not in line))
    planned, ran = lab.dry(), lab.apply()
    assert ran.status == 0, ran.output
    assert [r.change for r in planned.records] == [r.change for r in ran.records]
    until(lambda: lab.curl("https://book.lab.test/").returncode != 0, "nginx has dropped the site")
    assert "Bienvenue" in lab.curl("https://lab.test/").stdout
    assert lab.web.run("cat /srv/www/book/data/entries/one").out == "precious\n"
    assert lab.web.run("systemctl is-active php8.4-fpm", check=False).out.strip() == "inactive"
    assert lab.web.run("ls /etc/recettes/tls").out.split() == ["home", "old", "status"]
    assert lab.web.run("passwd -S www-book").out.split()[1] == "L"
    assert lab.apply().changes == []


def test_damage_is_named_by_the_plan_and_healed_by_a_run(lab: TestLab) -> None:
    damage = {
        "/etc/recettes/nginx/sites/home.conf": "echo '# by hand' >>/etc/recettes/nginx/sites/home.conf",
        "/etc/sudoers.d/50-recettes": "rm /etc/sudoers.d/50-recettes",
        "nginx.service": "systemctl stop nginx",
        "htop": "dpkg --remove htop >/dev/null",
        "table inet recettes": "nft delete table inet recettes",
        "/etc/recettes/sshd_config": "echo 'PermitRootLogin yes' >>/etc/recettes/sshd_config",
        "home": "rm /etc/recettes/tls/home",
        "/etc/recettes/machine.json": "rm /etc/recettes/machine.json",
    }
    for how in damage.values():
        lab.web.run(how)
    planned = lab.dry()
    missed = [item for item in damage if item not in planned.items]
    assert not missed, f"not seen: {missed} in {planned.output}"
    ran = lab.apply()
    assert ran.status == 0, ran.output
    assert [r.change for r in planned.records] == [r.change for r in ran.records]
    assert "Bienvenue" in lab.curl("https://lab.test/").stdout
    assert lab.apply().changes == []


def test_after_a_reboot_everything_serves_and_a_run_changes_nothing(lab: TestLab) -> None:
    lab.web.reboot()
    assert "Bienvenue" in lab.curl("https://lab.test/").stdout
    assert lab.curl("https://book.lab.test/").stdout == "sum 42"
    ran = lab.apply()
    assert (ran.status, ran.changes) == (0, []), ran.output


def test_a_snippet_that_nginx_refuses_changes_nothing_and_the_old_sites_serve_on(lab: TestLab) -> None:
    project = lab.group_data / "projects" / "first.py"
    project.write_text(project.read_text().replace("www=True", 'www=True, snippet="brokn directive;"'))
    ran = lab.apply()
    assert ran.status != 0
    assert "brokn" in ran.output
    assert "sites/home.conf" in ran.output
    assert "the old one stays in force" in ran.output
    assert "Bienvenue" in lab.curl("https://lab.test/").stdout
    declare_first_sites(lab)
    assert lab.apply().changes == []


def test_nothing_of_a_secret_is_in_the_output_the_records_or_the_process_list(lab: TestLab) -> None:
    lab.web.run("rm -r /etc/recettes/nginx")
    planned, ran = lab.dry(), lab.pyinfra("deploys/web.py", "-y", "-vvv", "--diff")
    password = lab.command("bin/secrets", "--estate", lab.estate.folder.name, "get", "site-status-ada").stdout.strip()
    assert len(password) > 15
    hashed = lab.web.run("cut -d: -f2 /etc/recettes/nginx/passwords/status").out.strip()
    for text in (planned.output, ran.output, json.dumps([r.to_json() for r in ran.records + planned.records])):
        assert password not in text
        assert hashed not in text


def test_a_run_killed_anywhere_is_healed_by_the_next_and_sites_answer_meanwhile(lab: TestLab) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for round_ in range(4):
        project = lab.group_data / "projects" / "first.py"
        project.write_text(
            project.read_text().replace(
                "www=True", f"www=True, rate_limit=None, csp=\"default-src 'self'; img-src {round_}.test\""
            )
        )
        (lab.scratch / "home" / "index.html").write_text(f"<h1>Bienvenue {round_}</h1>")
        command = [str(PYINFRA), "inventory.py", "deploys/web.py", "-y"]
        run = subprocess.Popen(
            command, cwd=ROOT, env=lab.variables(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + moments.uniform(0.5, 5)
        while time.monotonic() < end and run.poll() is None:
            # nginx ends a connection without a request when it reloads, even one just opened; browsers then open another.
            assert "Bienvenue" in lab.curl("https://lab.test/", "--retry", "1", "--retry-all-errors").stdout
        run.kill()
        run.wait()
        healed = lab.apply()
        assert healed.status == 0, healed.output
        assert lab.curl("https://lab.test/", "--retry", "1", "--retry-all-errors").stdout == f"<h1>Bienvenue {round_}</h1>"
        assert lab.apply().changes == []
        declare_first_sites(lab)


def test_two_controllers_at_once_one_is_refused_with_a_sentence(lab: TestLab) -> None:
    lab.declare(LAB)
    command = [str(PYINFRA), "inventory.py", "deploys/web.py", "-y"]
    runs = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=lab.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert sorted(run.returncode == 0 for run in runs) == [False, True], outputs
    assert sum("another run holds this machine" in output for output in outputs) == 1


def test_the_machine_listens_where_declared_and_runs_what_it_should(lab: TestLab) -> None:
    machine: Any = testinfra.get_host(f"docker://{lab.web.container.name}")
    for unit in ("nginx", "php8.4-fpm", "ssh", "fail2ban", "recettes-firewall", "recettes-watch.timer"):
        service = machine.service(unit)
        assert service.is_running, unit
        assert service.is_enabled, unit
    assert machine.socket("tcp://0.0.0.0:443").is_listening
    assert not machine.socket("tcp://0.0.0.0:25").is_listening
    assert machine.user("www-book").shell == "/usr/sbin/nologin"
    key = machine.file("/etc/recettes/tls/home/key.pem")
    assert (key.user, key.mode) == ("root", 0o600)
