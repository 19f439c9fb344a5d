"""What the gate's account on a cluster is to hold, from the whole lab."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from recettes.contents.entries import ContentsError
from recettes.declarations.ocr import KrakenImage, KrakenWheels, OcrCluster
from recettes.lab import LabView
from recettes.ocr import names
from recettes.ocr.account import Account, programs_of
from recettes.ocr.declared import large_of, venv_of
from recettes.ocr.key_line import command, key_line
from recettes.ocr.request import request_text
from recettes.ocr.settings import folder_of, gate_settings, image_path, model_path, settings_text, spool_of
from recettes.recipes import ROOT
from recettes.ssh_keys import public_key

_PROGRAMS = (names.GATE, names.JOB, names.PAGES)
_NOT_MADE_YET = "ssh-ed25519 (will be made by the run)"


def cluster_of(lab: LabView, name: str) -> OcrCluster | None:
    """The declared cluster on the machine; None where the lab wants nothing of it."""
    return lab.wishes.lab.ocr.cluster(name) if lab.wishes.lab.ocr else None


def account_of(lab: LabView, cluster: OcrCluster) -> Account:
    """Raises ContentsError: a file that is declared and not there, or another one than declared."""
    ocr = lab.wishes.lab.ocr
    assert ocr
    user, folder = lab.machine(cluster.name).user, folder_of(cluster)
    secret = lab.secret(names.KEY_SECRET)
    venv = venv_of(cluster.kraken) if isinstance(cluster.kraken, KrakenWheels) else None
    large = {model_path(cluster, model): large_of(model.file, model.sha256) for model in ocr.models}
    if isinstance(cluster.kraken, KrakenImage):
        large[image_path(cluster, cluster.kraken)] = large_of(cluster.kraken.file, cluster.kraken.sha256)
    settings = gate_settings(cluster, ocr.models, venv.digest if venv else "")
    slurm = settings["slurm"]
    return Account(
        user=user,
        home=cluster.home,
        folder=folder,
        spool=spool_of(cluster),
        files=programs_of(
            {name: (ROOT / "programs" / name).read_text(encoding="utf-8") for name in _PROGRAMS},
            settings_text(settings), folder, user,
        ),
        large=large,
        venv=venv,
        command=command(cluster),
        key=_line(lab, cluster) if cluster.keys_by == "authorized_keys" else None,
        public=public_key(secret) if secret else "",
        programs=(cluster.python, slurm["sbatch"], slurm["squeue"], slurm["scancel"]),
        model=ocr.models[0].name,
        until=cluster.until,
    )  # fmt: skip


def address_of(lab: LabView, cluster: OcrCluster) -> str:
    """Where the submitter's key works from. Raises ContentsError where nobody says it, or the estate says what cannot be it."""
    if cluster.submitter_address:
        return cluster.submitter_address
    images = lab.estate.of_group("images")
    if not images:
        raise ContentsError(
            f"The cluster {cluster.name} has no submitter_address=, and the estate no machine of group images to send pages. "
            "Nothing was done for this cluster."
        )
    name, address = images[0].name, images[0].address
    try:
        outside = IPv4Address(address).is_global
    except AddressValueError:
        why = "is no IPv4 address, and the submitter calls over IPv4"
    else:
        if outside or cluster.keys_by == "authorized_keys":
            return address
        why = "is one of an inner network, which a cluster with a portal does not see"
    raise ContentsError(
        f"The cluster {cluster.name} has no submitter_address=, and the address of {name}, {address}, {why}. Declare the one "
        "from which the cluster sees it: its floating address or, where it has none, that of its router. "
        "Nothing was done for this cluster."
    )


def request_file(lab: LabView, cluster: OcrCluster) -> Path:
    """Where the request to the people of the cluster lies, on this computer."""
    return lab.estate.folder / f"ocr-request-{cluster.name}.txt"


def request_of(lab: LabView, cluster: OcrCluster) -> str:
    """For a cluster that takes keys through its portal: what a person sends, with the key line in it. Raises ContentsError."""
    return request_text(
        cluster,
        line=_line(lab, cluster),
        host=cluster.robot or lab.machine(cluster.name).address,
        user=lab.machine(cluster.name).user,
        address=address_of(lab, cluster),
        folder=folder_of(cluster),
        lab=lab.wishes.lab.name,
        contact=lab.wishes.lab.contact,
    )


def _line(lab: LabView, cluster: OcrCluster) -> str:
    secret = lab.secret(names.KEY_SECRET)
    return key_line(cluster, public_key(secret) if secret else _NOT_MADE_YET, address_of(lab, cluster))
