"""What every machine has, on a real machine: seen from outside, and by the programs that it is written for.

The blueprint is put on by a few lines here, so that this says what it is good for whoever puts it on.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from facts.files import file_states
from facts.survey import survey_script, understand
from recettes.base.access import SUDOERS
from recettes.base.system import SYSCTL
from recettes.blueprint import Blueprint
from recettes.containers.estate import ContainersEstate, temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from recettes.declarations.lab import Lab
from recettes.declarations.people import Administrator
from recettes.declarations.relay import MailRelay
from recettes.estate import Estate
from recettes.estate import Machine as Listed
from recettes.files import FileTable, files_script, plan_files
from recettes.hardening import hardened
from recettes.roles.base import base
from recettes.shell import whole, words

pytestmark = pytest.mark.containers

SINK = Path(__file__).with_name("smtp_sink.py")
PASSWORD = "not-to-be-seen-anywhere"
# Units that their own conditions keep off in a container: its clock and its kernel are the host's.
OF_A_KERNEL = {"systemd-timesyncd.service", "systemd-sysctl.service"}


@pytest.fixture(scope="module")
def estate() -> Iterator[ContainersEstate]:
    with temporary_estate(["web", "relay"]) as made:
        yield made


@pytest.fixture(scope="module")
def relay(estate: ContainersEstate) -> Machine:
    """A neighbour that takes mail. It is nobody to `web`: not of its estate, so it can be banned."""
    machine = estate.machine("relay")
    program = base64.b64encode(SINK.read_bytes()).decode()
    machine.run(f"""set -e
        mkdir -p /srv/sink/mails; cd /srv/sink
        echo {program} | base64 -d >sink.py
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=relay -addext 'subjectAltName=IP:{machine.address}' \\
            -keyout key.pem -out cert.pem 2>/dev/null
        systemd-run --quiet --unit=sink --working-directory=/srv/sink python3 sink.py cert.pem key.pem mails""")
    return machine


@pytest.fixture(scope="module")
def blueprint(estate: ContainersEstate, relay: Machine) -> Blueprint:
    key = estate.administrator_key.with_suffix(".pub").read_text()
    lab = Lab(
        name="The lab",
        domain="lab.example.org",
        contact="lab@example.org",
        administrators=(Administrator(name="ada", keys=(key,)),),
        relay=MailRelay(
            host=relay.address, port=465, user="lab", sender="machines@example.org", to=("ada@example.org",), tls="tls"
        ),
        time_zone="Europe/Paris",
    )
    here = Listed("web", estate.machine("web").address, ("web",))
    there = Listed("db", "10.11.12.13", ("xmldb",))
    listed = Estate("lab", estate.folder, {"web": here, "db": there})
    return base(lab, listed, here, today=date(2026, 1, 1), relay_password=PASSWORD.encode())


@pytest.fixture(scope="module")
def web(estate: ContainersEstate, relay: Machine, blueprint: Blueprint) -> Machine:
    machine = estate.machine("web")
    certificate = base64.b64encode(relay.run("cat /srv/sink/cert.pem").out.encode()).decode()
    machine.run(f"""set -e
        export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none SYSTEMD_OFFLINE=1
        mkdir -p /run/systemd/system-preset; echo 'disable *' >/run/systemd/system-preset/00-none.preset
        apt-get -qq update
        apt-get -qq install -y --no-install-recommends {words(sorted(blueprint.packages))}
        rm /run/systemd/system-preset/00-none.preset
        echo {certificate} | base64 -d >/usr/local/share/ca-certificates/relay.crt
        update-ca-certificates >/dev/null
        useradd --create-home --shell /bin/bash ada""")
    part = file_states(blueprint.files)
    table = understand([part], "#nonce", machine.run(survey_script([part], "#nonce")).out.splitlines())[part.key]
    assert isinstance(table, FileTable), table
    machine.run(whole(files_script(plan_files(table, blueprint.files), blueprint.files)))
    units = words(sorted(blueprint.units))
    machine.run(f"systemctl daemon-reload; systemctl --quiet enable {units} 2>/dev/null; systemctl restart {units}")
    until(lambda: machine.run("fail2ban-client status sshd", check=False).code == 0, "fail2ban watches")
    return machine


def mails(relay: Machine) -> list[str]:
    """Each with its login as the first line."""
    names = relay.run("ls /srv/sink/mails").out.split()
    return [relay.run(f"cat /srv/sink/mails/{name}").out for name in names]


def look(web: Machine) -> str:
    """What the daily watch says."""
    web.run("systemctl start recettes-watch.service")
    return web.run("cat /var/lib/recettes/watch.txt").out


def test_every_unit_runs_and_none_has_failed(web: Machine, blueprint: Blueprint) -> None:
    for unit in sorted(blueprint.units.keys() - OF_A_KERNEL):
        assert web.run(f"systemctl is-active {unit}", check=False).out == "active\n", unit
        assert web.run(f"systemctl is-enabled {unit}", check=False).out.strip() in ("enabled", "static"), unit
    assert web.run("systemctl --failed --no-legend").out == ""


def test_nothing_listens_but_ssh(web: Machine) -> None:
    listening = web.run("ss -Hltun | awk '{print $5}'").out.split()
    assert {address.rpartition(":")[2] for address in listening if not address.startswith("127.0.0.11:")} == {"22"}


# The order of these three matters: one mail a day is what they are about.


def test_all_is_well_and_no_mail_comes(web: Machine, relay: Machine) -> None:
    assert look(web) == ""
    assert mails(relay) == []


def test_what_goes_wrong_comes_in_exactly_one_mail(web: Machine, relay: Machine) -> None:
    web.run("""set -e
        systemd-run --quiet --wait --unit=broken false || :
        systemctl stop logrotate.timer
        touch /run/reboot-required; echo linux-image-amd64 >/run/reboot-required.pkgs
        mkdir -p /mnt/small /etc/recettes/tls/soon.example.org /etc/recettes/tls/new.example.org
        mount -t tmpfs -o size=1M tmpfs /mnt/small; head -c 950000 /dev/zero >/mnt/small/much
        cd /etc/recettes/tls/soon.example.org
        openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=soon -keyout key.pem -out fullchain.pem 2>/dev/null
        cp *.pem ../new.example.org; touch ../new.example.org/stand-in""")
    seen = look(web)
    wanted = (
        "broken.service has failed",
        "logrotate.timer is enabled but does not run",
        "soon.example.org ends in 4 days",
        "new.example.org has only a stand-in",
        "/mnt/small is 9",
        "a reboot is required by linux-image-amd64",
    )
    for problem in wanted:
        assert problem in seen
    look(web)
    (mail,) = mails(relay)
    assert mail.startswith(f"lab:{PASSWORD}\n")
    assert "Subject: web (lab): 6 things need a person" in mail
    assert "From: machines@example.org" in mail
    for problem in wanted:
        assert problem in mail


def test_who_logs_in_sees_it_until_it_is_mended(web: Machine, estate: ContainersEstate) -> None:
    def greeting() -> str:
        command = ["ssh", "-F", str(estate.ssh_config), "-tt", "web"]
        return subprocess.run(command, input="exit\n", capture_output=True, text=True, timeout=30, check=False).stdout

    look(web)
    assert "broken.service has failed" in greeting()
    web.run("systemctl reset-failed; systemctl start logrotate.timer")
    web.run("umount /mnt/small; rm -r /etc/recettes/tls /run/reboot-required*")
    assert look(web) == ""
    assert "broken.service" not in greeting()
    assert "This machine is kept by recettes" in greeting()


def test_a_relay_that_does_not_answer_is_a_failed_unit_and_no_lost_mail(web: Machine, relay: Machine) -> None:
    web.run("systemd-run --quiet --wait --unit=broken false || :; rm -f /var/lib/recettes/watch.mailed")
    before = len(mails(relay))
    relay.run("systemctl stop sink || systemctl kill sink")
    try:
        assert web.run("systemctl start recettes-watch.service", check=False).code != 0
        assert "recettes-watch.service" in web.run("systemctl --failed --no-legend").out
    finally:
        relay.run(
            "mkdir -p /srv/sink/again; systemd-run --quiet --unit=sink-again --working-directory=/srv/sink"
            " python3 sink.py cert.pem key.pem again"
        )
    until(lambda: relay.run("ss -Hltn 'sport = 465'").out != "", "the relay is back")
    look(web)
    assert len(mails(relay)) == before
    assert relay.run("ls /srv/sink/again | wc -l").out.strip() == "1"
    web.run("systemctl reset-failed")


def test_the_relays_password_shows_nowhere_but_in_its_file(web: Machine) -> None:
    assert web.run(f"grep -rl {PASSWORD} /etc /var/lib/recettes /run").out.split() == ["/etc/recettes/mail-password"]
    assert PASSWORD not in web.run("journalctl -o cat --no-pager").out
    assert web.run("su ada -c 'cat /etc/recettes/mail-password /etc/msmtprc'", check=False).out == ""


def test_an_administrator_becomes_root_without_a_password_and_others_do_not(web: Machine) -> None:
    web.run("visudo --check --strict")
    assert web.run("su ada -c 'sudo -n id -un'").out == "root\n"
    assert web.run("useradd eve; su eve -c 'sudo -n id -un'", check=False).code != 0
    assert web.run(f"stat -c '%U %a' {SUDOERS}").out == "root 440\n"


def test_guessing_at_ssh_is_banned_and_the_estate_is_not(web: Machine, relay: Machine, estate: ContainersEstate) -> None:
    guess = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
    # The ban cuts a connection that is under way, which its client would wait for until TCP gives up.
    guess = f"timeout 20 {guess}"

    def banned() -> bool:
        """After some more guesses: of those before fail2ban may not have heard."""
        relay.run(f"for user in root admin; do {guess} $user@{web.address} true; done", check=False)
        return relay.address in web.run("nft list table inet f2b-table", check=False).out

    until(banned, "the guesser is banned")
    refused = relay.run(f"{guess} root@{web.address} true", check=False)
    assert "Connection refused" in refused.err
    still = subprocess.run(["ssh", "-F", str(estate.ssh_config), "web", "true"], capture_output=True, timeout=30, check=False)
    assert still.returncode == 0
    web.run(f"fail2ban-client unban {relay.address}")


def test_fail2ban_never_bans_a_machine_of_the_estate(web: Machine, relay: Machine) -> None:
    """The neighbour guesses under the address of the estate's `db`."""
    relay.run("ip address add 10.11.12.13/32 dev eth0")
    web.run("ip route add 10.11.12.13 dev eth0")
    guess = "ssh -b 10.11.12.13 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
    seen = "[sshd] Ignore 10.11.12.13 by ip"

    def heard() -> bool:
        """After some more guesses."""
        relay.run(f"for n in 1 2; do {guess} root@{web.address} true; done", check=False)
        return web.run("journalctl -u fail2ban -o cat --no-pager").out.count(seen) >= 5

    until(heard, "the guesses are seen")
    assert "10.11.12.13" not in web.run("fail2ban-client get sshd banip").out


