"""What a lab needs that no run can make is asked for before any machine is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from recettes import firewall
from recettes.authority import CertificateError
from recettes.lab import LabView, load
from recettes.roles import blueprint_of, check_secrets, rules_of
from recettes.secrets import SecretsError, Vault

LAB = """
from recettes.declarations.lab import Lab, Project
from recettes.declarations.relay import MailRelay
from recettes.declarations.sites import GivenCertificate, RedirectSite
lab = Lab(name="Lab", domain="lab.test", contact="a@lab.test"{lab})
project = Project(name="one", title="One", answers="Ada", sites=(
    RedirectSite(name="a", host="a.lab.test", to="https://b.test/"{site}),
))
"""
RELAY = ', relay=MailRelay(host="relay.test", user="lab", sender="a@lab.test", to=("a@lab.test",))'


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECETTES_ESTATES", str(tmp_path))
    monkeypatch.setenv("RECETTES_ESTATE", "mylab")
    monkeypatch.setenv("RECETTES_GROUP_DATA", str(tmp_path))
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "machines.toml").write_text('[web]\naddress = "203.0.113.5"\ngroups = ["web"]\n')
    return tmp_path / "mylab"


def view(estate: Path, lab: str = "", site: str = "") -> LabView:
    (estate.parent / "lab.py").write_text(LAB.format(lab=lab, site=site))
    return load()


def test_local_certificates_need_the_estates_secrets(estate: Path) -> None:
    with pytest.raises(SecretsError, match=r"Estate mylab has no secrets: .* To make them: bin/secrets --estate mylab init"):
        check_secrets(view(estate))
    check_secrets(view(estate, ', issuer="acme"'))
    Vault.disposable(estate)
    check_secrets(view(estate))


def test_a_relay_with_a_user_needs_its_password(estate: Path) -> None:
    vault = Vault.disposable(estate)
    with pytest.raises(SecretsError, match=r"There is no secret mail-relay .* bin/secrets --estate mylab set mail-relay"):
        check_secrets(view(estate, RELAY))
    vault.set("mail-relay", "hunter2")
    check_secrets(view(estate, RELAY))


def test_a_given_certificate_must_be_there(estate: Path) -> None:
    Vault.disposable(estate).set("key", "none")
    with pytest.raises(CertificateError, match=r"nowhere\.pem: No such file"):
        check_secrets(view(estate, site=', issuer=GivenCertificate(chain="nowhere.pem", key="key")'))


def test_ssh_can_be_opened_for_a_while_on_the_front_of_a_cloud_and_nowhere_else(estate: Path) -> None:
    Vault.disposable(estate)
    plain = view(estate)
    assert not rules_of(plain, "web").windows
    machines = '(CloudMachine(name="web", groups=("web",), flavour="p2"),)'
    cloud = f'Cloud(machines={machines}, estates=(CloudEstate(name="mylab"),))'
    header = "from recettes.declarations.cloud import Cloud, CloudEstate, CloudMachine\n"
    more = f', issuer="acme", administrator_networks=("192.0.2.0/24",), cloud={cloud}'
    (estate.parent / "lab.py").write_text(header + LAB.format(lab=more, site=""))
    lab = load()
    assert "meta mark" in firewall.render(rules_of(lab, "web"))
    assert "meta mark" not in firewall.render(rules_of(plain, "web"))
    assert "recettes-ssh-window.timer" in blueprint_of(lab, "web").units
