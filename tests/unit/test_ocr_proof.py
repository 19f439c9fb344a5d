"""What is made of the answers when a key is tried: nothing but refusals will do."""

from __future__ import annotations

import pytest

from recettes.ocr.proof import TRIES, Proof, due, plan_proofs, unproved
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
    ],
)
def test_whatever_else_is_had_is_named(name: str, code: int, said: str) -> None:
    [sentence] = unproved(with_answer(name, code, said), PROOF)
    assert sentence.startswith(f"robot.test gives the key {name}, which has to be refused")


def test_a_key_that_is_not_let_in_is_told_with_its_address_and_what_to_do() -> None:
    [sentence] = unproved(["hello\t255\tada@robot.test: Permission denied (publickey)."], PROOF)
    assert "does not let the key in" in sentence and "A person has to hand it in. " in sentence and "192.0.2.*" in sentence


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
