"""A batch from put to drop: what counts as whole, what is sent to Slurm, and how the states are told apart."""

from __future__ import annotations

import pytest

from tests.hpc.account import Account, record, records, stream

PAGES = {"p1.png": b"one", "p2.jpg": b"two", "p3.tif": b"three" * 1000}
DONE = {"p1.png": b"<alto>p1.png</alto>", "p2.jpg": b"<alto>p2.jpg</alto>", "p3.tif": b"<alto>p3.tif</alto>"}


def test_a_batch_goes_its_way_from_put_to_drop(account: Account) -> None:
    assert account.call("have abc").json == {"batch": "abc", "whole": False, "pages": []}
    assert account.call("put abc", stream(PAGES)).json == {"batch": "abc", "pages": 3, "bytes": 5006, "whole": True, "new": True}
    assert account.state("abc") == "ready"
    sent = account.call("submit abc tiny-print").json
    assert (sent["state"], sent["job"], sent["attempt"], sent["new"]) == ("queued", "100", 1, True)
    assert account.state("abc") == "queued"
    account.set_states("RUNNING")
    assert account.state("abc") == "running"
    account.ran("abc", done=list(PAGES))
    status = account.call("status abc").json
    assert (status["state"], status["done"], status["failed"], status["seconds"], status["failures"]) == ("done", 3, 0, 2.5, [])
    assert [batch["batch"] for batch in account.call("status").json["batches"]] == ["abc"]
    assert records(account.call("fetch abc").out) == {f"{page}.alto.xml": content for page, content in DONE.items()}
    assert list(records(account.call("fetch abc p1.png.alto.xml").out)) == ["p2.jpg.alto.xml", "p3.tif.alto.xml"]
    assert account.call("drop abc").json["dropped"] is True
    assert not account.batch("abc").exists()
    assert account.call("drop abc").json["dropped"] is False
    account.call("fetch abc").refused(66, "no batch abc")


def test_an_upload_that_was_cut_off_goes_on_where_it_was(account: Account) -> None:
    account.call("put abc", stream(PAGES)[:-3000]).refused(65, "cut off")
    have = account.call("have abc").json
    assert [page for page, _, _ in have["pages"]] == ["p1.png", "p2.jpg"] and not have["whole"]
    account.call("submit abc tiny-print").refused(77, "not whole")
    assert account.call("put abc", record("p3.tif", PAGES["p3.tif"]) + b"end 3\n").json["whole"] is True
    assert account.call("put abc", b"end 3\n").json["bytes"] == 5006
    again = account.call("put abc", stream(PAGES)).json
    assert again["whole"] is True and again["new"] is False
    account.call("put abc", record("p4.png", b"four") + b"end 4\n").refused(77, "takes no new page")


def test_slurm_is_called_with_constant_words_and_nothing_of_the_clients_environment(account: Account) -> None:
    account.put("abc", PAGES)
    hostile = {b"BASH_ENV": b"/tmp/x", b"SBATCH_WRAP": b"id", b"SLURM_CONF": b"/tmp/x", b"PYTHONPATH": b"/tmp", b"IFS": b"x"}
    assert account.call("submit abc tiny-print", environment=hostile).json["new"]
    (call,) = account.slurm_calls("sbatch")
    name = account.jobs()[0]["name"]
    assert name.startswith("ocr-abc-1-")
    assert call["arguments"] == [
        "--parsable", f"--job-name={name}", "--nodes=1", "--ntasks=1", "--no-requeue", "--chdir=/", "--signal=B:TERM@60",
        "--time=60", "--mem=4000M", "--cpus-per-task=2", f"--output={account.batch('abc')}/runs/1/%j.log",
        "--account=def-lab", f"{account.folder}/ocr-job", str(account.folder), "abc", "1", account.settings["job"]["python"],
    ]  # fmt: skip
    assert set(call["environment"]) == {"PATH", "HOME", "USER", "LOGNAME", "LC_ALL", "SHELL", "TZ"}
    assert call["environment"]["PATH"] == "/usr/bin:/bin"


@pytest.mark.parametrize(
    ("settings", "word", "conf"),
    [
        ({"gpus": "h100_1g.10gb:1"}, "--gpus-per-node=h100_1g.10gb:1", None),
        ({"account": "def-ada_gpu"}, "--account=def-ada_gpu", None),
        ({"conf": "/etc/slurm/other.conf"}, "--account=def-lab", "/etc/slurm/other.conf"),
        ({"account": ""}, "", None),
    ],
)
def test_slurm_is_asked_for_what_the_settings_say(
    account: Account, settings: dict[str, str], word: str, conf: str | None
) -> None:
    account.set(slurm=settings)
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    [call] = account.slurm_calls("sbatch")
    assert [said for said in call["arguments"] if said.startswith(("--account", "--gpus"))][-1:] == [word] * bool(word)
    assert call["environment"].get("SLURM_CONF") == conf


