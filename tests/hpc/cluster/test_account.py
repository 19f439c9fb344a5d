"""deploys/hpc.py on an account without any right: planned exactly, made, healed, and nothing of the account's own touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recettes.containers.cluster.settings import HOME, HOST, USER
from recettes.ocr.debian import PLATFORMS, PROVIDED, PYTHON
from recettes.ocr.names import ACCOUNT, KEY, KEY_SECRET, PROGRAM
from tests.hpc.account import MODEL
from tests.hpc.cluster.lab import Cluster, declare

OCR = f"{HOME}/ocr"
TRIED = (HOST, "ocr", "recognise", "trial page")
KEYS = f"{HOME}/.ssh/authorized_keys"
# As the image of the test cluster has Kraken already: what Debian brings is not sent.
WHEELS = f"KrakenWheels(version={PYTHON!r}, platforms={PLATFORMS!r}, provided={PROVIDED!r})"


@pytest.fixture
def account(cluster: Cluster) -> Iterator[Cluster]:
    """The account may be changed by the test; afterwards it is as declared at first."""
    cluster.keep()
    yield cluster
    cluster.restore()
    declare(cluster.lab)


def test_the_dry_run_said_exactly_what_the_run_did(cluster: Cluster) -> None:
    planned, ran = cluster.lab.notes["planned"], cluster.lab.notes["ran"]
    assert planned.status == 0, planned.output
    assert planned.changes == ran.changes
    assert TRIED in ran.changes and ("images", "ocr", "prove", f"key at {HOST}") in ran.changes


def test_applied_twice_is_no_change(cluster: Cluster) -> None:
    assert (cluster.lab.notes["again"].status, cluster.lab.notes["again"].changes) == (0, [])


def test_everything_lies_in_one_folder_that_only_the_account_can_open(cluster: Cluster) -> None:
    assert cluster.as_user(f"find {HOME} -newer /etc/machine-id -not -user {USER}") == ""
    assert cluster.as_user(f"find {OCR} -perm /077") == ""
    beside = set(cluster.as_user(f"find {HOME} -mindepth 1 -maxdepth 1 -printf '%f\\n'").split())
    assert beside == {"ocr", ".ssh", ".bash_logout", ".bashrc", ".profile"}


def test_the_owners_own_key_stays(cluster: Cluster) -> None:
    lines = cluster.as_user(f"cat {KEYS}")
    assert lines.startswith(cluster.lab.notes["own"])
    assert lines.removeprefix(cluster.lab.notes["own"]).count("\n") == 1


def test_damage_is_named_and_healed(account: Cluster) -> None:
    gate, model = f"{OCR}/ocr-gate", f"{OCR}/models/tiny-print.safetensors"
    account.as_user(
        f"chmod u+w {gate}; echo '# more' >>{gate}; rm -f {model}; chmod 755 {OCR}; touch {OCR}/models/old.safetensors"
    )
    account.as_user(f"sed -i /ocr-gate/d {KEYS}; printf '# a line without an end' >>{KEYS}")
    planned = account.lab.dry("hpc")
    assert planned.items == {OCR, gate, model, "trial page", KEYS, f"{OCR}/models/old.safetensors"}
    ran = account.lab.apply("hpc")
    assert ran.status == 0, ran.output
    assert ran.changes == planned.changes
    assert account.lab.dry("lab").changes == []
    assert account.call("hello").json["models"] == ["tiny-print"]
    assert "# a line without an end\nrestrict," in account.as_user(f"cat {KEYS}")


def test_a_stopped_gate_stays_stopped_and_is_not_tried(account: Cluster) -> None:
    account.as_user(f"touch {OCR}/STOP; rm {OCR}/ready")
    assert account.lab.dry("hpc").changes == []
    account.call("hello").refused(69, "STOP")
    account.as_user(f"rm {OCR}/STOP")
    assert account.lab.dry("hpc").changes == [TRIED]


def test_another_key_takes_the_place_of_the_first(account: Cluster) -> None:
    """On both machines, and it is proved anew."""
    assert account.call("hello").code == 0
    assert account.lab.command("bin/secrets", "--estate", account.lab.estate.folder.name, "rotate", KEY_SECRET).returncode == 0
    ran = account.lab.apply("lab")
    change, prove = (HOST, "ocr", "change", KEYS), ("images", "ocr", "prove", f"key at {HOST}")
    assert ran.status == 0 and {change, prove} <= set(ran.changes) and KEY in ran.items, ran.output
    assert account.call("hello").code == 255
    account.key.unlink()
    assert account.call("hello").code == 0
    account.keep()


def test_with_a_portal_no_line_of_ours_is_in_authorized_keys_but_in_a_request(account: Cluster) -> None:
    line = account.as_user(f"tail -n 1 {KEYS}").strip()
    request = account.lab.estate.folder / f"ocr-request-{HOST}.txt"
    declare(account.lab, options='keys_by="portal", support="support@cluster.test",')
    planned = account.lab.dry("hpc")
    assert not request.exists()
    ran = account.lab.apply("hpc")
    take_out, write = (HOST, "ocr", "take out", KEYS), (HOST, "ocr", "create", request.name)
    assert ran.status == 0 and ran.changes == planned.changes == [take_out, write]
    assert account.as_user(f"cat {KEYS}") == account.lab.notes["own"]
    text = request.read_text()
    assert text.count(f"    {line}\n") == 2 and "support@cluster.test" in text and "demandons" in text
    assert account.lab.dry("hpc").changes == []
    # As long as nobody has handed it in, the submitter's machine says so.
    told = account.lab.apply("ocr")
    assert told.status == 1 and f"as {request} says" in told.output


def test_a_bashrc_that_prints_something_is_named(account: Cluster) -> None:
    """The shell reads it before it starts the gate."""
    account.as_user(f"sed -i '1i echo Welcome to the cluster' {HOME}/.bashrc")
    images = account.lab.estate.machine("images")
    images.run("mkdir -p /srv/ocr/noisy; printf '\\211PNG\\r\\n\\032\\n' >/srv/ocr/noisy/page.png")
    said = images.run(f"cd /; runuser -u {ACCOUNT} -- {PROGRAM} submit /srv/ocr/noisy --model tiny-print", check=False)
    images.run("rm -r /srv/ocr/noisy")
    assert "speaks before the gate's answer: Welcome to the cluster" in said.err and ".bashrc" in said.err, said


def test_a_model_that_is_another_file_than_declared_changes_nothing(account: Cluster) -> None:
    copy = account.lab.scratch / "other.safetensors"
    copy.write_bytes(MODEL.read_bytes()[:-1] + b"!")
    file = account.lab.group_data / "lab.py"
    file.write_text(file.read_text().replace(str(MODEL), str(copy)))
    ran = account.lab.apply("hpc")
    assert (ran.status, ran.changes) == (1, [])
    assert "is not the declared file" in ran.output


def test_another_account_than_the_declared_is_refused(account: Cluster) -> None:
    file = account.lab.group_data / "lab.py"
    file.write_text(file.read_text().replace(f'home="{HOME}"', 'home="/home/someone"'))
    ran = account.lab.apply("hpc")
    assert (ran.status, ran.changes) == (1, [])
    assert f"the account here is {USER} with the home {HOME}" in ran.output


def test_a_kraken_that_recognises_nothing_is_not_declared_ready(account: Cluster) -> None:
    declare(account.lab, kraken='KrakenProgram(program="/bin/true")')
    ran = account.lab.apply("hpc")
    assert ran.status == 1 and "the trial page was not recognised" in ran.output
    assert account.as_user(f"ls {OCR}").split().count("ready") == 0
    assert TRIED in account.lab.dry("hpc").changes


def test_kraken_comes_as_wheels_and_fetches_nothing_there(account: Cluster) -> None:
    declare(account.lab, kraken=WHEELS)
    planned = account.lab.dry("hpc")
    ran = account.lab.apply("hpc")
    assert ran.status == 0, ran.output
    assert ran.changes == planned.changes
    [venv] = [item for _, _, action, item in ran.changes if action == "install"]
    assert account.lab.dry("hpc").changes == []
    account.as_user(f"echo '# more' >>{venv}/lib/python{PYTHON}/site-packages/kraken/kraken.py")
    assert (HOST, "ocr", "restore", venv) in account.lab.dry("hpc").changes


def test_other_deploys_leave_the_account_alone(cluster: Cluster) -> None:
    planned = cluster.lab.dry("base")
    assert [change for change in planned.changes if change[0] == HOST] == []
