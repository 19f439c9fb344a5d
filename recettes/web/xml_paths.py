"""Where a request for a path of an XmlSite goes on the database's server, and what goes nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recettes.declarations.sites import XmlSite
from recettes.declarations.xmldb import XmlApp
from recettes.xmldb.names import render_path, run_path


@dataclass(frozen=True)
class Location:
    """`place` as nginx's location names it; `target` takes the place of what it matched."""

    place: str
    target: str


def locations(site: XmlSite, app: XmlApp) -> list[Location]:
    """All that is open. A path of the site opens itself and what is below it, and not what only begins with the same letters."""
    open_, transformed = _plain(site.paths), _plain(app.transforms)
    within = {path for path in transformed if _below(path, open_)}
    found: list[Location] = []
    for path in sorted({*open_, *within}):
        target = target_of(app, path)
        if path:
            found.append(Location(f"= {path}", target))
        found.append(Location(f"{path}/" if path else "/", f"{target}/" if path else target))
    return found


def target_of(app: XmlApp, path: str) -> str:
    """Where the server answers for a path of the application: on the servlet of the user who may transform, or on the other."""
    root = render_path if _below(path.rstrip("/"), _plain(app.transforms)) else run_path
    return root(app.name) + path.removeprefix("/")


def _plain(paths: Iterable[str]) -> list[str]:
    """Without the slash at the end: the root is the empty text."""
    return [path.rstrip("/") for path in paths]


def _below(path: str, others: Iterable[str]) -> bool:
    return any(path == other or path.startswith(f"{other}/") for other in others)