@pytest.mark.usefixtures("one_day")
def test_a_batch_is_submitted_once_however_often_asked(account: Account) -> None:
    account.put("abc", PAGES)
    assert account.call("submit abc tiny-print").json["new"] is True
    again = account.call("submit abc tiny-print").json
    assert (again["new"], again["job"], again["state"]) == (False, "100", "queued")
    account.set_states("RUNNING")
    assert account.call("submit abc tiny-print").json["new"] is False
    account.ran("abc", done=list(PAGES))
    assert account.call("submit abc tiny-print").json["state"] == "done"
    account.set_states()
    assert account.call("submit abc tiny-print").json["new"] is False
    assert len(account.slurm_calls("sbatch")) == 1
    assert account.call("hello").json["today"] == {"pages": 3, "core_hours": 2.0}


def test_a_job_that_slurm_took_without_saying_so_is_found_again(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "mute").touch()
    account.call("submit abc tiny-print").refused(
        75, "Slurm took no job: sbatch: error: Batch job submission failed: Socket timed out"
    )
    (account.slurm / "mute").unlink()
    again = account.call("submit abc tiny-print").json
    assert (again["new"], again["job"]) == (False, "100")
    assert len(account.jobs()) == 1


@pytest.mark.usefixtures("one_day")
def test_a_submission_slurm_did_not_take_is_sent_with_the_next_call_and_charged_once(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "down").touch()
    account.call("submit abc tiny-print").refused(75, "Unable to contact slurm controller")
    account.call("submit abc tiny-print").refused(75, "Slurm does not answer")
    (account.slurm / "down").unlink()
    assert account.state("abc") == "submitting"
    assert account.call("submit abc tiny-print").json["new"] is True
    assert account.call("hello").json["today"]["pages"] == 3


def test_a_started_job_that_slurm_has_forgotten_is_not_sent_again_as_if_it_never_was(account: Account) -> None:
    account.put("abc", PAGES)
    (account.slurm / "mute").touch()
    account.call("submit abc tiny-print")
    account.ran("abc", done=list(PAGES))
    account.set_states()
    assert account.call("submit abc tiny-print").json["new"] is False
    assert len(account.jobs()) == 1