def test_fail2ban_takes_a_new_configuration_by_a_reload(web: Machine) -> None:
    web.run("sed -i 's/^maxretry = .*/maxretry = 7/' /etc/fail2ban/jail.local; systemctl reload fail2ban.service")
    until(lambda: web.run("fail2ban-client get sshd maxretry").out.strip() == "7", "the new number is in force")


def test_unattended_upgrades_takes_security_updates_only(web: Machine) -> None:
    said = web.run("unattended-upgrade --dry-run --debug 2>&1").out
    (origins,) = [line for line in said.splitlines() if line.startswith("Allowed origins are:")]
    assert origins == "Allowed origins are: origin=Debian,codename=trixie-security,label=Debian-Security"
    settings = web.run("apt-config dump Unattended-Upgrade; apt-config dump APT::Periodic").out
    assert 'Automatic-Reboot "true"' in settings
    assert 'APT::Periodic::Unattended-Upgrade "1"' in settings
    assert 'Unattended-Upgrade::Mail "' not in settings


def test_updates_come_within_the_window_only(web: Machine) -> None:
    for timer, at in (("apt-daily.timer", "03:00:00"), ("apt-daily-upgrade.timer", "03:30:00")):
        calendar = web.run(f"systemctl show --value -p TimersCalendar {timer}").out.strip()
        assert calendar.count("OnCalendar=") == 1
        assert f"OnCalendar=*-*-* {at} " in calendar
        assert web.run(f"systemctl show --value -p RandomizedDelayUSec {timer}").out == "30min\n"


