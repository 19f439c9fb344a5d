"""The line that lets the submitter's key in, to call the gate and for nothing else."""

from __future__ import annotations

from recettes.declarations.ocr import OcrCluster
from recettes.ocr import names
from recettes.ocr.settings import folder_of


def command(cluster: OcrCluster) -> str:
    """What the key runs, whatever its holder asks for: an interpreter that reads no environment and no folder but its own."""
    return f"{cluster.python} -ISB {folder_of(cluster)}/{names.GATE}"


def key_line(cluster: OcrCluster, public_key: str, address: str) -> str:
    """One line as authorized_keys and the portals take it: sshd(8), "AUTHORIZED_KEYS FILE FORMAT"."""
    return f'restrict,from="{address}",command="{command(cluster)}" {public_key} {names.COMMENT}'
