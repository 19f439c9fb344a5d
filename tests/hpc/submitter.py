"""A submitter whose ssh calls the real gate of an account on this computer; the test says when its jobs end, and as what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recettes.recipes import ROOT
from tests.hpc.account import ADDRESS, Account

PROGRAM = ROOT / "programs/ocr"
SSH = Path(__file__).with_name("stand_in_ssh.py")
PNG = b"\x89PNG\r\n\x1a\n"
ALTO = '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><sourceImageInformation><fileName>{page}</fileName>' \
       "</sourceImageInformation></Description><Layout>{text}</Layout></alto>"  # fmt: skip


def image(text: str) -> bytes:
    """What the gate and the submitter take for an image; each text is another."""
    return PNG + text.encode() * 50


def submitter_settings(folder: Path, **differing: Any) -> dict[str, Any]:
    """Of a submitter with one cluster, without any waiting times."""
    queue = {"folder": str(folder / "queue"), "results": str(folder / "results")}
    return {
        "submitter": "tests",
        "clusters": {"cluster": {"host": "cluster.test", "user": "ada", "port": 22, "interactive": True}},
        "projects": {},
        "key": str(folder / "key"),
        "known_hosts": str(folder / "known_hosts"),
        "state": str(folder / "state"),
        "floor_seconds": 0,
        "attempts": 2,
        "queue": {**queue, "settle_seconds": 0, "gather_seconds": 0, "gather_pages": 100},
    } | differing


@dataclass
class Said:
    status: int
    out: str
    err: str


class Submitter:
    def __init__(self, scratch: Path, account: Account, **differing: Any) -> None:
        self.folder, self.account = scratch / "submitter", account
        self.queue, self.results, self.programs = (self.folder / name for name in ("queue", "results", "bin"))
        for folder in (self.queue, self.results, self.programs):
            folder.mkdir(parents=True)
        self.settings = submitter_settings(self.folder, **differing)
        (self.folder / "ocr.json").write_text(json.dumps(self.settings))
        ssh = self.programs / "ssh"
        connection = '#!/bin/sh\ncase " $* " in *" -O "* | *" -N "*) exit 0 ;; esac\n'
        ssh.write_text(f'{connection}exec {sys.executable} -ISB {SSH} {self.programs} "$@"\n')
        ssh.chmod(0o755)
        plan = {"gate": account.command, "connection": f"{ADDRESS} 50000 198.51.100.1 22"}
        (self.programs / "plan.json").write_text(json.dumps(plan))

    def set(self, **settings: Any) -> None:
        self.settings |= settings
        (self.folder / "ocr.json").write_text(json.dumps(self.settings))

    def fault(self, **fault: Any) -> None:
        """What goes wrong with ssh from now on: see stand_in_ssh.py. None of it where nothing is named."""
        (self.programs / "fault.json").write_text(json.dumps(fault))
        (self.programs / "count").write_text("0")

    @property
    def calls(self) -> list[str]:
        """The words of every call that reached the gate."""
        path = self.programs / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def ocr(
        self, *words: str | Path, wrapper: tuple[str, ...] = (), language: str = "en_CA.UTF-8", terminal: int | None = None
    ) -> Said:
        """The program, as somebody types it; killed it has status -9. What it says on a terminal is read there."""
        command = [sys.executable, *(wrapper or ("-IB", str(PROGRAM))), "--settings", self.folder / "ocr.json", *words]
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "LC_ALL": language}
        run = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal or subprocess.PIPE,
            text=True, check=False, timeout=120,
        )  # fmt: skip
        assert "Traceback" not in (run.stderr or ""), run.stderr
        return Said(run.returncode, run.stdout, run.stderr or "")

    def drop(self, path: str, content: bytes) -> Path:
        """A file in the queue."""
        place = self.queue / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def batches(self) -> list[str]:
        """Those that the gate has."""
        folder = self.account.spool / "batches"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def finish(self, *, failed: Mapping[str, str] | None = None, results: Mapping[str, str] | None = None) -> None:
        """Every job that was sent has ended: `failed` are pages with their reasons, `results` XML other than good ALTO."""
        for batch in self.batches():
            order = self.account.batch(batch) / "order.json"
            if not order.exists():
                continue
            attempt = json.loads(order.read_text())["attempt"]
            pages = [path.name.partition(".")[2] for path in (self.account.batch(batch) / "images").iterdir()]
            done = [page for page in pages if page not in (failed or {})]
            mine = {page: why for page, why in (failed or {}).items() if page in pages}
            self.account.ran(batch, attempt=attempt, done=done, failed=mine)
            for page in done:
                text = (results or {}).get(page, ALTO.format(page=page, text=page))
                (self.account.batch(batch) / "results" / f"{page}.alto.xml").write_text(text)
        self.account.set_states()