def test_needrestart_restarts_without_asking(web: Machine) -> None:
    assert "Error parsing" not in web.run("needrestart -b 2>&1").out
    script = 'our %nrconf; do "/etc/needrestart/conf.d/60-recettes.conf"; print $nrconf{restart}'
    assert web.run(f"perl -e '{script}'").out == "a"


def test_the_journal_has_its_limits_and_stays_after_a_reboot(web: Machine) -> None:
    assert "max 1G" in web.run("journalctl -o cat --no-pager -u systemd-journald.service").out
    assert web.run("ls /var/log/journal").out.strip() == web.run("cat /etc/machine-id").out.strip()


def test_the_kernel_takes_every_setting_that_a_container_may_set(web: Machine) -> None:
    """The network's settings belong to the container; the others are only asked whether there is such a thing."""
    web.run(
        "mount --bind /proc/sys/net /proc/sys/net; mount -o remount,rw,bind /proc/sys/net;"
        " systemctl restart systemd-sysctl.service"
    )
    try:
        assert web.run("systemctl is-active systemd-sysctl.service").out == "active\n"
        for line in web.run(f"grep -v '^#' {SYSCTL} | grep =").out.splitlines():
            name, wanted = (part.strip() for part in line.split("="))
            place = "/proc/sys/" + name.removeprefix("-").replace(".", "/")
            if name.startswith("-"):
                continue
            value = web.run(f"cat {place}").out.strip()
            if name.startswith("net."):
                assert set(value.splitlines()) == {wanted}, name  # of every interface, where the name has a "*"
    finally:
        web.run("umount /proc/sys/net")


