"""Given certificates: which are taken, and which are refused in what words."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recettes.authority import CertificateError, self_signed
from recettes.certificates import Certificate, CertificateTable, Pair, plan_certificates
from recettes.given import covers, read_given
from recettes.secret_values import Secret

NOW = datetime.now(UTC)
HOSTS = ("www.lab.test", "lab.test")
MADE = self_signed(["*.lab.test", "lab.test"], 90)  # at NOW: among all tests, these may come hours later


def planned(served: Pair | None, want: Certificate) -> list[str]:
    table = CertificateTable({want.name: served} if served else {})
    return [change.action for change in plan_certificates(table, [want], None, NOW)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Chain and key of a certificate for *.lab.test and lab.test."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(MADE.certificate)
    key.write_text(MADE.key.reveal())
    return chain, key


def refusal(files: tuple[Path, Path], names: tuple[str, ...] = HOSTS, now: datetime = NOW) -> str:
    with pytest.raises(CertificateError) as raised:
        read_given(names, *files, now)
    secret = [line for line in files[1].read_text(errors="replace").splitlines() if len(line) > 40]
    assert not [line for line in secret if line in str(raised.value)]
    return str(raised.value)


def test_a_given_pair_is_taken_from_files_or_with_its_key_from_the_vault(files: tuple[Path, Path]) -> None:
    chain, key = files
    assert read_given(HOSTS, chain, key, NOW).chain == chain.read_text()
    assert read_given(HOSTS, chain, Secret("tls-www", key.read_text()), NOW).key.name == "tls-www"


def test_a_given_certificate_is_put_in_force_when_it_is_not_the_one_there(files: tuple[Path, Path]) -> None:
    given = read_given(HOSTS, *files, NOW)
    want = Certificate("www", HOSTS, given)
    for served in (None, Pair(given.chain, "other", True), Pair(given.chain, given.digest, False)):
        assert planned(served, want) == ["install"]
    assert planned(Pair(given.chain, given.digest, True), want) == []


def test_a_given_key_of_another_certificate_is_refused(files: tuple[Path, Path]) -> None:
    files[1].write_text(self_signed(HOSTS, 90).key.reveal())
    assert "is not the key of the first certificate" in refusal(files)


def test_a_given_certificate_that_lacks_a_name_is_refused_naming_it(files: tuple[Path, Path]) -> None:
    said = refusal(files, ("a.lab.test", "deep.a.lab.test"))
    assert said.endswith("not for deep.a.lab.test")


def test_a_given_certificate_that_is_over_or_not_yet_valid_is_refused(files: tuple[Path, Path]) -> None:
    assert "ended on" in refusal(files, now=NOW + timedelta(days=91))
    assert "only begins on" in refusal(files, now=NOW - timedelta(days=1))


def test_a_given_chain_in_the_wrong_order_is_refused(files: tuple[Path, Path]) -> None:
    files[0].write_text(files[0].read_text() + self_signed(["other.test"], 90).certificate)
    assert "order" in refusal(files)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"])
def test_given_files_that_are_no_pem_are_refused_by_name(files: tuple[Path, Path], content: bytes) -> None:
    chain, key = files
    kept = chain.read_bytes()
    chain.write_bytes(content)
    assert str(chain) in refusal(files)
    chain.write_bytes(kept)
    key.write_bytes(content)
    assert str(key) in refusal(files)


def test_given_files_that_are_missing_or_locked_by_a_password_are_refused(files: tuple[Path, Path]) -> None:
    chain, key = files
    locked = subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x"], capture_output=True, text=True, check=True
    )
    key.write_text(locked.stdout)
    assert "password" in refusal(files)
    chain.unlink()
    assert "No such file" in refusal(files)


def test_a_wildcard_stands_for_one_label() -> None:
    assert covers(["*.lab.test"], "a.lab.test")
    assert not covers(["*.lab.test"], "lab.test")
    assert not covers(["*.lab.test"], "a.b.lab.test")


def test_a_given_key_does_not_show_in_its_representation(files: tuple[Path, Path]) -> None:
    given = read_given(HOSTS, *files, NOW)
    assert given.key.reveal().splitlines()[1] not in repr(Certificate("www", HOSTS, given))
