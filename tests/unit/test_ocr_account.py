"""The gate's account: what of it is ours, what stays, and shell text on clusters that are not written for us."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from facts.hpc import account_state
from operations.hold import _answer, _script
from recettes.contents.entries import ContentsError
from recettes.declarations.base import DeclarationError
from recettes.declarations.ocr import KrakenProgram, OcrCluster
from recettes.files import FileState, FileTable
from recettes.gather import gather
from recettes.lab import load
from recettes.ocr import names
from recettes.ocr.account import Account, AccountState, plan_account, refusals
from recettes.ocr.account_scripts import folders_script, keys_script
from recettes.ocr.large import Large
from recettes.ocr.venv import Made, Venv, venv_script
from recettes.roles import check_secrets
from recettes.roles.hpc import address_of
from recettes.secrets import SecretsError, Vault

TODAY = date(2030, 1, 1)
PUBLIC = "ssh-ed25519 AAAAnew"
VENV = Venv("requirements", "3.11", ("any",), "/usr/bin/python3", (), False)
IMAGE = Large(Path("k.sif"), "1" * 64)

LAB = """
from datetime import date
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import *
lab = Lab(name="L", domain="lab.test", contact="a@lab.test", ocr=Ocr(
    clusters=(OcrCluster(name="fir", home="/home/ada", until=date(2030, 1, 1), kraken=KrakenProgram(program="/bin/true"),
                         keys_by="authorized_keys", spool="{spool}"),),
    models=(OcrModel(name="m", file="m.mlmodel", sha256="0" * 64),)))
