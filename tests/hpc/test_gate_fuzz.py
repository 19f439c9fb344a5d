"""Random and mutated requests and streams, straight into the gate, watched by an oracle.

RECETTES_FUZZ=100000 makes so many requests (DEFAULT otherwise), RECETTES_FUZZ_SEED=WORD others. The gate runs inside the
test, for speed; an audit hook of the interpreter sees every file it opens, renames or removes and every process it starts.
Slurm's answers are made up by the fuzzer too.
"""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hpc.account import Account, digest, record
from tests.hpc.inside import GATE, call

DEFAULT = 40_000  # about a minute; a thousand requests take a second and a half
REQUESTS = int(os.environ.get("RECETTES_FUZZ", DEFAULT))
SEED = os.environ.get("RECETTES_FUZZ_SEED", "0")
A_RUN = 40  # requests to one account, one after the other
CODES = {0, 64, 65, 66, 69, 73, 75, 77, 78}  # 70, a fault of the gate, is a find
SENTENCE = re.compile(r"ocr-gate: [ -~]{1,480}\n")

BATCHES = ("abc", "abd", "a-batch-2026", "x" * 48)
PAGES = ("p1.png", "p2.jpg", "P1.png", "p1.tif", "x" * 90 + ".jp2")
VERBS = ("hello", "put", "have", "submit", "status", "fetch", "cancel", "drop")
WEIGHTS = (1, 6, 2, 8, 4, 4, 2, 1)
ODD = (
    b"\x00", b"\n", b"\r", b" ", b"  ", b"\t", b"..", b"/", b"../", b"~", b"-", b"--", b"$(id)", b"`id`", b";id", b"|id",
    b"&", b">x", b"*", b"'", b'"', b"\\", b"\xff", b"\xc2\xa0", "а".encode(), "․".encode(), b"%s", b"%n", b"{}", b"\x1b[2J",
    b"#SBATCH --wrap=id\n", b"end 1\n", b"file ", b"-1", b"0", b"1e9", b"99999999999999999999", b".png", b".xml",
    b".alto.xml", b"tiny-print", b"abc", b"x" * 300, b"/etc/passwd", b"authorized_keys", b".new-abc", b".part-p1.png",
)  # fmt: skip
HOSTILE = (
    "../x.png",
    "../../made",
    "/etc/x.png",
    "a/b.png",
    "images/../../x.png",
    "-x.png",
    ".x.png",
    "order.json",
    "x.png\n",
    "*.png",
    "",
)
STATES = ("PENDING", "RUNNING", "COMPLETED", "TIMEOUT", "NODE_FAIL", "CANCELLED", "WHAT?", "")


class Watched:
    """What the gate did that leaves traces, as the interpreter's audit hook tells it; what is not expected goes to `escapes`."""

    def __init__(self) -> None:
        self.on, self.escapes = False, list[str]()
        self.absolute, self.programs = set[str](), set[str]()
        self.outside: dict[str, tuple[int, int, int]] = {}

    def begin(self, account: Account) -> None:
        self.outside = outside(account)
        self.absolute = {str(account.folder), str(account.spool), str(account.folder / "tiny-print.safetensors")}
        self.programs = {str(account.slurm / name) for name in ("sbatch", "squeue", "scancel")}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.truncate", "os.chmod"):
            for path in arguments[: 2 if event == "os.rename" else 1]:
                if (
                    not isinstance(path, int)
                    and ("/" in os.fsdecode(path) or os.fsdecode(path) in ("", ".", ".."))
                    and path not in self.absolute
                ):
                    self.escapes.append(f"{event} {path!r}")
        elif event.startswith(
            (
                "os.exec",
                "os.spawn",
                "os.posix_spawn",
                "os.system",
                "os.fork",
                "os.link",
                "os.symlink",
                "socket.",
                "ctypes.",
                "subprocess.",
            )
        ):
            self.escapes.append(f"{event} {arguments!r}")


WATCHED = Watched()
sys.addaudithook(WATCHED)


