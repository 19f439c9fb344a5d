"""Text recognition on clusters that belong to others: which accounts, with which models, at whose charge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from recettes.declarations.base import Declaration, Hostname, Name, unique, written_as, wrong
from recettes.declarations.people import EMail, PublicKey, at_least_one
from recettes.ocr.names import GATE_FOLDER, IMAGES, INCOMING, MODELS

MODEL_KINDS = (".safetensors", ".mlmodel")
_NOTHING_ODD = r"/[A-Za-z0-9._+/-]*"


def _path(value: str) -> str:
    if not re.fullmatch(_NOTHING_ODD, value) or ".." in value.split("/") or value != "/" + value.strip("/"):
        raise ValueError("is not a whole path such as /home/ada: letters, digits and . _ + - only, no .., no / at the end")
    return value


def _model_file(value: str) -> str:
    if not value.endswith(MODEL_KINDS):
        raise ValueError(f"is not one of {' or '.join(MODEL_KINDS)}: a model of another kind can run a program when it is loaded")
    return value


def _source_address(value: str) -> str:
    """OpenSSH's own pattern, see sshd(8), "from"; three octets at the least are what clusters ask for."""
    try:
        IPv4Address(re.sub(r"\.\*$", ".0", value))
    except AddressValueError:
        raise ValueError("is not an IPv4 address such as 192.0.2.7, or its first three numbers and a star: 192.0.2.*") from None
    return value


