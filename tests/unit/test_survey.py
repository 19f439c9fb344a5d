"""A machine's answer is whole, or it is unread: never "nothing there"."""

from __future__ import annotations

import subprocess

from facts.survey import Part, Unread, survey_script, understand

NONCE = "#0123456789abcdef"
FIRST = Part("first", "echo one; echo two", list)
SECOND = Part("second", "printf 'no newline at the end'", list)


def answer(*parts: Part[object]) -> list[str]:
    run = subprocess.run(["sh", "-s"], input=survey_script(parts, NONCE), capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_several_parts_are_read_in_one_script() -> None:
    found = understand([FIRST, SECOND], NONCE, answer(FIRST, SECOND))
    assert found == {FIRST.key: ["one", "two"], SECOND.key: ["no newline at the end"]}


def test_no_answer_at_all_leaves_every_part_unread() -> None:
    found = understand([FIRST, SECOND], NONCE, [])
    assert all(isinstance(value, Unread) for value in found.values())


def test_an_answer_cut_anywhere_leaves_the_cut_part_unread_and_the_whole_ones_read() -> None:
    lines = answer(FIRST, SECOND)
    for cut in range(len(lines)):
        found = understand([FIRST, SECOND], NONCE, lines[:cut])
        assert isinstance(found[SECOND.key], Unread)
        assert isinstance(found[FIRST.key], Unread) or found[FIRST.key] == ["one", "two"]


def test_a_part_that_fails_is_unread_with_its_last_words_and_the_next_is_read() -> None:
    failing = Part("failing", "echo something; ls /does/not/exist; echo never reached", list)
    found = understand([failing, FIRST], NONCE, answer(failing, FIRST))
    assert isinstance(found[failing.key], Unread)
    assert "/does/not/exist" in found[failing.key].reason
    assert found[FIRST.key] == ["one", "two"]


def test_an_odd_answer_is_unread() -> None:
    odd = Part("odd", "echo many", lambda lines: int(lines[0]))
    assert isinstance(understand([odd], NONCE, answer(odd))[odd.key], Unread)


def test_a_script_cut_on_the_way_runs_nothing(tmp_path: object) -> None:
    witness = f"{tmp_path}/ran"
    text = survey_script([Part("x", f"touch {witness}", list)], NONCE)
    for cut in range(0, len(text) - 15, 7):
        subprocess.run(["sh", "-s"], input=text[:cut], capture_output=True, text=True, check=False)
        assert subprocess.run(["ls", witness], capture_output=True, check=False).returncode != 0