"""


def line(python: str, public: str) -> str:
    return f'restrict,from="192.0.2.7",command="{python} -ISB /home/ada/ocr/ocr-gate" {public} {names.COMMENT}'


def account(home: str = "/home/ada", **differing: object) -> Account:
    folder = f"{home}/ocr"
    wanted = Account(
        user="ada", home=home, folder=folder, spool=f"{folder}/spool", files={}, large={}, venv=None,
        command=f"/usr/bin/python3 -ISB {folder}/ocr-gate", key=line("/usr/bin/python3", PUBLIC), public=PUBLIC, programs=(),
        model="m", until=TODAY,
    )  # fmt: skip
    return replace(wanted, **differing)  # type: ignore[arg-type]


def as_wanted(want: Account, files: Mapping[str, FileState] | None = None) -> AccountState:
    folders = {path: FileState("d", "ada", "def-ada", 0o700) for path in want.folders()}
    large = {path: FileState("f", "ada", "ada", 0o400, one.sha256) for path, one in want.large.items()}
    keys = () if want.key is None else (want.key,)
    return AccountState("ada", want.home, (), FileTable(folders | large | dict(files or {})), keys=keys, ready=want.digest)


def plan(is_: AccountState, want: Account) -> list[tuple[str, str]]:
    return [(change.action, change.item) for change in plan_account(is_, want)]


def read(home: Path, want: Account) -> AccountState:
    part = account_state(want)
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C"}
    run = subprocess.run(["sh", "-euc", part.script], env=environment, capture_output=True, text=True, check=True)
    return part.parse(run.stdout.splitlines())


def test_every_line_that_lets_our_key_in_or_was_written_by_a_run_is_ours(tmp_path: Path) -> None:
    """An old key with an old interpreter, and the key with nothing that restricts it: sshd would go on to that from elsewhere."""
    want = account(str(tmp_path))
    want = replace(want, key=line("/usr/bin/python3", PUBLIC).replace("/home/ada", str(tmp_path)))
    assert want.key
    old = want.key.replace("/usr/bin/python3", "/usr/bin/python3.9").replace("AAAAnew", "AAAAold")
    bare = f"{PUBLIC} a trial"
    own = "ssh-ed25519 AAAAown ada"
    by_hand = old.replace("AAAAold", "AAAAadmin").replace(names.COMMENT, "the administrator's own submitter")
    file = tmp_path / ".ssh/authorized_keys"
    file.parent.mkdir()
    file.write_text("\n".join([own, old, by_hand, want.key, bare]) + "\n")
    found = read(tmp_path, want)
    assert found.keys == (old, want.key, bare)
    assert ("change", str(file)) in plan(found, want)
    subprocess.run(["sh", "-euc", keys_script(want, found.keys)], check=True)
    assert file.read_text().splitlines() == [own, by_hand, want.key]
    assert read(tmp_path, want).keys == (want.key,)
    taken_out = replace(want, key=None)
    assert ("take out", str(file)) in plan(read(tmp_path, taken_out), taken_out)


def test_a_folder_that_hands_its_group_on_is_as_wanted(tmp_path: Path) -> None:
    """As project folders of clusters do, whose quota counts by group; chmod does not take it away."""
    shared = tmp_path / "project"
    shared.mkdir()
    shared.chmod(0o2755)
    want = account(str(tmp_path), spool=str(shared / "ocr"))
    subprocess.run(["sh", "-euc", folders_script(want)], check=True)
    assert (shared / "ocr").stat().st_mode & 0o7777 == 0o2700
    found = read(tmp_path, want)
    states = {path: replace(state, owner="ada") for path, state in found.files.states.items()}
    assert [item for _, item in plan(replace(found, files=FileTable(states)), want) if item == want.spool] == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (FileState("l", "ada", "ada", 0o777, None, "/project/ada"), "is a link to /project/ada: move it away"),
        (FileState("f", "ada", "ada", 0o600, "0" * 64), "is not a folder of ada's: move it away"),
        (FileState("d", "eve", "ada", 0o700), "is not a folder of ada's: move it away"),
    ],
    ids=["a link", "a file", "another's"],
)
def test_what_lies_in_a_folder_s_place_is_told_before_anything_is_changed(state: FileState, words: str) -> None:
    models = "/home/ada/ocr/models"
    want = account(large={f"{models}/m.mlmodel": Large(Path("m"), "0" * 64)})
    assert refusals(as_wanted(want), want, TODAY) == []
    [sentence] = refusals(as_wanted(want, {models: state}), want, TODAY)
    assert sentence == f"{models} {words}"


def test_what_jobs_that_run_may_start_again_stays_until_the_next_change() -> None:
    images = "/home/ada/ocr/images"
    want = account(large={f"{images}/new.sif": IMAGE})
    old = {f"{images}/{name}": FileState("f", "ada", "ada", 0o400, "2" * 64) for name in ("older.sif", "before.sif")}
    is_ = replace(as_wanted(want, old), images={"new.sif": 3.0, "before.sif": 2.0, "older.sif": 1.0})
    assert plan(is_, want) == [("remove", f"{images}/older.sif")]
    # Another kind of Kraken: neither the last image nor the last environment goes at once.
    of_wheels = account(venv=VENV)
    made = {VENV.name: Made("d", "d", 5.0)}
    assert plan(replace(as_wanted(of_wheels, {f"{images}/before.sif": old[f"{images}/before.sif"]}), venvs=made,
                        images={"before.sif": 2.0}), of_wheels) == []  # fmt: skip
    bare = account()
    made |= {"kraken-000000000000": Made("d", "-", 1.0)}
    assert plan(replace(as_wanted(bare), venvs=made), bare) == [("remove", "/home/ada/ocr/kraken-000000000000")]


def test_modules_come_from_a_profile_that_is_not_written_for_strict_shells(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(f'umask 002\nmodule() {{ echo "$@" >{tmp_path}/loaded; [ $2 != none ]; }}\n$UNSET_BEFORE false\nfalse\n')
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nfor place; do :; done; mkdir -p "$place/bin"\n'
        'printf "#!/bin/sh\\n" | tee "$place/bin/kraken" >"$place/bin/python"; chmod u+x "$place/bin/"*\n'
    )
    python.chmod(0o755)

    def made(module: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in/file").touch()
        subprocess.run(["tar", "-cf", str(tmp_path / "in/wheels.tar"), "-C", str(tmp_path / "in"), "file"], check=True)
        venv = replace(VENV, python=str(python), modules=(module,))
        text = venv_script(
            venv, str(tmp_path), incoming=str(tmp_path / "in"), archive=str(tmp_path / "in/wheels.tar"), umask="077"
        )
        text = text.replace(". /etc/profile", f". {profile}")
        return subprocess.run(
            ["sh", "-s"], input=f"{{\nset -eu\n{text}\n}} </dev/null\n", capture_output=True, text=True, check=False
        )

    ran = made("python/3.11")
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    assert (tmp_path / "loaded").read_text() == "load python/3.11\n"
    [folder] = [path for path in tmp_path.glob("kraken-*") if path.is_dir()]
    assert folder.stat().st_mode & 0o077 == 0, "the profile's umask does not count"
    ran = made("none")
    assert ran.returncode == 1 and ran.stderr == "module load none failed\n"


@pytest.mark.parametrize(
    ("address", "keys_by", "why"),
    [
        ("192.168.7.12", "portal", "one of an inner network"),
        ("images.lab.example", "authorized_keys", "no IPv4 address"),
        ("2001:db8::7", "portal", "no IPv4 address"),
        ("192.168.7.12", "authorized_keys", ""),
        ("8.8.4.4", "portal", ""),
    ],
)
def test_an_address_that_no_cluster_sees_is_not_put_into_a_key_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, keys_by: str, why: str
) -> None:
    for name, value in (
        ("RECETTES_ESTATES", str(tmp_path)),
        ("RECETTES_ESTATE", "mylab"),
        ("RECETTES_GROUP_DATA", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    (tmp_path / "mylab").mkdir()
    (tmp_path / "lab.py").write_text(
        'from recettes.declarations.lab import Lab\nlab = Lab(name="L", domain="lab.test", contact="a@lab.test")\n'
    )
    (tmp_path / "mylab/machines.toml").write_text(
        f'[store]\naddress = "{address}"\nprivate_address = "10.0.0.1"\ngroups = ["images"]\n'
    )
    cluster = OcrCluster(
        name="fir", home="/home/ada", until=TODAY, kraken=KrakenProgram(program="/bin/true"), support="s@fir.test",
        keys_by="portal" if keys_by == "portal" else "authorized_keys",
    )  # fmt: skip
    lab = load()
    if not why:
        assert address_of(lab, cluster) == address
        return
    with pytest.raises(ContentsError, match=why) as raised:
        address_of(lab, cluster)
    assert address in str(raised.value) and "Nothing was done for this cluster" in str(raised.value)
    assert address_of(lab, cluster.model_copy(update={"submitter_address": "192.168.7.*"})) == "192.168.7.*"


@pytest.mark.parametrize("spool", ["/home/ada", "/home/ada/ocr", "/home/ada/ocr/images", "/home/ada/ocr/models/spool"])
def test_batches_do_not_lie_where_left_overs_are_removed(tmp_path: Path, spool: str) -> None:
    (tmp_path / "lab.py").write_text(LAB.format(spool=spool))
    with pytest.raises(DeclarationError, match="batches need a folder of their own"):
        gather(tmp_path)
    (tmp_path / "lab.py").write_text(LAB.format(spool="/home/ada/ocr/batches"))
    assert gather(tmp_path).lab.ocr


def test_the_lock_is_told_apart_from_what_a_shell_says_when_it_starts() -> None:
    assert _answer(["Welcome to the cluster\n", "held\n"]) == "held"
    assert _answer(["Welcome\n", "another run holds this machine: ada\n"]) == "another run holds this machine: ada"
    assert _answer(["Welcome\n"]) == ""


@pytest.mark.parametrize(
    ("status", "answer"), [(0, "held"), (1, "another run holds this machine: ada"), (71, "no file can be locked in {home}/ocr")]
)
def test_a_file_system_without_locks_is_not_taken_for_another_run(tmp_path: Path, status: int, answer: str) -> None:
    for program, does in {"flock": f"exit {status}", "id": "echo 1000"}.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / "ocr").mkdir()
    (tmp_path / "ocr/lock.holder").write_text("ada\n")
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", "-c", _script()], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert _answer(ran.stdout.splitlines()) == answer.format(home=tmp_path)


def test_an_account_s_key_needs_the_vault_without_a_submitter_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any machine is touched."""
    for name, value in (("ESTATES", str(tmp_path)), ("ESTATE", "mylab"), ("GROUP_DATA", str(tmp_path))):
        monkeypatch.setenv(f"RECETTES_{name}", value)
    (tmp_path / "mylab").mkdir()
    (tmp_path / "lab.py").write_text(LAB.format(spool="/scratch/ada/ocr"))
    (tmp_path / "mylab/machines.toml").write_text('[fir]\naddress = "fir.test"\ngroups = ["hpc"]\nuser = "ada"\n')
    with pytest.raises(SecretsError):
        check_secrets(load())
    Vault.disposable(tmp_path / "mylab")
    check_secrets(load())
