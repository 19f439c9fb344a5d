"""The estate's certificate authority, judged by OpenSSL and by a TLS client where they can judge."""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recettes.authority import (
    AUTHORITY_KEY,
    CertificateError,
    Pair,
    _authority_certificate,
    _load_key,
    ensure_authority,
    make_authority,
    read_authority,
    read_certificate,
    renew_authority,
    self_signed,
    sign,
)
from recettes.secrets import Secret, Vault

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
PROJECT = Path(__file__).resolve().parents[2]
EMPTY_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
EMPTY_REQUEST = EMPTY_CERTIFICATE.replace("CERTIFICATE", "CERTIFICATE REQUEST")
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


def openssl(*words: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def request(folder: Path, *kind: str, name: str = "machine") -> str:
    """A signing request made by OpenSSL, as on a machine; its key lies in NAME.key."""
    words = ["req", "-new", "-nodes", "-batch", *(kind or CURVE), "-keyout", str(folder / f"{name}.key")]
    wishes = ["-subj", "/CN=wished.example", "-addext", "subjectAltName=DNS:wished.example"]
    wishes += ["-addext", "basicConstraints=critical,CA:TRUE"]
    subprocess.run(["openssl", *words, *wishes, "-out", str(folder / f"{name}.csr")], check=True, capture_output=True)
    return (folder / f"{name}.csr").read_text()


@pytest.fixture(scope="module")
def authority() -> Pair:
    return make_authority("the lab", 10)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.delenv("RECETTES_IDENTITY", raising=False)
    return Vault.disposable(tmp_path / "containers")


# What it signs


@needs_openssl
def test_openssl_accepts_a_signed_certificate_for_its_names_as_a_server_only(authority: Pair, tmp_path: Path) -> None:
    chain = sign(request(tmp_path), authority, ["lab.example", "*.lab.example", "10.1.2.3", "fd00::1"], 90)
    (tmp_path / "chain.pem").write_text(chain)
    (tmp_path / "authority.pem").write_text(authority.certificate)
    verify = ["verify", "-x509_strict", "-CAfile", str(tmp_path / "authority.pem")]
    for check in (
        ["-verify_hostname", "lab.example"],
        ["-verify_hostname", "some.lab.example"],
        ["-verify_ip", "10.1.2.3"],
        ["-verify_ip", "fd00::1"],
        ["-purpose", "sslserver"],
    ):
        assert "chain.pem: OK" in openssl(*verify, *check, str(tmp_path / "chain.pem")), check
    for check in (
        ["-verify_hostname", "wished.example"],
        ["-verify_ip", "10.1.2.4"],
        ["-purpose", "sslclient"],
        ["-purpose", "crlsign"],
    ):
        assert "verification failed" in openssl(*verify, *check, str(tmp_path / "chain.pem")), check
    other = make_authority("the lab", 10)
    (tmp_path / "authority.pem").write_text(other.certificate)
    assert "verification failed" in openssl(*verify, str(tmp_path / "chain.pem"))


@needs_openssl
def test_a_signed_machine_is_no_authority_itself(authority: Pair, tmp_path: Path) -> None:
    certificate = sign(request(tmp_path), authority, ["lab.example"], 90)
    middle = Pair(Secret("middle", (tmp_path / "machine.key").read_text()), certificate)
    forged = sign(request(tmp_path, name="forged"), middle, ["bank.example"], 90)
    for name, text in (("ca", authority.certificate), ("middle", middle.certificate), ("leaf", forged)):
        (tmp_path / f"{name}.pem").write_text(text)
    files = [str(tmp_path / f"{name}.pem") for name in ("ca", "middle", "leaf")]
    assert "verification failed" in openssl("verify", "-CAfile", files[0], "-untrusted", files[1], files[2])


@needs_openssl
def test_a_tls_client_that_trusts_the_authority_reaches_the_server_by_name(authority: Pair, tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_text(sign(request(tmp_path), authority, ["localhost", "127.0.0.1"], 7))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem", tmp_path / "machine.key")
    client = ssl.create_default_context(cadata=authority.certificate)
    assert _handshake(server, client, "localhost") == ""
    assert _handshake(server, client, "127.0.0.1") == ""
    assert "ostname mismatch" in _handshake(server, client, "elsewhere.example")
    assert "unable to get local issuer" in _handshake(server, ssl.create_default_context(), "localhost")


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """What the client complains of."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as channel:
                channel.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=name) as channel:
            channel.send(b"x")
        return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or str(error)
    finally:
        ours.close()
        thread.join(timeout=10)


@needs_openssl
@pytest.mark.parametrize("kind", [["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]])
def test_keys_that_browsers_take_are_signed(authority: Pair, tmp_path: Path, kind: list[str]) -> None:
    assert read_certificate(sign(request(tmp_path, *kind), authority, ["lab.example"], 90)).names == ("lab.example",)


@needs_openssl
@pytest.mark.parametrize("kind", [["-newkey", "rsa:1024"], ["-newkey", "ed25519"]])
def test_keys_that_browsers_do_not_take_are_refused(authority: Pair, tmp_path: Path, kind: list[str]) -> None:
    with pytest.raises(CertificateError, match="P-256 or P-384, or RSA of 2048"):
        sign(request(tmp_path, *kind), authority, ["lab.example"], 90)


@needs_openssl
def test_a_request_whose_signature_does_not_fit_is_refused(authority: Pair, tmp_path: Path) -> None:
    import base64

    body = "".join(request(tmp_path).strip().splitlines()[1:-1])
    der = bytearray(base64.b64decode(body))
    der[der.index(b"wished.example")] ^= 1
    changed = base64.encodebytes(bytes(der)).decode()
    with pytest.raises(CertificateError, match="not signed by its own key"):
        sign(
            f"-----BEGIN CERTIFICATE REQUEST-----\n{changed}-----END CERTIFICATE REQUEST-----\n",
            authority,
            ["lab.example"],
            90,
        )


@pytest.mark.parametrize("text", ["", "nonsense", EMPTY_REQUEST])
def test_what_is_no_request_is_refused(authority: Pair, text: str) -> None:
    with pytest.raises(CertificateError, match="no certificate signing request"):
        sign(text, authority, ["lab.example"], 90)


@pytest.mark.parametrize("days", [0, -1, 398, 3650])
def test_too_long_or_no_life_is_refused(days: int) -> None:
    with pytest.raises(CertificateError, match="1 to 397 days"):
        self_signed(["lab.example"], days)


@pytest.mark.parametrize(
    "name",
    ["", "a b", "Lab.example", "-a.example", "a..example", "é.example", "*", "*.example", "a.*.example",
     "1.2.3.4.5", "a_b.example", "x" * 64 + ".example", "a." * 130 + "example", "lab.example.", "lab.example\n"],
)  # fmt: skip
def test_a_name_that_cannot_be_reached_is_refused(name: str) -> None:
    with pytest.raises(CertificateError, match="no host name or address"):
        self_signed([name], 7)


def test_no_name_is_refused() -> None:
    with pytest.raises(CertificateError, match="one name at least"):
        self_signed([], 7)


def test_a_name_longer_than_a_common_name_is_kept_among_the_alternatives() -> None:
    name = "a-very-long-project-name-of-the-humanities.with-a-very-long-subdomain.lab.example"
    assert read_certificate(self_signed([name], 7).certificate).names == (name,)


@needs_openssl
def test_a_certificate_never_outlives_its_authority(tmp_path: Path) -> None:
    short = make_authority("soon over", 1)
    chain = sign(request(tmp_path), short, ["lab.example"], 397)
    assert read_certificate(chain).not_after == read_certificate(short.certificate).not_after


# What is read


@needs_openssl
def test_the_facts_are_those_that_openssl_reads(authority: Pair, tmp_path: Path) -> None:
    chain = sign(request(tmp_path), authority, ["lab.example", "10.1.2.3"], 90)
    facts = read_certificate(chain)
    shown = openssl("x509", "-noout", "-serial", "-enddate", "-text", given=chain)
    assert f"serial={facts.serial}\n" in shown
    assert f"notAfter={facts.not_after:%b %e %H:%M:%S %Y} GMT" in shown
    identifiers = shown.replace(":", "").lower()
    assert facts.key_id in identifiers
    assert facts.authority_key_id in identifiers
    public = str(tmp_path / "public.der")
    openssl("pkey", "-in", str(tmp_path / "machine.key"), "-pubout", "-outform", "DER", "-out", public)
    assert facts.public_key_digest in openssl("dgst", "-sha256", public)
    assert facts.names == ("lab.example", "10.1.2.3")
    assert not facts.self_issued
    assert facts.authority_key_id == read_certificate(authority.certificate).key_id


def test_a_serial_has_whole_bytes_as_openssl_writes_it() -> None:
    assert all(len(read_certificate(self_signed(["a"], 1).certificate).serial) % 2 == 0 for _ in range(40))


def test_times_fit_a_machine_whose_clock_is_behind() -> None:
    facts = read_certificate(self_signed(["lab.example"], 7).certificate)
    assert facts.not_before < datetime.now(UTC) - timedelta(minutes=30)
    assert facts.not_after - facts.not_before == timedelta(days=7)
    assert facts.not_before.tzinfo is UTC


def test_a_self_signed_certificate_is_told_from_the_authoritys() -> None:
    facts = read_certificate(self_signed(["lab.example"], 7).certificate)
    assert facts.self_issued
    assert facts.authority_key_id == facts.key_id


def test_of_a_chain_the_first_certificate_is_read(authority: Pair) -> None:
    first = self_signed(["lab.example"], 7).certificate
    assert read_certificate(first + authority.certificate) == read_certificate(first)


@needs_openssl
def test_a_certificate_from_elsewhere_without_identifiers_is_read(tmp_path: Path) -> None:
    extensions = ["-addext", "subjectAltName=email:a@b.example,DNS:lab.example,URI:https://x.example"]
    extensions += ["-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none"]
    made = openssl("req", "-x509", *CURVE, "-nodes", "-batch", "-keyout", str(tmp_path / "k"), *extensions)
    facts = read_certificate(made[made.index("-----BEGIN") :])
    assert (facts.names, facts.key_id, facts.authority_key_id) == (("lab.example",), "", "")


@pytest.mark.parametrize("text", ["", "nonsense", EMPTY_CERTIFICATE])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(CertificateError, match="no certificate"):
        read_certificate(text)


# The estate's own


def test_the_estates_authority_is_made_once(vault: Vault) -> None:
    assert read_authority(vault) is None
    made = ensure_authority(vault)
    assert ensure_authority(vault) == read_authority(vault) == made
    assert ensure_authority(Vault.open(vault.folder)) == made


def test_reading_the_authority_makes_nothing(vault: Vault) -> None:
    before = sorted(file.name for file in vault.folder.iterdir())
    assert read_authority(vault) is None
    assert before == sorted(file.name for file in vault.folder.iterdir())
    assert not vault.has(AUTHORITY_KEY)


def test_the_authoritys_key_is_in_the_vault_only_and_its_certificate_is_public(vault: Vault) -> None:
    made = ensure_authority(vault)
    assert vault.get(AUTHORITY_KEY) == made.key
    file = vault.folder / "authority.pem"
    assert file.read_text() == made.certificate
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert not any(b"PRIVATE KEY" in other.read_bytes() for other in vault.folder.iterdir())
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("damage", ["missing", "nonsense", "binary", "another", "soon over"])
def test_a_certificate_that_does_not_serve_is_made_again_for_the_same_key(vault: Vault, damage: str) -> None:
    made = ensure_authority(vault)
    file = vault.folder / "authority.pem"
    old = _authority_certificate(_load_key(made.key), "soon over", 1)
    content = {
        "nonsense": b"nonsense",
        "binary": b"\xff\x00",
        "another": make_authority("x", 10).certificate.encode(),
        "soon over": old.encode(),
    }
    file.unlink() if damage == "missing" else file.write_bytes(content[damage])
    assert read_authority(vault) is None
    again = ensure_authority(vault)
    assert again.key == made.key
    assert read_certificate(again.certificate).key_id == read_certificate(made.certificate).key_id
    assert read_authority(vault) == again


def test_a_renewed_authority_is_another_one(vault: Vault) -> None:
    old = read_certificate(ensure_authority(vault).certificate)
    new = read_certificate(renew_authority(vault).certificate)
    assert old.key_id != new.key_id
    assert read_authority(vault) is not None


@needs_openssl
def test_rotating_everything_renews_the_authority_too(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "estates").mkdir()
    (tmp_path / "recettes").symlink_to(PROJECT / "recettes")
    shutil.copy(PROJECT / "bin" / "secrets", tmp_path / "bin")
    vault.folder.rename(tmp_path / "estates" / "containers")
    vault = Vault.open(tmp_path / "estates" / "containers")
    vault.ensure("db")
    chain = sign(request(tmp_path), ensure_authority(vault), ["lab.example"], 90)
    words = [sys.executable, str(tmp_path / "bin" / "secrets"), "--estate", "containers", "rotate", "--all"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "Made anew: db, authority-key." in said
    assert "authority.pem" in said
    now = ensure_authority(vault)
    assert read_certificate(chain).authority_key_id != read_certificate(now.certificate).key_id


def test_two_runs_at_once_make_one_authority(vault: Vault) -> None:
    program = (
        "from pathlib import Path; from recettes.secrets import Vault; from recettes.authority import *; "
        f"print(read_certificate(ensure_authority(Vault(Path({str(vault.folder)!r}))).certificate).key_id)"
    )
    words = [sys.executable, "-c", program]
    running = [subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert len(said) == 1
    assert read_authority(vault) is not None


def test_a_key_of_another_kind_in_the_vault_is_said_without_showing_it(vault: Vault) -> None:
    vault.set(AUTHORITY_KEY, "no key at all")
    with pytest.raises(CertificateError, match="authority-key holds no elliptic-curve private key") as caught:
        ensure_authority(vault)
    assert "at all" not in str(caught.value)
