"""The gate's settings on one cluster, from what is declared. The form is docs/ocr-protocol.md's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from recettes.declarations.ocr import KrakenImage, KrakenProgram, KrakenWheels, OcrCluster, OcrModel
from recettes.ocr import names


def folder_of(cluster: OcrCluster) -> str:
    """All of ours on the account."""
    return f"{cluster.home}/{names.GATE_FOLDER}"


def spool_of(cluster: OcrCluster) -> str:
    """Where batches lie."""
    return cluster.spool or f"{folder_of(cluster)}/spool"


def model_path(cluster: OcrCluster, model: OcrModel) -> str:
    return f"{folder_of(cluster)}/{names.MODELS}/{model.name}{PurePosixPath(model.file).suffix}"


def image_path(cluster: OcrCluster, image: KrakenImage) -> str:
    """Named by contents: jobs that run keep theirs when another comes."""
    return f"{folder_of(cluster)}/{names.IMAGES}/{image.sha256[:12]}.sif"


def venv_path(cluster: OcrCluster, digest: str) -> str:
    """Named by contents as well."""
    return f"{folder_of(cluster)}/{names.VENV}{digest}"


def gate_settings(cluster: OcrCluster, models: Sequence[OcrModel], wheels: str = "") -> dict[str, Any]:
    """`wheels` is the digest of the virtual environment, where there is one."""
    limits, job = cluster.limits, cluster.job
    return {
        "spool": spool_of(cluster),
        "until": cluster.until.isoformat(),
        **limits.model_dump(),
        "models": {model.name: {"file": model_path(cluster, model), "sha256": model.sha256} for model in models},
        "slurm": {
            **{program: f"{cluster.slurm}/{program}" for program in ("sbatch", "squeue", "scancel")},
            "conf": cluster.slurm_conf or "",
            "account": cluster.account,
            **job.model_dump(include={"minutes", "memory_mb", "cpus", "gpus", "pages_a_task"}),
        },
        "job": {
            "python": cluster.python,
            **_kraken(cluster, wheels),
            **job.model_dump(include={"contain", "segmenter", "device", "page_pixels", "page_seconds"}),
            "formats": list(job.formats),
        },
    }


def _kraken(cluster: OcrCluster, wheels: str) -> dict[str, Any]:
    kraken = cluster.kraken
    said = {"modules": list(kraken.modules), "apptainer": "", "image": ""}
    match kraken:
        case KrakenProgram():
            return {**said, "kraken": kraken.program}
        case KrakenWheels():
            return {**said, "kraken": f"{venv_path(cluster, wheels)}/bin/kraken"}
        case KrakenImage():
            return {**said, "kraken": kraken.program, "apptainer": kraken.apptainer, "image": image_path(cluster, kraken)}


def settings_text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=1, sort_keys=True) + "\n"


def digest_of(*parts: str) -> str:
    """12 hexadecimal digits that change when any of the parts does."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
