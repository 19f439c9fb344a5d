"""What can be said to the gate, and that nothing else can."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.hpc.account import Account, digest, record, stream

PAGES = {"p1.png": b"one", "p2.jpg": b"two"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Account:
    account = Account(tmp_path_factory.mktemp("account"), batches=1000, spool_bytes=10**12)
    account.put("before", PAGES)
    return account


def whole_tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every entry below, with mode and contents; the log and the count of calls are the gate's own."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
        if path.name not in ("log", "calls")
    }


def test_hello_names_models_limits_and_the_end(account: Account) -> None:
    hello = account.call("hello").json
    assert hello["gate"] == 1 and hello["models"] == ["tiny-print"] and hello["until"] == "2099-12-31"
    assert hello["limits"]["pages"] == 1000 and hello["today"] == {"pages": 0, "core_hours": 0}


@pytest.mark.parametrize(
    "words",
    [
        b"", b" ", b"hello ", b" hello", b"hell", b"hello\n", b"HELLO", b"hello hello", b"hello;id", b"put", b"put ",
        b"put ab", b"put  abc", b"put abc def", b"put abc\n", b"put ABC", b"put $(id)", b"put `id`", b"put abc;id",
        b"put abc&id", b"put abc|id", b"put abc\nid", b"put ../abc", b"put /etc", b"put abc/..", b"put .", b"put ..",
        b"put -abc", b"put --help", b"put a*c", b"put 'abc'", b"put a\\bc", b"put " + b"a" * 49, b"have abc def",
        b"submit abc", b"submit abc ../m", b"submit abc -m", b"submit abc m m", b"submit abc M",
        b"submit abc tiny-print --wrap=id", b"status abc def", b"status -a", b"fetch", b"fetch abc ../x",
        b"fetch abc p1.png", b"fetch abc p1.png.alto.xml x", b"cancel", b"cancel 123;id", b"drop", b"drop *", b"drops abc",
        b"pu abc", b"sh", b"-s", b"sftp", b"internal-sftp", b"/usr/lib/openssh/sftp-server", b"scp -t /tmp",
        b"scp -S /bin/sh x:", b"rsync --server -e.LsfxC . /", b"bash -i", b"rsync -e sh", b"sbatch --wrap=id",
        b"tar --checkpoint-action=exec=id", b"put \xff\xfe\xfd", b"put abc\xc2\xa0", "put аbc".encode(), "ｈｅｌｌｏ".encode(),
        "put abc\u2028".encode(), b"hello\r", b"hello\x0b", b"hello\t", b"put\tabc", b"hello " + b"x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_in_the_grammar_is_refused_and_does_nothing(shared: Account, words: bytes) -> None:
    before = whole_tree(shared.home)
    shared.call(words, b"x" * 1000).refused(64, "not one of the commands")
    assert whole_tree(shared.home) == before


def test_no_command_at_all_is_refused(shared: Account) -> None:
    """A shell is asked for: sshd runs the gate without any words of the client."""
    environment = shared.environment("")
    del environment[b"SSH_ORIGINAL_COMMAND"]
    ran = subprocess.run(shared.command, env=environment, capture_output=True, check=False, input=b"id\n")
    assert ran.returncode == 64 and ran.stdout == b""


@pytest.mark.parametrize(
    "name",
    [
        b"../p.png", b"/etc/p.png", b"a/p.png", b".p.png", b"-p.png", b"p", b"p.", b"p.PNG", b"p.gif", b"p.png.sh", b"p.svg",
        b"p.pdf", b"p.xml", b"p\x00.png", b"p\n.png", b"p .png", b"p;.png", b"$(id).png", "é.png".encode(), b"\xff.png",
        b"p" * 120 + b".png", b"p.png\r", b"p.done", b"", b"..png", b"#SBATCH.png", b"CON:.png", b"p.tar", b"p.ckpt",
        b"p.mlmodel", b"a\\b.png",
    ],
)  # fmt: skip
def test_a_page_is_named_plainly_or_refused(shared: Account, name: bytes) -> None:
    batch = f"page-{digest(name)[:20]}"
    shared.call(f"put {batch}", record("good.png", b"good") + record(name, b"bad") + b"end 2\n").refused(65, "of the stream")
    assert [path.name for path in (shared.batch(batch) / "images").iterdir()] == [digest(b"good") + ".good.png"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "cut off"),
        (b"file p.png 3 ", "cut off inside a line"),
        (stream(PAGES)[:-8], "cut off"),
        (record("p.png", b"abc")[:-1], "cut off inside a page"),
        (record("p.png", b"abd", said=b"abc") + b"end 1\n", "not what its checksum says"),
        (stream(PAGES) + b"x", "follows the end"),
        (stream(PAGES) + stream({}), "follows the end"),
        (stream(PAGES, end=3), "was to hold 3 pages and holds 2"),
        (stream({}), "without pages"),
        (record("p.png", b"abc") + record("p.png", b"abd") + b"end 1\n", "already with other contents"),
        (b"x" * 400, "longer than"),
        (b"\n", "neither"),
        (b"end -1\n", "neither"),
        (b"end 01\n", "neither"),
        (b"end 1 \n", "neither"),
        (b"END 1\n", "neither"),
        (b"file p.png -3 " + b"0" * 64 + b"\n", "neither"),
        (b"file p.png 3 " + b"0" * 63 + b"\n", "neither"),
        (b"file p.png 3 " + b"G" * 64 + b"\n", "neither"),
        (b"file p.png 0x3 " + b"0" * 64 + b"\n", "neither"),
        (b"file p.png 99999999999999999999 " + b"0" * 64 + b"\n", "neither"),
        (b"file ../../.ssh/authorized_keys 3 " + b"0" * 64 + b"\nabcend 1\n", "neither"),
        (b"#SBATCH --wrap=id\n", "neither"),
    ],
)
def test_a_stream_that_is_wrong_makes_no_batch_whole(shared: Account, given: bytes, said: str) -> None:
    batch = f"stream-{digest(given)[:20]}"
    shared.call(f"put {batch}", given).refused(65, said)
    assert not (shared.batch(batch) / "whole").exists()
    shared.call(f"submit {batch} tiny-print").refused(77, "not whole")
    assert shared.slurm_calls("sbatch") == []


def test_a_tar_is_no_stream(shared: Account) -> None:
    bundle = io.BytesIO()
    with tarfile.open(fileobj=bundle, mode="w") as tar:
        link = tarfile.TarInfo("../../../.ssh/authorized_keys")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    shared.call("put tar", bundle.getvalue()).refused(65, "longer than")


def test_names_that_differ_in_the_suffix_only_stay_two_pages(account: Account) -> None:
    account.put("abc", {"page.jpg": b"a", "page.tif": b"b", "Page.jpg": b"c"})
    assert [page for page, _, _ in account.call("have abc").json["pages"]] == ["Page.jpg", "page.jpg", "page.tif"]


def test_a_million_members_end_at_the_limit(account: Account) -> None:
    account.set(pages=20)
    many = b"".join(record(f"p{number}.png", b"x") for number in range(100_000))
    account.call("put abc", many).refused(77, "at most 20 pages")
    again = record("p1.png", b"x") * 100_000
    account.call("put abd", again).refused(77, "at most 20 pages")


def test_a_page_that_claims_to_be_endless_is_refused_before_it_is_read(account: Account) -> None:
    account.call("put abc", b"file p.png 999999999999999 " + b"0" * 64 + b"\n").refused(77, "a page has 1 to 10000000")
