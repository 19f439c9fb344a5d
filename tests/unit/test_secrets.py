"""The estate's secrets: kept, shared, rotated, and never shown."""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from subprocess import PIPE

import pyrage  # type: ignore[import-untyped]
import pytest

from recettes.recipients import new_identity, read_recipients
from recettes.secrets import Secret, SecretsError, Vault

PROJECT = Path(__file__).resolve().parents[2]
VALUE = "correct horse battery staple"


@dataclass(frozen=True)
class Place:
    """A project folder of its own, with the real program and the real modules."""

    root: Path
    folder: Path

    def secrets(self, *words: str, given: str = "", estate: str = "lab") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(self.root / "bin" / "secrets"), "--estate", estate, *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)

    def python(self, program: str) -> subprocess.Popen[bytes]:
        head = "from pathlib import Path; from recettes.secrets import Vault; "
        program = f"{head}vault = Vault(Path({str(self.folder)!r}))\n{program}"
        return subprocess.Popen([sys.executable, "-c", program], cwd=self.root, stdout=PIPE, stderr=PIPE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "bin").mkdir()
    shutil.copy(PROJECT / "bin" / "secrets", tmp_path / "bin")
    (tmp_path / "recettes").symlink_to(PROJECT / "recettes")
    folder = tmp_path / "estates" / "lab"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECETTES_IDENTITY", str(tmp_path / "marie.txt"))
    monkeypatch.delenv("RECETTES_ESTATE", raising=False)
    return Place(tmp_path, folder)


@pytest.fixture
def people(place: Place) -> dict[str, str]:
    """Public keys; the private ones are in marie.txt, sealed.txt and paul.txt."""
    return {name: new_identity(place.root / f"{name}.txt") for name in ("marie", "sealed", "paul")}


@pytest.fixture
def vault(place: Place, people: dict[str, str]) -> Vault:
    vault = Vault.open(place.folder)
    vault.add_recipient(people["marie"], "marie")
    vault.add_recipient(people["sealed"], "sealed")
    return Vault.create(place.folder)


