"""The queue: folders for images that wait and for results, and the timer that empties the one into the other."""

from __future__ import annotations

from collections.abc import Sequence

from recettes.files import File, folder, text
from recettes.hardening import Exemption, hardened
from recettes.ocr import names
from recettes.templates import render
from recettes.units import Unit

SERVICE = "/etc/systemd/system/recettes-ocr-queue.service"
TIMER = "/etc/systemd/system/recettes-ocr-queue.timer"

# A file that has not changed for two minutes has been copied; one job for what comes within a quarter of an hour.
QUEUE_SETTINGS = {
    "folder": names.QUEUE,
    "results": names.RESULTS,
    "settle_seconds": 120,
    "gather_seconds": 900,
    "gather_pages": 200,
}


def queue_files(addresses: Sequence[str | None]) -> dict[str, File]:
    """`addresses` are those of the clusters, None for one that is known by its name only.

    Who is in the account's group drops images and reads results; the key and what the submitter notes are not for the group.
    """
    return {
        names.QUEUE: folder(names.ACCOUNT, names.ACCOUNT, 0o2770),
        names.RESULTS: folder(names.ACCOUNT, names.ACCOUNT, 0o2750),
        SERVICE: text(_service(addresses)),
        TIMER: text(render("ocr/queue.timer")),
    }


def queue_units() -> dict[str, Unit]:
    return {TIMER.rpartition("/")[2]: Unit(definition=(TIMER, SERVICE))}


def _service(addresses: Sequence[str | None]) -> str:
    known = sorted(address for address in addresses if address)
    if len(known) == len(addresses):
        network = {"IPAddressAllow": Exemption("the clusters", ("localhost", *known))}
    else:
        network = {
            "IPAddressDeny": Exemption("a cluster is known by its name only, which stands for several machines"),
            "IPAddressAllow": Exemption("see IPAddressDeny"),
        }
    return hardened(
        description="Send dropped images to be recognised, and bring the results",
        exec_start=f"{names.PROGRAM} queue run",
        user=names.ACCOUNT,
        unit=["After=network-online.target", "Wants=network-online.target"],
        # A cluster that sends a byte now and then holds up no other for ever; the next run goes on where this one was.
        service=["Type=oneshot", "TimeoutStartSec=6h", f"ReadWritePaths={names.STATE} {names.RESULTS}"],
        exemptions=network,
        wanted_by=None,
    )