class MadeUpSlurm:
    """In the place of subprocess.Popen: records what would be started, answers by chance."""

    chance = random.Random(0)
    started: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __init__(self, command: list[str], **options: Any) -> None:
        if command[0] not in WATCHED.programs or not all(re.fullmatch(r"[A-Za-z0-9._:,=|%/@+-]+", word) for word in command):
            WATCHED.escapes.append(f"started {command!r}")
        if any(not isinstance(value, str) or "\n" in value for value in options["env"].values()) or options.get("shell"):
            WATCHED.escapes.append(f"environment {options!r}")
        self.command, self.returncode, self.program = command, 0, Path(command[0]).name

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        chance = MadeUpSlurm.chance
        if chance.random() < 0.1:
            self.returncode = 1
            return b"", chance.choice([b"", b"Unable to contact slurm controller\n", b"\xff\x00\x1b[2J" * 50, b"x" * 5000])
        if chance.random() < 0.02:
            raise subprocess.TimeoutExpired(self.command, timeout)
        if self.program == "sbatch":
            return chance.choice([b"100\n", b"101;cluster\n", b"", b"x\n", b"1" * 30 + b"\n", b"102"]), b""
        names = next((word[7:].split(",") for word in self.command if word.startswith("--name=")), [])
        lines = [
            f"{name}|{chance.choice(['100', 'x', ''])}|{chance.choice(['N/A', '0', '1', '-1'])}|{chance.choice(STATES)}"
            for name in names for _ in range(chance.randrange(3))
        ]  # fmt: skip
        return "\n".join([*lines, *chance.choices(["", "|||", "x", "a|b|c|d|e"], k=chance.randrange(2))]).encode(), b""

    def kill(self) -> None: ...

    def wait(self) -> int:
        return 0


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """On a memory disk, where there is one: the gate syncs every file."""
    shared = Path("/dev/shm")
    home = shared / f"recettes-fuzz-{os.getpid()}" if os.access(shared, os.W_OK) else tmp_path_factory.mktemp("fuzz")
    home.mkdir(mode=0o700, exist_ok=True)
    made = Account(home, pages=6, page_bytes=5000, batch_bytes=12_000, batches=3, spool_bytes=60_000, attempts=3, stall_seconds=5)
    made.set(pages_a_day=10**7, core_hours_a_day=10**6, log_bytes=100_000, slurm={"pages_a_task": 2})
    WATCHED.begin(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GATE, "settings_of", SettingsNowAndThen(vars(GATE)["settings_of"]))
        yield made
    shutil.rmtree(home)


class SettingsNowAndThen:
    """The installation is looked at in one call of twenty: no client has a say in it, and it is a third of a call's time."""

    def __init__(self, look: Callable[[str], dict[str, Any]]) -> None:
        self.look, self.calls = look, 0

    def __call__(self, folder: str) -> dict[str, Any]:
        self.calls += 1
        if self.calls % 20 == 1:
            self.found = self.look(folder)
        return self.found


def outside(account: Account) -> dict[str, tuple[int, int, int]]:
    """Every entry of the account that is no batch's: mode, size, time of change; without the gate's own log and ledger."""
    found = {}
    for folder in (account.home, account.folder, account.slurm, account.spool):
        for entry in os.scandir(folder):
            if entry.name not in ("batches", "log", "log.1", "log.2", "calls", "turns", "ledger.json", "spool"):
                state = entry.stat(follow_symlinks=False)
                found[entry.path] = (state.st_mode, state.st_size, state.st_mtime_ns)
    return found


ALLOWED = re.compile(
    r"[a-z0-9][a-z0-9-]{2,47}(/(made|whole|order\.json|lock|images|pages|results|runs"
    r"|runs/[1-3]|runs/[1-3]/(list|killed|0\.exit|0\.started)"
    r"|images/[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]{0,89}\.(png|jpg|jpeg|tif|tiff|jp2)|(pages|results)/[A-Za-z0-9._-]+))?"
)


def within(account: Account) -> None:
    """Below `batches` lies only what may be there, and every page is what its name says."""
    batches = account.spool / "batches"
    for path in batches.rglob("*"):
        assert ALLOWED.fullmatch(str(path.relative_to(batches))), path
        assert not path.is_symlink()
        if path.parent.name == "images":
            assert digest(path.read_bytes()) == path.name[:64]


def ask(account: Account, words: bytes, given: bytes, told: str = "") -> None:
    WATCHED.escapes.clear()
    with patch("subprocess.Popen", MadeUpSlurm):
        WATCHED.on = True
        try:
            answer = call(account, words, given)
        finally:
            WATCHED.on = False
    all_of_it = (told, words, given[:500], answer)
    assert not WATCHED.escapes, (WATCHED.escapes, all_of_it)
    assert outside(account) == WATCHED.outside, all_of_it
    assert answer.code in CODES, all_of_it
    if answer.code:
        assert SENTENCE.fullmatch(answer.words), all_of_it
        assert answer.out == b"" or words.startswith(b"fetch"), all_of_it
    assert (account.spool / "log").stat().st_size <= 100_000