def test_a_plain_daemon_from_the_template_is_safe_and_runs(web: Machine) -> None:
    unit = hardened(description="Plain", exec_start="/usr/bin/python3 -m http.server --bind 127.0.0.1 8099", user="nobody")
    encoded = base64.b64encode(unit.encode()).decode()
    web.run(f"echo {encoded} | base64 -d >/etc/systemd/system/plain.service; systemd-analyze verify plain.service")
    web.run("systemctl daemon-reload; systemctl start plain.service")
    try:
        until(lambda: web.run("curl -sf -o /dev/null http://127.0.0.1:8099/", check=False).code == 0, "the daemon answers")
        assert exposure(web, "plain.service") <= 2.0
    finally:
        web.run("systemctl stop plain.service; rm /etc/systemd/system/plain.service; systemctl daemon-reload")


@pytest.mark.parametrize(
    ("unit", "most"), [("recettes-watch.service", 2.0), ("recettes-hosts.service", 2.0), ("fail2ban.service", 3.0)]
)
def test_no_unit_of_ours_is_exposed(web: Machine, unit: str, most: float) -> None:
    assert exposure(web, unit) <= most


def exposure(machine: Machine, unit: str) -> float:
    """As systemd-analyze sees it: 0 is best, 10 worst."""
    last = machine.run(f"systemd-analyze security --no-pager {unit} | tail -1").out
    return float(last.rpartition(": ")[2].split()[0])


def test_the_machine_speaks_utf_8_and_knows_its_time_zone(web: Machine) -> None:
    assert web.run("TZ= date -d 2026-07-01T12:00Z >/dev/null; date -d 2026-07-01T12:00Z +%H:%M").out == "14:00\n"
    assert web.run("su -l ada -c locale").out.splitlines()[0] == "LANG=C.UTF-8"


def test_machines_find_each_other_by_name_after_a_reboot_too(web: Machine) -> None:
    web.reboot()
    assert web.run("getent hosts db").out.split() == ["10.11.12.13", "db.lab.internal", "db"]
    assert web.run("getent hosts db.lab.internal").out.split()[0] == "10.11.12.13"
    assert web.run("getent ahostsv4 localhost").out.split()[0] == "127.0.0.1"
    assert web.run("sudo -n true 2>&1").out == ""
    assert look(web) == ""
