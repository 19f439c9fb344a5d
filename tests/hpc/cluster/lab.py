"""A cluster in a container with the gate on it, as deploys/hpc.py makes it, and what a submitter's ssh says to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from recettes.containers.cluster.settings import HOME, HOST, KRAKEN, ROBOT_PORT, USER
from recettes.containers.machine import Machine
from recettes.ocr.names import KEY_SECRET
from recettes.secrets import Vault
from recettes.ssh_keys import private_key
from tests.harness import TestLab
from tests.hpc.account import MODEL, Answer, digest, records, stream

PRESENT = f'KrakenProgram(program="{KRAKEN}/bin/kraken")'
SETTINGS = f"{HOME}/ocr/ocr-gate.json"
_LAB = """
from datetime import date
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import *
lab = Lab(name="The tests' lab", domain="lab.test", contact="administrator@lab.test", ocr=Ocr(
    clusters=(OcrCluster(name="{host}", home="{home}", until=date(2099, 12, 31), submitter_address="{address}", robot_port={port},
        kraken={kraken}, {options}
        job=OcrJob(minutes=20, memory_mb={memory}, cpus=1, {job}),
        limits=OcrLimits(calls_a_minute=10000, batches=100, core_hours_a_day=1000, pages_a_day=100000)),),
    models=(OcrModel(name="tiny-print", file="{model}", sha256="{digest}"),),
))
"""


def neighbours(lab: TestLab) -> str:
    """The submitter's address, and that from which this computer reaches the cluster."""
    return lab.estate.machine(HOST).address.rpartition(".")[0] + ".*"


def declare(
    lab: TestLab, *, address: str = "", kraken: str = PRESENT, options: str = 'keys_by="authorized_keys",', job: str = "",
    memory: int = 3000,
) -> None:  # fmt: skip
    """The whole lab. `options` are further words of the cluster, `job` of its jobs."""
    lab.declare(
        _LAB.format(
            host=HOST, home=HOME, address=address or neighbours(lab), port=ROBOT_PORT, kraken=kraken, options=options, job=job,
            memory=memory, model=MODEL, digest=digest(MODEL.read_bytes()),
        )
    )  # fmt: skip


@dataclass
class Cluster:
    """The cluster with the gate on it. `call` goes all the way: sshd with its two stages, the forced command, the gate."""

    lab: TestLab

    @property
    def machine(self) -> Machine:
        return self.lab.estate.machine(HOST)

    @property
    def key(self) -> Path:
        file = self.lab.scratch / "ocr-key"
        if not file.exists():
            file.touch(mode=0o600)
            pem = private_key(Vault(self.lab.estate.folder).get(KEY_SECRET)).encode()
            # This computer's ssh may be older than those that read PEM.
            key = load_pem_private_key(pem, None)
            file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        return file

    def ssh(self, *words: str, program: str = "ssh", key: Path | None = None, target: str = f"{USER}@{HOST}") -> list[str]:
        """A command line as the submitter's. `words` come before the host for options, or stand alone for scp and its kin."""
        known = self.lab.scratch / "known_hosts"
        if not known.exists():
            lines = self.lab.estate.known_hosts.read_text().splitlines()
            known.write_text("".join(f"{HOST} {line.partition(' ')[2]}\n" for line in lines))
        options = {
            "IdentityFile": key or self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": HOST,
            "HostName": self.machine.address,
            "Port": ROBOT_PORT,
            "PreferredAuthentications": "publickey,keyboard-interactive",
            "ConnectTimeout": 20,
            "RequestTTY": "no",
        }
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        # The first that is said of an option counts.
        return [program, "-F", "none", *words, *given, *([target] if target else [])]

    def call(self, words: str, given: bytes = b"", *, options: Sequence[str] = (), seconds: float = 120) -> Answer:
        ran = subprocess.run(
            [*self.ssh(*options), words], input=given, capture_output=True, check=False, timeout=seconds, start_new_session=True
        )
        return Answer(ran.returncode, ran.stdout, ran.stderr.decode("ascii", "replace"))

    def put(self, batch: str, pages: dict[str, bytes]) -> None:
        assert self.call(f"put {batch}", stream(pages)).json["whole"]

    def submit(self, batch: str) -> str:
        """The job's number."""
        return str(self.call(f"submit {batch} tiny-print").json["job"])

    def status(self, batch: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(f"status {batch}").json
        return found

    def results(self, batch: str) -> dict[str, bytes]:
        answer = self.call(f"fetch {batch}")
        assert answer.code == 0, answer.words
        return records(answer.out)

    @contextmanager
    def settings(self, **changed: Mapping[str, Any]) -> Iterator[None]:
        """The gate's own settings are others for a while, as if others were declared: `slurm` and `job`, in part."""
        ours = self.machine.run(f"cat {SETTINGS}").out
        settings = json.loads(ours)
        for part, values in changed.items():
            settings[part] |= values
        self.write(SETTINGS, json.dumps(settings), "0400")
        try:
            yield
        finally:
            self.write(SETTINGS, ours.rstrip("\n"), "0400")

    def write(self, path: str, text: str, mode: str) -> None:
        """A file of the account's."""
        new = f"{path}.test"
        self.machine.run(
            f"cat >{new} <<'END_OF_FILE'\n{text}\nEND_OF_FILE\nchmod {mode} {new}; chown {USER}: {new}; mv {new} {path}"
        )

    def keep(self) -> None:
        """What the account holds now is what `restore` brings back. Both as root of the cluster: nothing of ours knows of it."""
        self.machine.run(f"rsync -a --delete {HOME}/ /root/kept/")

    def restore(self) -> None:
        self.machine.run(f"rsync -a --delete --checksum /root/kept/ {HOME}/")

    def as_user(self, script: str) -> str:
        """Run a script as the account itself, not through the gate."""
        return self.machine.run(f"su {USER} -s /bin/sh <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT").out
