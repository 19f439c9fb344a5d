"""What came back of a batch: under the pages' own names, each in its place, and noted, so that a newer one may replace it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from . import deliver
from .names import FORMATS, result_names
from .refusal import harmless
from .store import Batch, Laid, Page, Store
from .words import both
from .xml_results import ResultError, with_own_name


def lay_results(store: Store, batch: Batch, fetched: Path) -> dict[str, tuple[str, str]]:
    """What lies in `fetched`, in its place; outcome and reason by page. With a ZIP when the batch has ended. Raises OSError."""
    destination, pages = Path(batch.destination), store.pages(batch.name)
    by_folder: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_folder[deliver.inside(page.own)[0]].append(page)
    outcomes = {page.page: (page.outcome, page.why) for page in pages}
    laid: list[Laid] = []
    for folder, those in by_folder.items():
        names = result_names([deliver.inside(page.own)[1] for page in those])
        members: list[tuple[str, Path | deliver.Text, int]] = []
        for page in those:
            own = deliver.inside(page.own)[1]
            try:
                documents = {names[own, kind]: with_own_name(content, kind, own) for kind, content in _came(fetched, page.page)}
            except ResultError as error:
                outcomes[page.page] = ("failed", both("bad result", why=harmless(str(error))))
                continue
            ours = store.laid(page.path, batch.model)
            for name, content in documents.items():
                place = destination / folder / name
                at = deliver.lay(content, place, ours)
                laid.append(Laid(page.path, batch.model, str(at), sha256(content).hexdigest(), batch.name, at != place))
            if documents:
                outcomes[page.page] = ("done", "")
                # ALTO where there is one, which comes first: with both, eScriptorium would import each page twice.
                # Read once more when it is its turn: a thousand texts at once take all of the memory.
                name, content = next(iter(documents.items()))
                text = partial(_text, fetched, page.page, own)
                members += [(own, Path(page.path), page.size), (name, text, len(content))]
        if batch.zipped and members and batch.phase == "deliver":
            deliver.lay_zip(zip_place(batch, folder), members)
    store.note_laid(laid)
    return outcomes


def zip_place(batch: Batch, folder: str) -> Path:
    """The ZIP of the batch's pages of one folder."""
    destination = Path(batch.destination) / folder
    return destination / f"{destination.name}-{batch.model}-{batch.name[-8:]}.zip"


def _text(folder: Path, page: str, own: str) -> bytes:
    kind, content = next(_came(folder, page))
    return with_own_name(content, kind, own)


def _came(folder: Path, page: str) -> Iterator[tuple[str, bytes]]:
    """Format and content of the page's results."""
    for kind in FORMATS:
        with suppress(FileNotFoundError):
            yield kind, (folder / f"{page}.{kind}.xml").read_bytes()