@pytest.fixture
def be(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setenv("RECETTES_IDENTITY", str(place.root / f"{name}.txt"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# A value that does not show


def test_a_secret_shows_its_name_wherever_text_is_made_of_it() -> None:
    secret = Secret("db", VALUE)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!s:>40}",
        f"{secret:>40}",
        "%s %r" % (secret, secret),  # noqa: UP031
        repr({"a": [secret]}),
        json.dumps({"a": secret}, default=str),
    ]
    for text in shown:
        assert "<secret db>" in text
        assert VALUE not in text
    assert secret.reveal() == VALUE


@pytest.mark.parametrize(
    "leak",
    [
        json.dumps,
        pickle.dumps,
        vars,
        list,
        bytes,
        len,
        lambda secret: "password=" + secret,
        lambda secret: secret + "",
        lambda secret: "".join([secret]),
        lambda secret: secret.encode(),
        lambda secret: secret.__value,
    ],
)
def test_a_secret_refuses_to_be_taken_for_text(leak: Callable[[object], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        leak(Secret("db", VALUE))
    assert VALUE not in str(caught.value)


def test_a_secret_does_not_change_and_equals_only_the_same_secret() -> None:
    secret = Secret("db", VALUE)
    with pytest.raises(AttributeError):
        secret.name = "other"
    with pytest.raises(AttributeError):
        del secret.name
    assert secret == Secret("db", VALUE) == copy.deepcopy(secret)
    assert secret != Secret("db", "else")
    assert secret != Secret("other", VALUE)
    assert secret != VALUE


# What is kept


def test_what_was_set_is_there_for_the_next_command_and_only_encrypted_on_disk(vault: Vault) -> None:
    vault.set("smtp", VALUE)
    assert Vault.open(vault.folder).get("smtp").reveal() == VALUE
    for file in vault.folder.iterdir():
        assert VALUE.encode() not in file.read_bytes()
        assert b"smtp" not in file.read_bytes()


def test_the_file_and_its_predecessor_are_for_their_owner_only_whatever_the_umask(vault: Vault) -> None:
    before = os.umask(0)
    try:
        vault.set("a", "1")
        vault.set("a", "2")
    finally:
        os.umask(before)
    assert mode(vault.file) == mode(vault.folder / "secrets.age.previous") == 0o600


def test_the_previous_file_opens_to_the_state_before_the_last_change(vault: Vault) -> None:
    vault.set("a", "first")
    vault.set("a", "second")
    shutil.copy(vault.folder / "secrets.age.previous", vault.file)
    assert Vault.open(vault.folder).get("a").reveal() == "first"


def test_a_random_secret_is_made_once_and_kept(vault: Vault) -> None:
    assert not vault.has("db")
    today = date.today()
    first = vault.ensure("db", length=40)
    assert vault.has("db")
    assert vault.ensure("db").reveal() == first.reveal()
    assert len(first.reveal()) == 40
    assert first.reveal().isalnum()
    assert vault.ensure("other").reveal() != first.reveal()
    assert today <= vault.entries()["db"].made <= date.today()
    assert vault.entries()["db"].kind == "random"


def test_a_short_random_secret_is_refused(vault: Vault) -> None:
    with pytest.raises(ValueError, match="20"):
        vault.ensure("db", length=8)
    assert not vault.has("db")


def test_asking_what_is_there_writes_nothing(vault: Vault) -> None:
    vault.set("a", "1")
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in vault.folder.iterdir()}
    vault.has("a"), vault.has("b"), vault.get("a"), vault.entries(), vault.recipients(), vault.ensure("a")
    assert before == {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in vault.folder.iterdir()}


def test_an_open_vault_sees_what_another_command_wrote(vault: Vault) -> None:
    vault.set("a", "1")
    other = Vault.open(vault.folder)
    assert other.get("a").reveal() == "1"
    vault.set("a", "2")
    assert other.get("a").reveal() == "2"


@pytest.mark.parametrize("name", ["", "A", "-a", "../x", "a\nb", "é", "x" * 101, VALUE])
def test_an_odd_name_is_refused_without_repeating_it(vault: Vault, name: str) -> None:
    for attempt in (vault.get, vault.has, vault.ensure, vault.rotate, lambda name: vault.set(name, "1")):
        with pytest.raises(SecretsError, match="no name of a secret") as caught:
            attempt(name)
        assert VALUE not in str(caught.value)
    assert not vault.entries()


def test_rotating_one_keeps_its_length_and_leaves_the_others(vault: Vault) -> None:
    before = {name: vault.ensure(name, length=24).reveal() for name in ("a", "b")}
    vault.rotate("a")
    assert vault.get("a").reveal() != before["a"]
    assert len(vault.get("a").reveal()) == 24
    assert vault.get("b").reveal() == before["b"]


def test_rotating_all_changes_every_random_one_and_no_given_one(vault: Vault) -> None:
    before = {name: vault.ensure(name).reveal() for name in ("a", "b")}
    vault.set("smtp", VALUE)
    assert vault.rotate_all() == ("a", "b")
    assert all(vault.get(name).reveal() != value for name, value in before.items())
    assert vault.get("smtp").reveal() == VALUE


def test_rotating_what_was_given_or_is_not_there_says_what_to_do(vault: Vault) -> None:
    vault.set("smtp", VALUE)
    for name in ("smtp", "absent"):
        with pytest.raises(SecretsError, match=f"bin/secrets --estate lab set {name}"):
            vault.rotate(name)


# Who can open it


def test_each_recipient_opens_it_and_nobody_else(vault: Vault, be: Callable[[str], None]) -> None:
    vault.set("a", "1")
    be("sealed")
    assert Vault.open(vault.folder).get("a").reveal() == "1"
    be("paul")
    with pytest.raises(SecretsError, match=r"not encrypted to your identity .*add-recipient"):
        Vault.open(vault.folder).get("a")


def test_an_added_person_opens_it_and_a_removed_one_no_more(
    vault: Vault, people: dict[str, str], be: Callable[[str], None]
) -> None:
    vault.set("a", "1")
    vault.add_recipient(people["paul"], "paul")
    assert read_recipients(vault.folder) == vault.recipients() == people
    be("paul")
    assert Vault.open(vault.folder).get("a").reveal() == "1"
    be("marie")
    vault.remove_recipient("paul")
    assert "paul" not in read_recipients(vault.folder)
    be("paul")
    with pytest.raises(SecretsError, match="not encrypted to your identity"):
        Vault.open(vault.folder).get("a")


def test_a_line_slipped_into_the_list_opens_nothing_and_is_named(
    vault: Vault, people: dict[str, str], be: Callable[[str], None]
) -> None:
    with (vault.folder / "recipients.txt").open("a") as file:
        file.write(f"{people['paul']}  # paul\n")
    with pytest.raises(SecretsError, match=r"paul .*cannot open the secrets but is in .*remove-recipient 'paul'"):
        vault.set("a", "1")
    assert not vault.has("a")
    vault.remove_recipient("paul")
    vault.set("a", "1")
    be("paul")
    with pytest.raises(SecretsError, match="not encrypted to your identity"):
        Vault.open(vault.folder).get("a")


def test_a_line_taken_out_of_the_list_by_hand_is_named_and_the_command_finishes_it(vault: Vault, people: dict[str, str]) -> None:
    vault.add_recipient(people["paul"], "paul")
    text = (vault.folder / "recipients.txt").read_text()
    (vault.folder / "recipients.txt").write_text(text.replace(f"# paul\n{people['paul']}\n", ""))
    with pytest.raises(SecretsError, match=r"paul .*can open the secrets but is not in"):
        vault.set("a", "1")
    vault.remove_recipient("paul")
    vault.set("a", "1")
    assert "paul" not in vault.recipients()


def test_an_addition_cut_off_before_the_list_was_written_is_finished_by_the_same_command(
    vault: Vault, people: dict[str, str]
) -> None:
    before = (vault.folder / "recipients.txt").read_text()
    vault.add_recipient(people["paul"], "paul")
    (vault.folder / "recipients.txt").write_text(before)
    vault.add_recipient(people["paul"], "paul")
    assert read_recipients(vault.folder) == people


def test_a_real_estate_demands_two_recipients(place: Place, people: dict[str, str]) -> None:
    vault = Vault.open(place.folder)
    vault.add_recipient(people["marie"], "marie")
    with pytest.raises(SecretsError, match=r"1 recipients, and needs 2: .*new-identity"):
        Vault.create(place.folder)
    assert not vault.file.exists()


def test_the_last_but_one_recipient_cannot_be_removed(vault: Vault) -> None:
    with pytest.raises(SecretsError, match="needs 2"):
        vault.remove_recipient("sealed")
    assert set(vault.recipients()) == {"marie", "sealed"}


def test_nobody_locks_himself_out(vault: Vault, people: dict[str, str]) -> None:
    vault.add_recipient(people["paul"], "paul")
    with pytest.raises(SecretsError, match="lock yourself out"):
        vault.remove_recipient("marie")
    assert set(vault.recipients()) == {"marie", "sealed", "paul"}


def test_a_throw_away_estate_makes_its_own_identity_and_needs_nobody_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECETTES_IDENTITY")
    folder = place.root / "estates" / "containers"
    Vault.disposable(folder).set("a", "1")
    assert Vault.disposable(folder).get("a").reveal() == "1"
    assert mode(folder / "identity.txt") == 0o600
    assert len(read_recipients(folder)) == 1


def test_a_throw_away_estate_whose_making_was_cut_off_is_finished(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECETTES_IDENTITY")
    folder = place.root / "estates" / "containers"
    folder.mkdir()
    new_identity(folder / "identity.txt")
    Vault.disposable(folder).set("a", "1")
    assert Vault.open(folder).get("a").reveal() == "1"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("# paul\nage1nonsense", "line 6: the key of paul is not an age public key"),
        ("{paul}", "line 5: '' does not name"),
        ("{marie} # paul", "line 5: the key of paul is that of marie"),
        ("{paul} # marie", "line 5: marie is there already"),
    ],
)
def test_a_wrong_line_in_the_list_is_named(vault: Vault, people: dict[str, str], line: str, complaint: str) -> None:
    with (vault.folder / "recipients.txt").open("a") as file:
        file.write(line.format(**people) + "\n")
    with pytest.raises(SecretsError, match=complaint):
        vault.set("a", "1")


def test_a_private_key_given_for_a_public_one_is_refused_without_repeating_it(vault: Vault) -> None:
    private = str(pyrage.x25519.Identity.generate())
    with pytest.raises(SecretsError, match="this is a private key") as caught:
        vault.add_recipient(private, "paul")
    assert private not in str(caught.value)


@pytest.mark.skipif(shutil.which("age") is None, reason="the age program is not here")
def test_the_age_program_opens_and_closes_it_without_us(place: Place, vault: Vault) -> None:
    vault.set("a", VALUE)
    opened = subprocess.run(
        ["age", "--decrypt", "-i", str(place.root / "sealed.txt"), str(vault.file)],
        check=True,
        capture_output=True,
    )
    assert json.loads(opened.stdout)["secrets"]["a"]["value"] == VALUE
    changed = opened.stdout.replace(VALUE.encode(), b"changed with age")
    to = ["-R", str(vault.folder / "recipients.txt"), "-o", str(vault.file)]
    subprocess.run(["age", "--encrypt", *to], check=True, input=changed)
    assert vault.get("a").reveal() == "changed with age"


# What can be wrong


def test_a_missing_file_says_which_command_makes_it(place: Place, people: dict[str, str]) -> None:
    with pytest.raises(SecretsError, match="bin/secrets --estate lab init"):
        Vault.open(place.folder).get("a")


def test_a_missing_file_with_a_predecessor_says_how_to_return_to_it(vault: Vault) -> None:
    vault.set("a", "1")
    vault.file.unlink()
    with pytest.raises(SecretsError, match=r"cp -p .*secrets.age.previous") as caught:
        vault.get("a")
    subprocess.run("cp " + str(caught.value).partition(": cp ")[2], shell=True, check=True)
    assert not vault.has("a")


def test_a_missing_estate_is_no_traceback(place: Place) -> None:
    with pytest.raises(SecretsError, match="no estate nowhere"):
        Vault.open(place.root / "estates" / "nowhere").set("a", "1")


def test_a_missing_identity_says_where_it_was_looked_for(vault: Vault, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECETTES_IDENTITY", "/nowhere/key.txt")
    with pytest.raises(SecretsError, match=r"/nowhere/key.txt, which RECETTES_IDENTITY names"):
        vault.get("a")
    monkeypatch.delenv("RECETTES_IDENTITY")
    with pytest.raises(SecretsError, match=r"lab/identity.txt and .*\.config/recettes/identity.txt.*new-identity"):
        Vault.open(vault.folder).get("a")


def test_the_identity_is_found_beside_the_secrets_or_at_home(vault: Vault, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.set("a", "1")
    monkeypatch.delenv("RECETTES_IDENTITY")
    home = place.root / "home" / ".config" / "recettes"
    home.mkdir(parents=True)
    for there in (home / "identity.txt", vault.folder / "identity.txt"):
        shutil.copy(place.root / "marie.txt", there)
        assert Vault.open(vault.folder).get("a").reveal() == "1"
        there.unlink()


def test_an_identity_that_others_may_read_is_refused(vault: Vault, place: Place) -> None:
    (place.root / "marie.txt").chmod(0o644)
    with pytest.raises(SecretsError, match="chmod 600"):
        vault.set("a", "1")


def test_an_identity_that_is_none_is_not_quoted(vault: Vault, place: Place) -> None:
    (place.root / "marie.txt").write_text("AGE-SECRET-KEY-1TYPO\n")
    with pytest.raises(SecretsError, match="not an age identity") as caught:
        vault.get("a")
    whole = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=False).format())
    assert "TYPO" not in whole


def test_no_identity_is_overwritten(place: Place, people: dict[str, str]) -> None:
    before = (place.root / "marie.txt").read_text()
    with pytest.raises(SecretsError, match="never overwritten"):
        new_identity(place.root / "marie.txt")
    assert (place.root / "marie.txt").read_text() == before


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "foreign", "later"])
def test_a_damaged_file_is_named_and_nothing_is_written(vault: Vault, people: dict[str, str], damage: str) -> None:
    vault.set("a", VALUE)
    whole = vault.file.read_bytes()
    to = [pyrage.x25519.Recipient.from_str(people["marie"])]
    damaged = {
        "cut": whole[:-20],
        "empty": b"",
        "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        "foreign": pyrage.encrypt(b"something else", to),
        "later": pyrage.encrypt(b'{"version": 2}', to),
    }[damage]
    vault.file.write_bytes(damaged)
    for attempt in (lambda: vault.get("a"), lambda: vault.set("b", VALUE), vault.rotate_all):
        with pytest.raises(SecretsError, match=r"damaged .*Nothing was written.*previous"):
            attempt()
    assert vault.file.read_bytes() == damaged


