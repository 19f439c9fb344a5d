"""The submitter of text recognition, as the lab's machines, clusters and projects want it."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.declarations.ocr import OcrCluster
from recettes.lab import LabView
from recettes.ocr.key_line import key_line
from recettes.ocr.names import KEY_SECRET
from recettes.ocr.proof import Proof
from recettes.ocr.submitter import Reached, projects_of, submitter
from recettes.roles.hpc import address_of, request_file
from recettes.ssh import host_keys
from recettes.ssh_keys import public_key


def ocr_submitter(lab: LabView, name: str) -> Blueprint:
    """For a machine in the group `images`; empty where the lab declares no text recognition, or has none of its clusters."""
    ocr, clusters = lab.wishes.lab.ocr, _reached(lab)
    if ocr is None or not clusters:
        return Blueprint()
    there = {cluster.name for cluster in clusters}
    projects = projects_of(ocr, [project.name for project in lab.wishes.projects])
    return submitter(
        clusters,
        name=f"{lab.estate.name}/{name}",
        projects={project: cluster for project, cluster in projects.items() if cluster in there},
        key=lab.secret(KEY_SECRET),
    )


def ocr_secrets(lab: LabView, name: str) -> list[str]:
    """The random secrets that the machine needs for it."""
    return [KEY_SECRET] if "images" in lab.machine(name).groups and _reached(lab) else []


def proofs(lab: LabView) -> list[Proof]:
    """What the machine is to show of its key, on each cluster. Raises ContentsError."""
    ocr, secret = lab.wishes.lab.ocr, lab.secret(KEY_SECRET)
    public = public_key(secret) if secret else ""  # of a dry run before the first run
    return [
        Proof(
            _one(lab, cluster),
            key_line(cluster, public, address_of(lab, cluster)),
            address_of(lab, cluster),
            f"A person has to hand its line in, as {request_file(lab, cluster)} says. " if cluster.keys_by == "portal" else "",
        )
        for cluster in (ocr.clusters if ocr else ())
        if cluster.name in lab.estate.machines
    ]


def _reached(lab: LabView) -> list[Reached]:
    """The declared clusters that the estate has: a test estate may have none."""
    ocr = lab.wishes.lab.ocr
    return [_one(lab, cluster) for cluster in ocr.clusters if cluster.name in lab.estate.machines] if ocr else []


def _one(lab: LabView, cluster: OcrCluster) -> Reached:
    machine = lab.machine(cluster.name)
    keys = cluster.host_keys or host_keys(lab.estate.folder / "known_hosts", machine.address, machine.port)
    return Reached(
        cluster.name, cluster.robot or machine.inner, cluster.robot_port, machine.user, keys, cluster.login == "two-stage"
    )