def test_after_a_failure_only_the_missing_pages_are_sent(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png"], failed={"p2.jpg": "Kraken said \x1b[31mno\nway"})
    (account.batch("abc") / "pages/p3.tif.refused").write_text("it is no image\n")
    status = account.call("status abc").json
    assert (status["state"], status["done"], status["failed"]) == ("partial", 1, 2)
    assert status["failures"] == [["p2.jpg", "Kraken said ?[31mno?way"], ["p3.tif", "it is no image"]]
    account.call("submit abc catmus").refused(77, "another model is another batch")
    again = account.call("submit abc tiny-print").json
    assert (again["new"], again["attempt"]) == (True, 2)
    listed = (account.batch("abc") / "runs/2/list").read_text()
    assert "p2.jpg" in listed and "p1.png" not in listed and "p3.tif" not in listed
    account.ran("abc", attempt=2, done=["p2.jpg"])
    assert account.state("abc") == "partial"
    assert account.call("submit abc tiny-print").json["new"] is False


@pytest.mark.parametrize(
    ("slurm", "why"),
    [
        ("TIMEOUT", "the time limit"),
        ("OUT_OF_MEMORY", "too little memory"),
        ("NODE_FAIL", "a node that failed"),
        ("CANCELLED", "somebody's scancel"),
    ],
)
def test_a_killed_job_is_told_from_a_running_one_and_from_a_silent_controller(account: Account, slurm: str, why: str) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.set_states("RUNNING")
    account.ran("abc", done=["p1.png"], marker=False)
    (account.slurm / "down").touch()
    assert account.state("abc") == "unknown"
    account.call("drop abc").refused(75, "does not answer")
    account.call("cancel abc").refused(75, "does not answer")
    (account.slurm / "down").unlink()
    assert account.state("abc") == "running"
    account.set_states(slurm)
    status = account.call("status abc").json
    assert (status["state"], status["done"]) == ("killed", 1) and status["why"].endswith(why)
    account.set_states()
    assert account.call("status abc").json["why"].endswith(why), "Slurm forgets; the gate does not"
    assert account.call("submit abc tiny-print").json["attempt"] == 2


def test_a_job_of_which_nobody_knows_anything_is_killed_in_those_words(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.set_states()
    status = account.call("status abc").json
    assert status["state"] == "killed" and status["why"] == "1 of 1 tasks left no exit marker: Slurm no longer knows the job"


def test_a_task_that_was_told_to_stop_counts_as_killed(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png"], stopped="the time limit came near")
    status = account.call("status abc").json
    assert (status["state"], status["why"]) == ("killed", "the time limit came near")


def test_a_large_batch_is_an_array_and_each_task_is_looked_after(account: Account) -> None:
    account.set(slurm={"pages_a_task": 2})
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    assert "--array=0-1" in account.slurm_calls("sbatch")[0]["arguments"]
    account.set_states("COMPLETED", "PENDING")
    account.ran("abc", task=0, done=["p1.png", "p3.tif"])
    assert account.state("abc") == "running"
    account.set_states("COMPLETED", "NODE_FAIL")
    assert account.call("status abc").json["why"] == "1 of 2 tasks left no exit marker: a node that failed"
    account.ran("abc", task=1, done=["p2.jpg"])
    assert account.state("abc") == "done"


def test_a_job_is_taken_back_and_its_batch_dropped_only_then(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("cancel abc").refused(77, "nothing was submitted")
    account.call("submit abc tiny-print")
    account.call("drop abc").refused(77, "cancel it first")
    assert account.call("cancel abc").json["state"] == "cancelled"
    assert account.jobs()[0]["tasks"] == ["CANCELLED"]
    assert account.state("abc") == "cancelled"
    assert account.call("submit abc tiny-print").json["attempt"] == 2
    account.call("cancel abc")
    assert account.call("drop abc").json["dropped"] is True


@pytest.mark.parametrize("damage", ["missing", "changed", "unknown"])
def test_a_model_that_is_not_what_the_settings_say_reaches_no_job(account: Account, damage: str) -> None:
    account.put("abc", PAGES)
    model = account.folder / "tiny-print.safetensors"
    if damage == "missing":
        model.unlink()
    elif damage == "changed":
        model.write_bytes(b"x")
    account.call(f"submit abc {'other' if damage == 'unknown' else 'tiny-print'}").refused(66, "model")
    assert account.slurm_calls("sbatch") == [] and account.state("abc") == "ready"


def test_a_job_that_died_after_its_last_page_is_done(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=list(PAGES), marker=False)
    account.set_states("RUNNING")
    assert account.state("abc") == "running"
    account.set_states("NODE_FAIL")
    assert account.call("submit abc tiny-print").json["state"] == account.state("abc") == "done"
    (account.batch("abc") / "pages/p3.tif.done").rename(account.batch("abc") / "pages/p3.tif.refused")
    assert account.call("submit abc tiny-print").json["state"] == account.state("abc") == "partial"


def test_what_a_killed_job_was_writing_is_no_verdict(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png", "p2.jpg"], failed={"p3.tif": "no lines"})
    for name in (".new-7-p1.png.done", ".new-7-p3.tif.done", ".new-7-p3.tif.failed"):
        (account.batch("abc") / "pages" / name).write_text("")
    status = account.call("status abc").json
    assert (status["state"], status["done"], status["failed"]) == ("partial", 2, 1)
    assert status["failures"] == [["p3.tif", "no lines"]]


def test_a_page_that_failed_and_was_then_refused_is_not_tried_again(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png", "p2.jpg"], failed={"p3.tif": "no room on the node"})
    (account.batch("abc") / "pages/p3.tif.refused").write_text("it is no image")
    assert account.call("status abc").json["failures"] == [["p3.tif", "it is no image"]]
    assert account.call("submit abc tiny-print").json["new"] is False


def test_only_results_of_pages_that_are_done_are_sent(account: Account) -> None:
    account.put("abc", PAGES)
    account.call("submit abc tiny-print")
    account.ran("abc", done=["p1.png"], marker=False)
    results = account.batch("abc") / "results"
    for name in ("p2.jpg.alto.xml", ".new-1-p3.tif.alto.xml", "p1.png.alto.xml~", "p1.png.txt"):
        (results / name).write_text("x")
    assert list(records(account.call("fetch abc").out)) == ["p1.png.alto.xml"]
