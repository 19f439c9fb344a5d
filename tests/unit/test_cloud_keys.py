"""The keys that an estate on a cloud makes for its machines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recettes.cloud import machines
from recettes.cloud.keys import key_file, put_administrator_key, user_data
from recettes.secrets import Vault
from recettes.secrets_cli import main
from recettes.ssh_keys import new_private_key

# As the client reads it.
ONE: dict[str, Any] = {
    "project": "p",
    "servers": [{"id": "vw", "name": "production-web", "status": "ACTIVE", "flavor": {"id": "f"}, "project_id": "p", "metadata": {
        "recettes-estate": "production", "recettes-item": "web", "recettes-groups": "web", "recettes-host-key": "host-key/web"}}],
    "ports": [{"id": "pw", "name": "production-web", "network_id": "n", "device_id": "vw", "project_id": "p",
               "fixed_ips": [{"ip_address": "10.20.0.9", "subnet_id": "s"}]}],
}  # fmt: skip


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.disposable(tmp_path / "production")


def test_in_a_fresh_checkout_the_machines_are_reached_with_the_key_of_the_vault(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "said", lambda *_: (True, json.dumps(ONE)))
    machines.cloud_estate(vault.folder, vault, ())
    file = key_file(vault.folder)
    assert not file.exists()  # only looked at, no key is made
    user_data(vault, "web")
    put_administrator_key(vault)
    key = file.read_bytes()
    file.unlink()
    machines.cloud_estate(vault.folder, vault, ())
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (key, 0o600)
    # Another one that lay there, of an estate of the same name.
    file.write_text(new_private_key())
    machines.cloud_estate(vault.folder, vault, ())
    assert file.read_bytes() == key
    assert (vault.folder / "known_hosts").read_text().startswith("web,10.20.0.9 ssh-ed25519 ")


def test_another_estate_of_the_project_does_not_say_which_host_key_a_machine_has(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Production's web was made as `front`; the machine `web` of the test estate has a key of its own."""
    user_data(vault, "front")
    (web,) = ONE["servers"]
    renamed = {**web, "metadata": {**web["metadata"], "recettes-host-key": "host-key/front"}}
    other = {**web, "id": "tw", "name": "test-web", "metadata": {**web["metadata"], "recettes-estate": "test"}}
    for servers in ([renamed, other], [other, renamed]):
        both = json.dumps({**ONE, "servers": servers})
        monkeypatch.setattr(machines, "said", lambda *_, answer=both: (True, answer))
        machines.cloud_estate(vault.folder, vault, ())
        assert (vault.folder / "known_hosts").read_text().startswith("web,10.20.0.9 ssh-ed25519 ")


@pytest.mark.parametrize("name", ["host-key/web", "administrator-key"])
def test_a_key_that_machines_were_made_with_is_not_replaced_behind_their_back(
    vault: Vault, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def given(value: str) -> int:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(value.encode()), isatty=lambda: False))
        return main(["--estate", "production", "set", name], vault.folder.parent)

    assert given("of the lab's old vault") == 0  # before any machine is made
    assert given("another") == 1
    told = capsys.readouterr().err
    assert "no run brings them another: with another here, none of them could be reached. Nothing was written." in told
    assert vault.get(name).reveal() == "of the lab's old vault"
    vault.ensure("mail-relay")
    vault.set("given", "by hand")
    assert main(["--estate", "production", "rotate", "--all"], vault.folder.parent) == 0
    assert "to be replaced by hand, each with `set`: given." in capsys.readouterr().out
