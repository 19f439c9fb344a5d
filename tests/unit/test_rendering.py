"""bin/render: what a system administrator reads who does not read Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from recettes import rendering
from recettes.secrets import Vault

LAB = """
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab, Project
from recettes.declarations.relay import MailRelay
from recettes.declarations.sites import StaticSite
from recettes.declarations.sources import Folder
lab = Lab(name="Lab", domain="lab.test", contact="a@lab.test",
    relay=MailRelay(host="relay.test", user="lab", sender="a@lab.test", to=("b@lab.test",)))
project = Project(name="home", title="Home", answers="Ada", sites=(
    StaticSite(name="home", host="lab.test", source=Folder(path="samples/home"), basic_auth=("ada",)),
))
"""


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Of an estate with machines web and apps, for which a lab with a relay and a site behind a password is declared."""
    monkeypatch.setenv("RECETTES_ESTATES", str(tmp_path))
    monkeypatch.setenv("RECETTES_ESTATE", "real")
    monkeypatch.setenv("RECETTES_GROUP_DATA", str(tmp_path / "group_data"))
    (tmp_path / "group_data" / "projects").mkdir(parents=True)
    (tmp_path / "group_data" / "lab.py").write_text(LAB)
    vault = Vault.disposable(tmp_path / "real")
    (tmp_path / "real" / "machines.toml").write_text(
        '[web]\naddress = "203.0.113.5"\ngroups = ["web"]\n[apps]\naddress = "203.0.113.6"\ngroups = ["apps"]\n'
    )
    return vault


def test_every_file_of_every_machine_is_written_and_no_secret(tmp_path: Path, vault: Vault) -> None:
    secrets = [vault.ensure("site-home-ada").reveal(), vault.ensure("mail-relay").reveal()]
    assert rendering.main([str(tmp_path / "out")]) == 0
    written = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert "server_name lab.test" in written["web/etc/recettes/nginx/sites/home.conf"].read_text()
    assert written["web/etc/recettes/nginx/passwords/home"].read_text() == "(secret)\n"
    assert "apps/etc/sudoers.d/50-recettes" in written
    assert not [path for path in written if path.startswith("apps/") and "nginx" in path]
    assert "nginx.service: enabled and active" in written["web/MACHINE"].read_text()
    hidden = [path for path, file in written.items() if file.read_text() == "(secret)\n"]
    assert len(hidden) == 3  # the site's passwords, and on both machines the relay's
    everything = "".join(file.read_text() for file in written.values())
    assert [secret for secret in secrets if secret in everything] == []
    assert "$6$" not in everything


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path, vault: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert rendering.main([str(tmp_path)]) == 1
    assert "is not empty; nothing was written" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
