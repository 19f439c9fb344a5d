"""What a person sends to a cluster's people who let keys in through a portal, ready to send, in English and in French."""

from __future__ import annotations

from recettes.declarations.ocr import OcrCluster
from recettes.templates import render


def request_text(
    cluster: OcrCluster, *, line: str, host: str, user: str, address: str, folder: str, lab: str, contact: str
) -> str:
    """`line` is the whole line of authorized_keys; `address` the one in its from=, `folder` the gate's."""
    return render(
        "ocr/request.txt",
        support=cluster.support, cluster=cluster.name, host=host, user=user, line=line, address=address, folder=folder, lab=lab,
        contact=contact, until=cluster.until.isoformat(), account=cluster.account or "—",
        core_hours=cluster.limits.core_hours_a_day, calls=cluster.limits.calls_a_minute,
    )  # fmt: skip