Path = Annotated[str, AfterValidator(_path)]
Digest = Annotated[str, written_as(r"[0-9a-f]{64}", "is not a SHA-256: the 64 digits that `sha256sum FILE` prints")]
# Names of modules and of distributions, tags of platforms: nothing that a shell would take for something else.
Word = Annotated[str, written_as(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,80}", "is not one word of letters, digits and . _ + / -")]
# The same as the gate's MODEL, see docs/ocr-protocol.md.
ModelName = Annotated[
    str, written_as(r"[a-z0-9][a-z0-9._-]{0,47}", "is not a model's name: up to 48 lower-case letters, digits and . _ -")
]


class OcrModel(Declaration):
    """A recognition model; `file` is on the controller, relative to the project's root unless absolute."""

    name: ModelName
    file: Annotated[str, AfterValidator(_model_file)]
    sha256: Digest


class KrakenProgram(Declaration):
    """Kraken is there already, put there by the cluster's people or by a module."""

    program: Path
    modules: tuple[Word, ...] = ()


class KrakenWheels(Declaration):
    """A virtual environment below ~/ocr, made of wheels that the controller fetches and sends: the cluster fetches nothing.

    `requirements` is a file on the controller that pins every wheel with its SHA-256 (as `uv pip compile --generate-hashes`
    writes it); `python` the interpreter on the cluster after `modules` are loaded, `version` its version, and `platforms` the
    tags of wheels that run there, the preferred one first (as for `pip download --platform`). `provided` are distributions of
    the requirements that the cluster has already: the environment sees the interpreter's own packages then.
    """

    requirements: str = "requirements/kraken.txt"
    python: Path = "/usr/bin/python3"
    version: Annotated[str, written_as(r"3\.\d{1,2}", "is not a version of Python such as 3.11")] = "3.11"
    platforms: Annotated[tuple[Word, ...], AfterValidator(at_least_one)] = (
        "manylinux_2_28_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
    )
    provided: tuple[Word, ...] = ()
    modules: tuple[Word, ...] = ()


class KrakenImage(Declaration):
    """An Apptainer image on the controller, and the program's path inside it; `apptainer` is the cluster's."""

    file: Annotated[str, written_as(r".+\.sif", "is not an Apptainer image (.sif)")]
    sha256: Digest
    program: Path = "/usr/local/bin/kraken"
    apptainer: Path = "/usr/bin/apptainer"
    modules: tuple[Word, ...] = ()


class OcrLimits(Declaration):
    """What the gate allows at the most, whoever holds the key. Sizes in bytes; see docs/ocr-protocol.md."""

    pages: Annotated[int, Field(ge=1, le=5000)] = 1000
    page_bytes: Annotated[int, Field(ge=1, le=10**10)] = 100_000_000
    batch_bytes: Annotated[int, Field(ge=1, le=10**13)] = 4_000_000_000
    batches: Annotated[int, Field(ge=1, le=1000)] = 20
    spool_bytes: Annotated[int, Field(ge=1, le=10**14)] = 40_000_000_000
    age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    pages_a_day: Annotated[int, Field(ge=1, le=10**7)] = 5000
    core_hours_a_day: Annotated[int, Field(ge=1, le=10**6)] = 200
    calls_a_minute: Annotated[int, Field(ge=1, le=10**5)] = 60
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    stall_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    log_bytes: Annotated[int, Field(ge=1000, le=10**9)] = 1_000_000
    log_files: Annotated[int, Field(ge=1, le=99)] = 10


class OcrJob(Declaration):
    """What one Slurm job gets. More pages than `pages_a_task` make an array of such jobs.

    `gpus` is as in sbatch's --gpus-per-node ("h100_1g.10gb:1"), and `device` then "cuda:0". `contain` "best" is the strictest
    means at hand when Kraken reads the images of strangers. `segmenter` "baselines" is the neural one, for handwriting, and ten
    times slower. A page may have `page_pixels` and take `page_seconds`.
    """

    minutes: Annotated[int, Field(ge=2, le=10**5)] = 60
    memory_mb: Annotated[int, Field(ge=1, le=10**7)] = 4000
    cpus: Annotated[int, Field(ge=1, le=1000)] = 2
    gpus: Annotated[str, written_as(r"([a-z0-9][a-z0-9._-]{0,50}:)?[1-9]?", 'is not such as "h100_1g.10gb:1"')] = ""
    pages_a_task: Annotated[int, Field(ge=1, le=5000)] = 200
    contain: Literal["best", "apptainer", "bwrap", "landlock", "none"] = "best"
    segmenter: Literal["boxes", "baselines"] = "boxes"
    formats: tuple[Literal["alto", "page"], ...] = ("alto",)
    device: Annotated[str, written_as(r"cpu|cuda:[0-9]", 'is neither "cpu" nor "cuda:0"')] = "cpu"
    page_pixels: Annotated[int, Field(ge=1, le=10**10)] = 150_000_000
    page_seconds: Annotated[int, Field(ge=1, le=10**5)] = 600


class OcrCluster(Declaration):
    """One account on somebody else's cluster. `name` is the machine in the estate's group `hpc`: its login node, for deploys.

    - `home` is the account's home folder; all of ours lies in ~/ocr. Batches lie in `spool` (a folder of the account's own, on
      the file system for large files, not below one that a group can write), by default ~/ocr/spool.
    - `robot` is the host that lets the submitter's key in, where that is not the machine itself, and `host_keys` its public host
      keys as `ssh-keyscan` prints them, without the name. None: those by which the estate knows the machine. `robot_port` is
      where it listens.
    - `login` "two-stage" is public key, then an empty keyboard-interactive, as on the Alliance's automation nodes.
    - `keys_by` "portal": a person hands the key line in; the deploy writes it down and checks it. `support` is whom to ask.
    - `submitter_address` is where the key works from: the submitter's address as the cluster sees it. None: the one by which the
      estate knows the first machine of group `images`, where that can be it.
    - `account` is the allocation that pays (Slurm's --account), for the pages of `projects`; none named: of all projects.
    - `until` is the last day on which the key does anything.
    """

    name: Name
    home: Path
    until: date
    kraken: KrakenProgram | KrakenWheels | KrakenImage
    account: Annotated[str, written_as(r"([A-Za-z0-9][A-Za-z0-9_-]{0,59})?", "is not an account of Slurm such as def-ada")] = ""
    projects: tuple[Name, ...] = ()
    submitter_address: Annotated[str, AfterValidator(_source_address)] | None = None
    robot: Hostname | None = None
    robot_port: Annotated[int, Field(ge=1, le=65535)] = 22
    host_keys: tuple[PublicKey, ...] = ()
    login: Literal["two-stage", "key"] = "two-stage"
    keys_by: Literal["authorized_keys", "portal"] = "portal"
    support: EMail | None = None
    spool: Path | None = None
    python: Path = "/usr/bin/python3"
    slurm: Path = "/usr/bin"
    slurm_conf: Path | None = None
    job: OcrJob = OcrJob()
    limits: OcrLimits = OcrLimits()

    @model_validator(mode="after")
    def _whole(self) -> OcrCluster:
        job, limits = self.job, self.limits
        if self.keys_by == "portal" and not self.support:
            raise ValueError('keys_by="portal" needs support=, the address of the people who let a key in')
        if self.robot and not self.host_keys:
            raise ValueError("robot= needs host_keys=, or the submitter could not tell that host from another that answers")
        if bool(job.gpus) != job.device.startswith("cuda"):
            raise ValueError('a job with gpus= needs device="cuda:0", and the other way round')
        if job.contain == "apptainer" and not isinstance(self.kraken, KrakenImage):
            raise ValueError('contain="apptainer" needs kraken=KrakenImage(…)')
        if not limits.page_bytes <= limits.batch_bytes <= limits.spool_bytes:
            raise ValueError("the limits page_bytes, batch_bytes and spool_bytes have to grow in this order")
        ours = f"{self.home}/{GATE_FOLDER}"
        if self.spool in (self.home, ours) or any(
            f"{self.spool}/".startswith(f"{ours}/{name}/") for name in (MODELS, IMAGES, INCOMING)
        ):
            raise ValueError(f"spool={self.spool!r} is where something else lies: batches need a folder of their own")
        if job.cpus * job.minutes > limits.core_hours_a_day * 60:
            raise ValueError("one job is asked for more core-hours than limits.core_hours_a_day allows: none could ever be sent")
        return self


class Ocr(Declaration):
    """Pages of the lab's projects are recognised with `models` on `clusters`."""

    clusters: Annotated[tuple[OcrCluster, ...], Field(min_length=1)]
    models: Annotated[tuple[OcrModel, ...], Field(min_length=1)]

    def cluster(self, name: str) -> OcrCluster | None:
        """The cluster on the machine of that name."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)

    def cluster_of(self, project: str) -> OcrCluster | None:
        """Where the project's pages go: the cluster that names it, else the first that takes all."""
        named = [cluster for cluster in self.clusters if project in cluster.projects]
        return next(iter(named + [cluster for cluster in self.clusters if not cluster.projects]), None)


def check_ocr(ocr: Ocr | None, *, projects: Sequence[str]) -> None:
    """Note what is wrong with clusters and models taken together."""
    if ocr is None:
        return
    unique("cluster", ocr.clusters)
    unique("model", ocr.models)
    charged: dict[str, str] = {}
    for cluster in ocr.clusters:
        for project in cluster.projects:
            if project not in projects:
                wrong(
                    cluster, "projects", f"there is no project {project!r}; declared are {', '.join(sorted(projects)) or 'none'}"
                )
            if (other := charged.setdefault(project, cluster.name)) != cluster.name:
                wrong(cluster, "projects", f"{project!r} is charged to {other} already; a project has one allocation")
