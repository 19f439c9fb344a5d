"""What is made of the answers when a key is tried: nothing but refusals will do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from recettes.ocr.proof import TRIES, Proof, due, plan_proofs, tries_script, unproved
from recettes.ocr.submitter import Reached

ROBOT = Reached("fir", "robot.test", 22, "ada", ("ssh-ed25519 AAAA",), True)
PROOF = Proof(ROBOT, 'restrict,from="192.0.2.*",command="gate" ssh-ed25519 BBBB', "192.0.2.*", "A person has to hand it in. ")
HELLO = 'hello\t0\t{"address": "192.0.2.7", "gate": 1}'
ANSWERS = dict.fromkeys(TRIES, (64, "ocr-gate: this is not one of the commands of this key")) | {
    "the subsystem sftp": (64, ""),
    "a forwarding to the cluster's inside": (255, "channel 0: open failed: administratively prohibited"),
    "a forwarding to here": (255, "Error: remote port forwarding failed for listen port 0"),
    "a terminal": (64, "PTY allocation request failed on channel 0 ocr-gate: this is not one of the commands of this key"),
}


def lines(hello: str = HELLO) -> list[str]:
    return [hello, *(f"{name}\t{code}\t{said}" for name, (code, said) in ANSWERS.items())]


def with_answer(name: str, code: int, said: str) -> list[str]:
    return [f"{name}\t{code}\t{said}" if line.startswith(f"{name}\t") else line for line in lines()]


def test_a_key_that_gets_nothing_but_the_gate_is_proved() -> None:
    assert unproved(lines(), PROOF) == []


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("a shell", 0, ""),
        ("a command", 1, "recettes-proof uid=1100(ada)"),
        ("a command after one of its own", 0, '{"gate": 1}'),
        ("the subsystem sftp", 0, ""),
        ("scp", 1, "scp: .ssh/authorized_keys: No such file or directory"),
        ("a forwarding to the cluster's inside", 255, "SSH-2.0-OpenSSH_10.0"),
        ("a forwarding to here", 0, '{"gate": 1}'),
        ("a terminal", 64, "ocr-gate: this is not one of the commands of this key"),
        ("a forwarding to the cluster's inside", 255, "channel 0: open failed: connect failed: Connection refused"),
    ],
)
def test_whatever_else_is_had_is_named(name: str, code: int, said: str) -> None:
    [sentence] = unproved(with_answer(name, code, said), PROOF)
    assert sentence.startswith(f"robot.test has to refuse the key {name}, and this came of it: ")


def test_a_try_that_did_not_reach_the_cluster_proves_nothing() -> None:
    gone = "ssh: connect to host robot.test port 22: Connection refused"
    sentences = unproved([HELLO, *(f"{name}\t255\t{gone}" for name in TRIES)], PROOF)
    assert len(sentences) == len(TRIES) and all(sentence.endswith(gone) for sentence in sentences)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("the subsystem sftp", "subsystem request failed on channel 0"),
        ("a terminal", "PTY allocation request failed on channel 0"),  # a newer ssh goes no further
    ],
)
def test_what_sshd_refuses_before_the_gate_is_called_is_refused(name: str, said: str) -> None:
    assert unproved(with_answer(name, 255, said), PROOF) == []


def test_a_key_that_is_not_let_in_is_told_with_its_address_and_what_to_do() -> None:
    [sentence] = unproved(["hello\t255\tada@robot.test: Permission denied (publickey)."], PROOF)
    assert "does not let the key in" in sentence and "A person has to hand it in. " in sentence and "192.0.2.*" in sentence


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (255, "ssh: connect to host robot.test port 22: Connection timed out", "robot.test could not be reached: ssh: connect"),
        (255, "ssh: Could not resolve hostname robot.test: Name or service not known", "could not be reached"),
        (255, "Host key verification failed.", "shows another host key than the one declared: Host key verification failed."),
        (124, "", "did not let the key in or did not answer within 60 s"),
    ],
)
def test_a_cluster_that_was_not_asked_is_not_said_to_keep_the_key_out(code: int, said: str, told: str) -> None:
    """Nobody is sent to the portal, or made to compare addresses, for a cluster that is down."""
    [sentence] = unproved([f"hello\t{code}\t{said}"], PROOF)
    assert told in sentence and "is not known" in sentence
    assert "hand it in" not in sentence and "192.0.2" not in sentence and "lets the key in, but" not in sentence


def test_a_cluster_that_does_not_answer_is_not_tried_on(tmp_path: Path) -> None:
    """Twelve times a minute is long, and nothing would come of it."""
    (tmp_path / "timeout").write_text(f"#!/bin/sh\necho called >>{tmp_path}/calls\nexit 124\n")
    (tmp_path / "timeout").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["sh", "-eu"], input=tries_script(PROOF), env=environment, capture_output=True, text=True, check=True)
    assert (tmp_path / "calls").read_text() == "called\n"
    [sentence] = unproved(ran.stdout.splitlines(), PROOF)
    assert "did not answer within 60 s" in sentence


def test_an_answer_may_be_as_long_as_a_lab_s_models_make_it(tmp_path: Path) -> None:
    hello = json.dumps({"address": "192.0.2.7", "models": [f"print-of-the-century-number-{number}" for number in range(100)]})
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho '{hello}'\n")
    (tmp_path / "runuser").write_text('#!/bin/sh\nshift 3; exec "$@"\n')
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = tries_script(PROOF).partition("\ntry_it 'a shell'")[0]
    ran = subprocess.run(["sh", "-eu"], input=script, env=environment, capture_output=True, text=True, check=True)
    assert unproved([ran.stdout.rstrip("\n"), *lines()[1:]], PROOF) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("echo 198.51.100.9", "this machine has 198.51.100.9 outside, which does not fit"),
        ("echo 192.0.2.7", "this machine has 192.0.2.7 outside, which fits"),
        ("echo '<html>no such thing</html>'", "Compare: the cloud's dashboard shows it"),
        ("exit 28", "Compare: the cloud's dashboard shows it"),
    ],
    ids=["another", "the same", "garbage", "no cloud"],
)
def test_who_is_not_let_in_is_told_which_address_to_hold_against_the_declared_one(tmp_path: Path, answer: str, told: str) -> None:
    """Asked by the script itself, with stand-ins for what it calls."""
    denied = "echo 'ada@robot.test: Permission denied (publickey).' >&2; exit 255"
    for name, does in {"ssh": denied, "curl": answer, "runuser": 'shift 3; exec "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/calls\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["sh", "-eu"], input=tries_script(PROOF), env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr == "" and (tmp_path / "calls").read_text().split() == ["runuser", "ssh", "curl"], "no second login"
    [sentence] = unproved(ran.stdout.splitlines(), PROOF)
    assert "Permission denied" in sentence and "let in from 192.0.2.* only" in sentence and told in sentence


def test_a_try_that_the_gate_puts_off_got_nothing_either() -> None:
    """Where few calls a minute are allowed. But what a forwarding is tried with is a word of the gate's."""
    busy = "ocr-gate: more than 5 calls this minute"
    for name in ("a shell", "a command after one of its own", "scp"):
        assert unproved(with_answer(name, 75, busy), PROOF) == []
    assert unproved(with_answer("the subsystem sftp", 75, ""), PROOF) == []
    assert unproved(with_answer("a terminal", 75, f"PTY allocation request failed on channel 0 {busy}"), PROOF) == []
    for name, said in (("a shell", "busy"), ("a terminal", busy), ("a forwarding to here", busy)):
        [sentence] = unproved(with_answer(name, 75, said), PROOF)
        assert f"has to refuse the key {name}, and" in sentence


