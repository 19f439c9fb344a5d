"""An account on a cluster, as far as the gate sees one: gate, settings, job, spool, and a stand-in for Slurm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recettes.recipes import ROOT

MODEL = ROOT / "tests/data/tiny-print.safetensors"
PROGRAMS = ("ocr-gate", "ocr-job", "ocr-pages")
# The system's own interpreter, as on a cluster; RECETTES_OCR_PYTHON names an older one.
PYTHON = os.environ.get("RECETTES_OCR_PYTHON", sys.executable)
ADDRESS = "192.0.2.7"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record(name: str | bytes, content: bytes, *, said: bytes | None = None) -> bytes:
    """One record of a stream; `said` is the content that size and checksum tell of, where it is not the one sent."""
    told = content if said is None else said
    return b"file %s %d %s\n" % (name.encode() if isinstance(name, str) else name, len(told), digest(told).encode()) + content


def stream(pages: Mapping[str, bytes], *, end: int | None = None) -> bytes:
    """What `put` reads. `end` is the number of pages of the whole batch, by default those of this stream."""
    return b"".join(record(name, content) for name, content in pages.items()) + b"end %d\n" % (len(pages) if end is None else end)


def records(answer: bytes) -> dict[str, bytes]:
    """What `fetch` said. AssertionError where it is not a whole stream."""
    found: dict[str, bytes] = {}
    while not answer.startswith(b"end "):
        line, _, answer = answer.partition(b"\n")
        word, name, size, checksum = line.decode().split(" ")
        content, answer = answer[: int(size)], answer[int(size) :]
        assert word == "file" and digest(content) == checksum
        found[name] = content
    assert answer == b"end %d\n" % len(found)
    return found


@dataclass(frozen=True)
class Answer:
    code: int
    out: bytes
    words: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.words
        assert self.words == ""
        return json.loads(self.out)

    def refused(self, code: int, part: str) -> None:
        """Non-zero exit, one sentence, nothing on standard output."""
        assert self.code == code, (self.code, self.words)
        assert self.words.startswith("ocr-gate: ") and self.words.count("\n") == 1 and len(self.words) <= 500
        assert part in self.words, self.words
        assert self.out == b""


class Account:
    """Made in `home`. The gate is called as sshd calls it."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home, self.folder, self.spool, self.slurm = home, home / "ocr", home / "spool", home / "slurm"
        for folder in (self.folder, self.spool, self.slurm):
            folder.mkdir(mode=0o700)
        for name in PROGRAMS:
            shutil.copy(ROOT / "programs" / name, self.folder)
            (self.folder / name).chmod(0o500)
        shutil.copy(MODEL, self.folder / "tiny-print.safetensors")
        for name in ("sbatch", "squeue", "scancel"):
            shutil.copy(Path(__file__).with_name("stand_in_slurm.py"), self.slurm / name)
            (self.slurm / name).chmod(0o500)
        self.settings: dict[str, Any] = {
            "spool": str(self.spool), "until": "2099-12-31", "pages": 1000, "page_bytes": 10**7, "batch_bytes": 10**8,
            "batches": 50, "spool_bytes": 10**10, "age_days": 30, "pages_a_day": 10**5, "core_hours_a_day": 1000,
            "calls_a_minute": 10**5, "attempts": 5, "stall_seconds": 30, "log_bytes": 10**6, "log_files": 3,
            "models": {"tiny-print": {"file": str(self.folder / "tiny-print.safetensors"), "sha256": digest(MODEL.read_bytes())}},
            "slurm": {name: str(self.slurm / name) for name in ("sbatch", "squeue", "scancel")}
            | {"conf": "", "account": "def-lab", "minutes": 60, "memory_mb": 4000, "cpus": 2, "gpus": "", "pages_a_task": 200},
            "job": {
                "python": PYTHON, "modules": [], "kraken": str(home / "kraken"), "apptainer": "", "image": "", "contain": "none",
                "segmenter": "boxes", "formats": ["alto"], "device": "cpu", "page_pixels": 10**8, "page_seconds": 60,
            },
        }  # fmt: skip
        self.set(**settings)

    def set(self, **settings: Any) -> None:
        """Changes settings; `slurm` and `job` are given in part."""
        for name, value in settings.items():
            self.settings[name] = self.settings[name] | value if name in ("slurm", "job") else value
        path = self.folder / "ocr-gate.json"
        path.unlink(missing_ok=True)
        path.write_text(json.dumps(self.settings))
        path.chmod(0o400)

    @property
    def command(self) -> list[str]:
        return [PYTHON, "-ISB", str(self.folder / "ocr-gate")]

    def environment(self, words: str | bytes) -> dict[bytes, bytes]:
        told = words.encode() if isinstance(words, str) else words
        return {
            b"SSH_ORIGINAL_COMMAND": told,
            b"SSH_CONNECTION": f"{ADDRESS} 50000 198.51.100.1 22".encode(),
            b"PATH": b"/usr/bin:/bin",
        }

    def call(
        self, words: str | bytes, given: bytes = b"", *, environment: Mapping[bytes, bytes] | None = None, seconds: float = 60
    ) -> Answer:
        ran = subprocess.run(
            self.command, input=given, capture_output=True, check=False, timeout=seconds,
            env={**self.environment(words), **(environment or {})}, cwd="/",
        )  # fmt: skip
        return Answer(ran.returncode, ran.stdout, ran.stderr.decode("ascii"))

    def start(self, words: str, **pipes: Any) -> subprocess.Popen[bytes]:
        """A call that the test feeds, kills or waits for itself."""
        defaults: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command, env=self.environment(words), **(defaults | pipes))

    def batch(self, name: str) -> Path:
        return self.spool / "batches" / name

    def put(self, name: str, pages: Mapping[str, bytes]) -> None:
        assert self.call(f"put {name}", stream(pages)).json["whole"]

    def state(self, name: str) -> str:
        return str(self.call(f"status {name}").json["state"])

    def slurm_calls(self, program: str) -> list[dict[str, Any]]:
        path = self.slurm / "calls"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in calls if call["program"] == program]

    def jobs(self) -> list[dict[str, Any]]:
        path = self.slurm / "jobs"
        return json.loads(path.read_text()) if path.exists() else []

    def set_states(self, *states: str) -> None:
        """What Slurm says from now on of the tasks of the last job; none: it has forgotten the job."""
        jobs = self.jobs()
        jobs[-1]["tasks"] = list(states)
        (self.slurm / "jobs").write_text(json.dumps(jobs))

    def ran(
        self, name: str, *, attempt: int = 1, task: int = 0, done: Iterable[str] = (), failed: Mapping[str, str] | None = None,
        stopped: str = "", marker: bool = True,
    ) -> None:  # fmt: skip
        """What a job leaves behind."""
        batch = self.batch(name)
        for page in done:
            (batch / "results" / f"{page}.alto.xml").write_text(f"<alto>{page}</alto>")
            (batch / "pages" / f"{page}.done").write_text("")
        for page, why in (failed or {}).items():
            (batch / "pages" / f"{page}.failed").write_text(why)
        (batch / "runs" / str(attempt) / f"{task}.started").write_text(json.dumps({"job": str(self.jobs()[-1]["job"])}))
        if marker:
            end = {"job": "100", "seconds": 2.5, "stopped": stopped, "contained": "none"}
            (batch / "runs" / str(attempt) / f"{task}.exit").write_text(json.dumps(end))
