"""What every machine has, as a blueprint: who may do what, when it updates, where its mail goes."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from recettes.base.access import KEYS, SUDOERS
from recettes.base.mail import MSMTP, PASSWORD
from recettes.blueprint import Blueprint
from recettes.declarations.base import noted
from recettes.declarations.lab import Lab
from recettes.declarations.people import Administrator
from recettes.declarations.relay import MailRelay
from recettes.declarations.updates import Updates
from recettes.estate import Estate, Machine
from recettes.hardening import Exemption, hardened
from recettes.roles.base import base

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHn0FzpTkSFFb0QKkHsMwM5H2lVXkpKXqG3UpiSEKJmc ada@laptop"
TODAY = date(2026, 6, 15)
ESTATE = Estate(
    "lab",
    Path("/estates/lab"),
    {
        "web": Machine("web", "203.0.113.7", ("web",), private_address="10.0.0.2"),
        "base": Machine("base", "10.0.0.3", ("xmldb", "apps")),
        "named": Machine("named", "old-server.example.org", ("apps",)),
    },
)


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    noted()


def lab(**wishes: Any) -> Lab:
    made = Lab(**{"name": "The lab", "domain": "lab.example.org", "contact": "lab@example.org", **wishes})
    assert noted() == []
    return made


def made(machine: str = "web", *, password: bytes | None = None, **wishes: Any) -> Blueprint:
    return base(lab(**wishes), ESTATE, ESTATE.machines[machine], today=TODAY, relay_password=password)


def content(blueprint: Blueprint, path: str) -> str:
    found = blueprint.files[path].content
    assert found is not None
    return found.decode()


def key(kind: str, *options: str, folder: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-f", folder / "key"], check=True)
    return (folder / "key.pub").read_text()


# Administrators


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "3072"), ("ecdsa", "-b", "384")])
def test_keys_that_ssh_keygen_makes_are_taken(kind: tuple[str, ...], tmp_path: Path) -> None:
    Administrator(name="ada", keys=(key(*kind, folder=tmp_path),))
    assert noted() == []


def test_a_short_rsa_key_is_refused_with_its_length(tmp_path: Path) -> None:
    Administrator(name="ada", keys=(key("rsa", "-b", "2048", folder=tmp_path),))
    (mistake,) = noted()
    assert "RSA key of 2048 bits; 3072 are the least" in mistake.problem
    assert mistake.key == "Administrator.keys.0"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAP", "not an OpenSSH public key of a kind that is let in"),
        (ED25519[:40], "cut or damaged"),
        (ED25519.replace("ed25519 AAAAC3", "ed25519 AAAAC4"), "cut or damaged"),
        ("ssh-rsa " + ED25519.split()[1], "cut or damaged"),
        ('command="true" ' + ED25519, "not an OpenSSH public key"),
        (ED25519 + "\n" + ED25519, "not one whole line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk", "is a private key: replace that key now"),
    ],
)
def test_what_is_no_good_public_key_is_refused(line: str, says: str) -> None:
    Administrator(name="ada", keys=(line,))
    (mistake,) = noted()
    assert says in mistake.problem
    assert "b3BlbnNzaC1rZXk" not in str(mistake)


@pytest.mark.parametrize("name", ["root", "debian", "Ada", "ada.l", "ada\n%sudo", "www-data"])
def test_a_name_that_is_taken_or_odd_is_refused(name: str) -> None:
    Administrator(name=name, keys=(ED25519,))
    assert [mistake.key for mistake in noted()] == ["Administrator.name"]


def test_an_administrator_has_an_account_keys_that_only_root_may_change_and_sudo() -> None:
    blueprint = made(administrators=(Administrator(name="ada", keys=(ED25519,)),))
    assert blueprint.accounts["ada"].home == "/home/ada"
    keys = blueprint.files[f"{KEYS}/ada"]
    assert (keys.owner, keys.mode) == ("root", 0o644)
    assert content(blueprint, f"{KEYS}/ada") == ED25519 + "\n"
    assert "ada ALL=(ALL:ALL) NOPASSWD: ALL\n" in content(blueprint, SUDOERS)


@pytest.mark.parametrize(("until", "there"), [(date(2026, 6, 14), False), (TODAY, True), (None, True)])
def test_an_administrator_whose_day_has_passed_counts_as_not_declared(until: date | None, there: bool) -> None:
    blueprint = made(administrators=(Administrator(name="ada", keys=(ED25519,), until=until),))
    assert ("ada" in blueprint.accounts) is there
    assert (f"{KEYS}/ada" in blueprint.files) is there
    assert ("ada ALL" in content(blueprint, SUDOERS)) is there


@pytest.mark.skipif(not shutil.which("visudo"), reason="no sudo on this computer")
def test_visudo_accepts_what_any_name_makes_of_the_sudoers_file(tmp_path: Path) -> None:
    people = tuple(Administrator(name=name, keys=(ED25519,)) for name in ("a", "a-b-", "defaults", "z" * 31, "all"))
    (tmp_path / "sudoers").write_text(content(made(administrators=people), SUDOERS))
    subprocess.run(["visudo", "--check", "--strict", "--quiet", "--file", tmp_path / "sudoers"], check=True)


# Mail


def relay(**wishes: Any) -> MailRelay:
    return MailRelay(**{"host": "smtp.example.org", "sender": "machines@example.org", "to": ("ada@example.org",), **wishes})


def test_without_a_relay_nothing_that_sends_mail_is_there() -> None:
    blueprint = made()
    assert not [name for name in blueprint.packages if "msmtp" in name]
    assert not {MSMTP, PASSWORD} & blueprint.files.keys()
    assert json.loads(content(blueprint, "/etc/recettes/watch.json"))["to"] == []


def test_the_relays_password_is_in_a_secret_file_of_roots_and_nowhere_else() -> None:
    blueprint = made(relay=relay(user="lab"), password=b"hunter2-hunter2")
    assert blueprint.files[PASSWORD].secret
    assert blueprint.files[PASSWORD].mode == 0o600
    holders = [path for path, file in blueprint.files.items() if b"hunter2" in (file.content or b"")]
    assert holders == [PASSWORD]
    assert f'passwordeval "cat {PASSWORD}"' in content(blueprint, MSMTP)


def test_a_password_never_travels_in_clear() -> None:
    relay(user="lab", tls="none")
    (mistake,) = noted()
    assert "must not travel in clear" in mistake.problem


@pytest.mark.parametrize(
    "wrong", [{"host": "not a host"}, {"host": "smtp"}, {"port": 0}, {"to": ()}, {"sender": "nobody"}, {"user": 'a"b'}]
)
def test_a_relay_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    relay(**wrong)
    assert {mistake.key.split(".")[1] for mistake in noted()} == wrong.keys()


def test_a_machine_sends_no_mail_by_way_of_a_sendmail_program() -> None:
    assert not made(relay=relay()).packages & {"msmtp-mta", "exim4", "postfix", "mailutils", "bsd-mailx"}


# Updates


def reboot_time(blueprint: Blueprint) -> str | None:
    lines = content(blueprint, "/etc/apt/apt.conf.d/60recettes").splitlines()
    return next((line.split('"')[1] for line in lines if "Automatic-Reboot-Time" in line), None)


@pytest.mark.parametrize(("window", "first", "last"), [("03:00-05:00", "04:30", "04:59"), ("23:30-00:30", "00:15", "00:29")])
def test_the_reboot_is_in_the_last_quarter_of_the_window(window: str, first: str, last: str) -> None:
    when = reboot_time(made(updates=Updates(window=window)))
    assert when
    assert first <= when <= last


def test_two_machines_reboot_at_different_minutes_and_each_always_at_the_same() -> None:
    assert reboot_time(made("web")) == reboot_time(made("web"))
    assert reboot_time(made("web")) != reboot_time(made("base"))


def test_without_reboot_none_is_ever_made() -> None:
    assert reboot_time(made(updates=Updates(reboot=False))) is None
    assert 'Automatic-Reboot "false"' in content(made(updates=Updates(reboot=False)), "/etc/apt/apt.conf.d/60recettes")


@pytest.mark.parametrize(
    "window", ["3:00-5:00", "03:00-25:00", "night", "03:00-03:30", "03:00-03:00", "03:0\N{ARABIC-INDIC DIGIT ZERO}-05:00"]
)
def test_a_window_that_is_none_is_refused(window: str) -> None:
    Updates(window=window)
    assert [mistake.key for mistake in noted()] == ["Updates.window"]


# Names, origin


def test_every_machine_with_an_address_is_named_by_its_inner_one() -> None:
    hosts = [line.split() for line in content(made(), "/etc/hosts").splitlines() if not line.startswith("#")]
    assert ["10.0.0.2", "web.lab.internal", "web"] in hosts
    assert ["10.0.0.3", "base.lab.internal", "base"] in hosts
    assert ["127.0.0.1", "localhost"] in hosts
    assert not any("named" in line for line in hosts)


def test_no_machine_of_the_estate_and_no_administrators_network_is_ever_banned() -> None:
    jails = content(made(administrator_networks=("198.51.100.0/24",)), "/etc/fail2ban/jail.local")
    (never,) = [line for line in jails.splitlines() if line.startswith("ignoreip")]
    assert {"127.0.0.0/8", "::1", "10.0.0.2", "10.0.0.3", "203.0.113.7", "198.51.100.0/24"} <= set(never.split())


def test_the_machine_names_who_can_be_asked() -> None:
    people = (Administrator(name="bea", keys=(ED25519,), e_mail="bea@example.org"), Administrator(name="ada", keys=(ED25519,)))
    assert "Administrators: ada, bea <bea@example.org>\nThe lab: lab@example.org\n" in content(
        made(administrators=people), "/etc/recettes/README"
    )


def test_two_renderings_of_the_same_wishes_are_the_same() -> None:
    assert made(relay=relay()) == made(relay=relay())


def test_every_text_file_says_that_it_is_managed() -> None:
    """But for those that cannot: data, programs, keys, and what people read."""
    silent = [
        path
        for path, file in made(relay=relay()).files.items()
        if file.content
        and b"anaged by recettes" not in file.content
        and not path.startswith(("/etc/motd.d", "/etc/recettes/", "/usr/local"))
    ]
    assert silent == []


# Units


def test_an_exemption_stands_in_the_unit_with_its_reason() -> None:
    text = hardened(
        description="A",
        exec_start="/bin/a",
        user="a",
        exemptions={"MemoryDenyWriteExecute": Exemption("Julia compiles to memory", ("no",))},
    )
    assert "# MemoryDenyWriteExecute is not as usual: Julia compiles to memory\nMemoryDenyWriteExecute=no\n" in text
    assert "MemoryDenyWriteExecute=yes" not in text


@pytest.mark.parametrize(
    ("exemptions", "service"),
    [
        ({"ProtectHomes": Exemption("typing error", ("no",))}, ()),
        ({"ProtectHome": Exemption(" ", ("no",))}, ()),
        ({}, ("ProtectHome=no",)),
    ],
)
def test_no_unit_is_softer_without_a_reason(exemptions: dict[str, Exemption], service: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="ProtectHome"):
        hardened(description="A", exec_start="/bin/a", user="a", exemptions=exemptions, service=service)