def behave(account: Account, chance: random.Random) -> None:
    """What a job might leave, or a day."""
    for batch in (account.spool / "batches").iterdir():
        for run in (batch / "runs").iterdir():
            if chance.random() < 0.3:
                (run / "0.started").write_text('{"job": "100"}')
            if chance.random() < 0.3:
                (run / "0.exit").write_text('{"job": "100", "seconds": 1, "stopped": "", "contained": "none"}')
        for image in (batch / "images").iterdir():
            page = image.name[65:]
            verdict = chance.choice(["done", "failed", "refused", ""])
            if (batch / "order.json").exists() and verdict:
                (batch / "pages" / f"{page}.{verdict}").write_bytes(chance.choice([b"", b"why\n", b"\xff\x1b" * 50]))
                (batch / "results" / f"{page}.alto.xml").write_bytes(b"<alto/>" * chance.randrange(100))


MUTATIONS: tuple[Callable[[bytes, int, int, random.Random], bytes], ...] = (
    lambda content, at, _to, _chance: content[:at],
    lambda content, at, to, _chance: content[:at] + content[to:],
    lambda content, at, _to, chance: content[:at] + chance.choice(ODD) + content[at:],
    lambda content, at, _to, chance: content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :],
    lambda content, at, to, _chance: content[:at] + content[at:to] * 3 + content[to:],
    lambda content, _at, _to, _chance: content.swapcase(),
    lambda content, _at, _to, chance: content + chance.choice(ODD),
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 5])):
        at, to = sorted((chance.randrange(len(content) + 1), chance.randrange(len(content) + 1)))
        content = chance.choice(MUTATIONS)(content, at, to, chance)
    return content


def odd_name(name: str, chance: random.Random) -> bytes:
    return chance.choice(HOSTILE).encode() if chance.random() < 0.5 else mutated(name.encode(), chance)


def some_request(chance: random.Random) -> tuple[bytes, bytes]:
    verb = chance.choices(VERBS, WEIGHTS)[0]
    words = [verb]
    if verb != "hello" and (verb != "status" or chance.random() < 0.5):
        words.append(chance.choices(BATCHES, (9, 6, 2, 2))[0] if chance.random() < 0.97 else chance.choice(HOSTILE))
    if verb == "submit":
        words.append("tiny-print")
    if verb == "fetch" and chance.random() < 0.3:
        words.append(chance.choice(PAGES) + ".alto.xml")
    given = b""
    if verb == "put":
        names = chance.sample(PAGES, chance.randrange(len(PAGES) + 1))
        for name in names:
            # Mostly the same contents under the same name, as of a client that sends again what was cut off.
            content = name.encode() * chance.choices([len(name), 1, 40, 6000 // len(name)], (40, 1, 1, 1))[0]
            given += record(
                odd_name(name, chance) if chance.random() < 0.08 else name,
                content,
                said=b"other" if chance.random() < 0.03 else None,
            )
        given += b"end %d\n" % len(names)
        if chance.random() < 0.25:
            given = mutated(given, chance)
    return (mutated(" ".join(words).encode(), chance) if chance.random() < 0.3 else " ".join(words).encode()), given


def run_of_mutated_requests(account: Account, seed: str) -> None:
    chance = MadeUpSlurm.chance = random.Random(seed)
    for left in account.spool.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    for _ in range(A_RUN):
        ask(account, *some_request(chance), told=f"run {seed}")
        if chance.random() < 0.1 and (account.spool / "batches").exists():
            behave(account, chance)
    within(account)


def test_mutated_requests_do_nothing_but_what_the_key_is_for(account: Account) -> None:
    runs = max(10, REQUESTS // A_RUN)
    for number in range(runs):
        if number == runs // 10:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run_of_mutated_requests(account, f"{SEED} {number}")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64_000, "kB more after ten times as many requests"


ALWAYS = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=SEED == "0")
LIKE_WORDS = st.from_regex(r"(put|have|submit|status|fetch|cancel|drop) .*") | st.text(max_size=60)


@settings(ALWAYS, max_examples=max(1, REQUESTS // 12))
@given(words=st.binary(max_size=80) | LIKE_WORDS.map(str.encode), given=st.binary(max_size=600))
def random_requests(account: Account, words: bytes, given: bytes) -> None:
    ask(account, words, given)


def test_random_bytes_do_nothing_but_what_the_key_is_for(account: Account) -> None:
    random_requests(account)
    within(account)


def test_the_oracle_sees_an_escape(account: Account) -> None:
    """A gate that opened a path of the client's would be found out."""
    WATCHED.escapes.clear()
    WATCHED.on = True
    try:
        with (account.home / "planted").open("wb"):
            pass
        subprocess.run(["true"], check=True)
    finally:
        WATCHED.on = False
        (account.home / "planted").unlink()
    assert any("open" in escape for escape in WATCHED.escapes) and any("subprocess.Popen" in escape for escape in WATCHED.escapes)
