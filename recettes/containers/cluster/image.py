"""The cluster's image: a bare machine's, with Slurm, and Kraken from a lock file. Some minutes once, seconds ever after."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from recettes.containers.cluster.settings import FILES, HOME, KRAKEN, PACKAGES, UNITS, USER, USER_ID
from recettes.containers.identity import Member, archive_of
from recettes.containers.image import BUILD_SECONDS, ENTRYPOINT, IMAGE_LABEL, SUITE, image
from recettes.containers.waiting import ContainersError
from recettes.contents.cache import cache_folder
from recettes.contents.wheels import REQUIREMENTS, pack_wheels, pinned, wheels
from recettes.durable import locked
from recettes.ocr.debian import PLATFORMS, PROVIDED, PYTHON
from recettes.recipes import ROOT

log = logging.getLogger(__name__)

REPOSITORY = "recettes-cluster"
_WHEELS = "/root/wheels"
# Slurm's daemons are to be enabled and not started: nothing of systemd runs while the image is made.
_SCRIPT = f"""set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold \
    {" ".join(PACKAGES)} >/root/apt.log 2>&1 || {{ tail -5 /root/apt.log; exit 1; }}
apt-get clean
rm -rf /var/lib/apt/lists/* /root/apt.log
python3 -m venv --system-site-packages {KRAKEN}
{KRAKEN}/bin/pip install --quiet --no-index --no-deps --require-hashes --find-links {_WHEELS} -r {_WHEELS}/{REQUIREMENTS}
rm -rf {_WHEELS}
useradd --uid {USER_ID} --create-home --home-dir {HOME} --shell /bin/bash {USER}
chmod 700 {HOME}
install -d -o slurm -g slurm /var/lib/slurm/slurmctld /var/log/slurm
systemctl enable --quiet {" ".join(UNITS)}
{KRAKEN}/bin/kraken --version
"""


def cluster_image(client: DockerClient) -> str:
    """Name of the image, built if the engine has none of this recipe."""
    base = image(client)
    requirements = pinned((ROOT / "requirements/kraken.txt").read_text(encoding="utf-8"), PROVIDED)
    recipe = json.dumps([base, requirements, PYTHON, PLATFORMS, sorted(FILES.items()), _SCRIPT])
    name = f"{REPOSITORY}:{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with locked(cache_folder() / "image.lock", BUILD_SECONDS):
        try:
            client.images.get(name)
        except ImageNotFound:
            log.info("building the image %s of a cluster with Slurm and Kraken: some minutes", name)
            _build(client, base, requirements, name)
    return name


def _build(client: DockerClient, base: str, requirements: str, name: str) -> None:
    folder = wheels(requirements, PYTHON, PLATFORMS)
    container = client.containers.create(base, entrypoint=["sleep", "infinity"], labels={IMAGE_LABEL: name})
    try:
        # Slurm's settings before its packages: with none, its daemons' first start hangs.
        container.put_archive("/", archive_of(Member(path, text.encode(), 0o644) for path, text in FILES.items()))
        container.put_archive("/", archive_of([Member(_WHEELS, None, 0o700)]))
        container.put_archive(_WHEELS, _packed(folder))
        container.start()
        status, said = container.exec_run(["/bin/sh", "-c", _SCRIPT])
        if status:
            words = b"".join([said] if isinstance(said, bytes) else said).decode(errors="replace").strip()
            raise ContainersError(f"The cluster's image could not be made:\n{words}")
        repository, tag = name.split(":")
        container.commit(repository=repository, tag=tag, changes=f"ENTRYPOINT {json.dumps(ENTRYPOINT)}")
    finally:
        container.remove(force=True, v=True)


def _packed(folder: Path) -> bytes:
    stream = io.BytesIO()
    pack_wheels(folder, stream)
    return stream.getvalue()