def test_what_was_decrypted_is_in_no_traceback_even_with_local_variables(vault: Vault, people: dict[str, str]) -> None:
    to = [pyrage.x25519.Recipient.from_str(people["marie"])]
    for text in (
        f'{{"version": 1, "secrets": {{"a": "{VALUE}"}}',
        f'{{"version": 1, "secrets": {{"a": "{VALUE}"}}}}',
    ):
        vault.file.write_bytes(pyrage.encrypt(text.encode(), to))
        with pytest.raises(SecretsError) as caught:
            vault.get("a")
        frames = caught.value.__traceback__
        assert frames is not None
        inner = traceback.TracebackException(SecretsError, caught.value, frames.tb_next, capture_locals=True)
        assert VALUE not in "".join(inner.format())
        assert caught.value.__context__ is None


def test_a_full_disk_leaves_the_secrets_as_they_were(vault: Vault) -> None:
    vault.set("a", "1")
    before = sorted(file.name for file in vault.folder.iterdir())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(SecretsError, match="No file was left half written"):
            vault.set("b", VALUE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert vault.get("a").reveal() == "1"
    assert not vault.has("b")
    assert before == sorted(file.name for file in vault.folder.iterdir())


def test_what_a_killed_command_left_is_harmless_and_goes_with_the_next_change(vault: Vault) -> None:
    vault.set("a", "1")
    stray = vault.folder / "secrets.age.123.456.staged"
    stray.write_bytes(b"half")
    assert vault.get("a").reveal() == "1"
    vault.set("b", "2")
    assert not stray.exists()
    assert vault.get("b").reveal() == "2"


# Several at once


def test_commands_at_once_lose_none_of_each_others_writes(place: Place, vault: Vault) -> None:
    names = [[f"{who}{number}" for number in range(15)] for who in "abc"]
    running = [place.python(f"for name in {group}: vault.set(name, name * 3)") for group in names]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert {name: entry.secret.reveal() for name, entry in vault.entries().items()} == {
        name: name * 3 for group in names for name in group
    }


def test_commands_at_once_get_the_same_random_values(place: Place, vault: Vault) -> None:
    program = (
        "import hashlib\nfor number in range(20):"
        " print(hashlib.sha256(vault.ensure(f'db{number}').reveal().encode()).hexdigest())"
    )
    running = [place.python(program) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == 1
    assert len(answers.pop().split()) == 20


def test_a_change_builds_on_what_is_there_even_when_it_looks_like_what_was_read_before(
    vault: Vault, place: Place, people: dict[str, str]
) -> None:
    vault.set("a", "1")
    old = vault.file.stat()
    assert vault.get("a").reveal() == "1"
    identity = pyrage.x25519.Identity.from_str((place.root / "marie.txt").read_text().split()[-1])
    to = [pyrage.x25519.Recipient.from_str(people[name]) for name in ("marie", "sealed")]
    plain = pyrage.decrypt(vault.file.read_bytes(), [identity]).replace(b'"value": "1"', b'"value": "2"')
    sealed = b""
    while len(sealed) != old.st_size:  # age puts padding of random length into the head
        sealed = pyrage.encrypt(plain, to)
    vault.file.write_bytes(sealed)
    os.utime(vault.file, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert vault.get("a").reveal() == "1", "the file was to look unchanged"
    vault.set("b", "3")
    assert vault.get("a").reveal() == "2"


def test_a_command_killed_at_any_moment_leaves_the_secrets_whole(place: Place, vault: Vault) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    lengths = {f"name{number}": vault.ensure(f"name{number}", length=20 + number) for number in range(10)}
    for _ in range(12):
        process = place.python("while True: vault.rotate_all()")
        changed = time.monotonic() + 30
        before = vault.file.read_bytes()
        while vault.file.read_bytes() == before and time.monotonic() < changed:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.05)
        process.kill()
        process.communicate()
        assert vault.file.read_bytes() != before, "the command never came to write"
        held = Vault.open(vault.folder).entries()
        assert {name: len(entry.secret.reveal()) for name, entry in held.items()} == {
            name: len(secret.reveal()) for name, secret in lengths.items()
        }
    vault.set("after", "1")
    assert not list(vault.folder.glob("*.staged"))


def test_a_lock_held_too_long_is_said_and_nothing_written(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr("recettes.durable.PATIENCE", 0.1)
    with (vault.folder / "secrets.age.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SecretsError, match="another command has held"):
            vault.set("a", "1")
    assert not vault.has("a")


# The program


def test_a_real_estate_is_made_with_the_commands_that_the_errors_name(place: Place) -> None:
    refused = place.secrets("init")
    assert refused.returncode == 1
    assert "new-identity FILE" in refused.stderr
    for name in ("marie", "sealed"):
        made = place.secrets("new-identity", str(place.root / f"{name}.txt"))
        assert place.secrets("add-recipient", made.stdout.strip(), name).returncode == 0
    assert place.secrets("init").returncode == 0
    assert place.secrets("set", "smtp", given=f"{VALUE}\n").returncode == 0
    assert place.secrets("get", "smtp").stdout == f"{VALUE}\n"
    again = place.secrets("init")
    assert (again.returncode, again.stderr.count("there already")) == (1, 1)
    assert place.secrets("get", "smtp").stdout == f"{VALUE}\n"


def test_the_containers_estate_is_made_by_one_command(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECETTES_IDENTITY")
    assert place.secrets("init", estate="containers").returncode == 0
    assert place.secrets("init", estate="containers").returncode == 0
    assert place.secrets("list", estate="containers").returncode == 0


def test_no_command_but_get_shows_a_value(place: Place, vault: Vault, people: dict[str, str]) -> None:
    vault.set("smtp", VALUE)
    values = {VALUE, vault.ensure("db").reveal()}
    commands = [
        ["list"],
        ["recipients"],
        ["set", "smtp"],
        ["rotate", "db"],
        ["rotate", "smtp"],
        ["rotate", "--all"],
        ["add-recipient", people["paul"], "paul"],
        ["remove-recipient", "paul"],
        ["get", "absent"],
        ["set", "smtp", VALUE],
        ["set", VALUE],
        ["get", VALUE],
        ["init"],
    ]
    for words in commands:
        done = place.secrets(*words, given=VALUE)
        values.add(vault.get("db").reveal())
        assert done.stdout + done.stderr
        assert not any(value in done.stdout + done.stderr for value in values), words
        assert "Traceback" not in done.stderr
    (vault.folder / "recipients.txt").write_text("nonsense")
    done = place.secrets("set", "smtp", given=VALUE)
    assert done.returncode == 1
    assert VALUE not in done.stdout + done.stderr


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows it in /proc")
def test_a_value_is_in_no_command_line_or_environment(place: Place, vault: Vault) -> None:
    command = [sys.executable, str(place.root / "bin" / "secrets"), "--estate", "lab", "set", "smtp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(VALUE.encode())
        process.stdin.flush()
        time.sleep(0.3)
        for file in ("cmdline", "environ"):
            assert VALUE.encode() not in Path(f"/proc/{process.pid}/{file}").read_bytes()
        process.communicate(timeout=60)
    assert vault.get("smtp").reveal() == VALUE


def test_a_value_on_the_command_line_is_refused_as_misuse(place: Place, vault: Vault) -> None:
    done = place.secrets("set", "smtp", VALUE)
    assert done.returncode == 2
    assert "never goes on the command line" in done.stderr
    assert not vault.has("smtp")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["rotate"], ["rotate", "a", "--all"], ["get"], ["--estate", "../x", "list"]])
def test_misuse_ends_with_2(place: Place, vault: Vault, words: list[str]) -> None:
    done = place.secrets(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_failure_ends_with_1_and_a_sentence(place: Place, people: dict[str, str]) -> None:
    done = place.secrets("get", "smtp")
    assert done.returncode == 1
    assert done.stderr.startswith("bin/secrets: Estate lab has no secrets")
    done = place.secrets("list", estate="nowhere")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


@pytest.mark.parametrize("value", ["one\ntwo", "one\ntwo\n", "  blanks ", "é ü 漢", "$(reboot) `id` ' \""])
def test_a_given_value_comes_back_to_the_letter(place: Place, vault: Vault, value: str) -> None:
    assert place.secrets("set", "smtp", given=value + "\n").returncode == 0
    assert vault.get("smtp").reveal() == value


def test_an_empty_value_is_refused(place: Place, vault: Vault) -> None:
    vault.set("smtp", VALUE)
    done = place.secrets("set", "smtp", given="\n")
    assert (done.returncode, "is empty" in done.stderr) == (1, True)
    assert vault.get("smtp").reveal() == VALUE


def test_removing_a_person_advises_to_rotate_and_rotating_all_names_what_was_given(
    place: Place, vault: Vault, people: dict[str, str]
) -> None:
    vault.add_recipient(people["paul"], "paul")
    vault.set("smtp", VALUE)
    vault.ensure("db")
    assert "rotate --all" in place.secrets("remove-recipient", "paul").stdout
    said = place.secrets("rotate", "--all").stdout
    assert "Made anew: db." in said
    assert "replaced by hand, each with `set`: smtp." in said


def test_the_estate_is_named_by_the_environment_when_not_on_the_command_line(
    place: Place, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.set("smtp", VALUE)
    monkeypatch.setenv("RECETTES_ESTATE", "lab")
    command = [sys.executable, str(place.root / "bin" / "secrets"), "get", "smtp"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{VALUE}\n"


def test_the_program_takes_the_projects_own_python_when_there_is_one(place: Place) -> None:
    python = place.root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "own python: $2 $3"\n')
    python.chmod(0o755)
    command = ["python3", str(place.root / "bin" / "secrets"), "list", "more"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "own python: list more\n"


def test_a_run_that_needs_no_secret_loads_no_cryptography() -> None:
    program = (
        "import sys; from pathlib import Path; import recettes.authority; "
        "from recettes.secrets import Vault; Vault.open(Path('nowhere')); "
        "print(sorted({'pyrage', 'cryptography', 'secrets'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, check=True)
    assert done.stdout == b"[]\n"