def test_another_address_than_declared_is_told() -> None:
    [sentence] = unproved(lines('hello\t0\t{"address": "198.51.100.9", "gate": 1}'), PROOF)
    assert 'sees this machine at 198.51.100.9, and the key line says from="192.0.2.*"' in sentence


@pytest.mark.parametrize("said", ["hello\t0\twelcome", "hello\t69\tocr-gate: this key is stopped", "hello\t0\t[]"])
def test_another_answer_than_the_gates_proves_nothing(said: str) -> None:
    [sentence] = unproved(lines(said), PROOF)
    assert "the gate does not answer" in sentence


def test_a_try_that_was_not_made_proves_nothing() -> None:
    with pytest.raises(ValueError, match="not every try"):
        unproved(lines()[:-1], PROOF)


def test_a_key_is_proved_again_when_anything_is_another_and_forgotten_with_its_cluster() -> None:
    assert plan_proofs({"fir": PROOF.digest}, [PROOF]) == []
    other = Proof(ROBOT, PROOF.line.replace("BBBB", "CCCC"), PROOF.address, "")
    [change] = plan_proofs({"fir": PROOF.digest}, [other])
    assert (change.action, due([change], [other])) == ("prove", [other])
    assert [(change.action, change.item) for change in plan_proofs({"old": "x"}, [])] == [("forget", "key at old")]
