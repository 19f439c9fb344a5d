"""What is to go wrong inside the hypervisor's stand-in: a file for each kind, project and server. Tests write, drivers
read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cloud.control.place import Place

SPAWNING = "spawning"  # no server of this name can be made in the project
ATTACHING = "attaching"  # attaching a volume to a server of this name does not end


def troubled(place: Place, kind: str, project: str, server: str) -> bool:
    return (place.troubles / kind / project / server).exists()


@contextmanager
def trouble(place: Place, kind: str, project: str, server: str) -> Iterator[None]:
    """While it lasts, `kind` goes wrong for servers of that name in the project of that id: other tests have such names, too."""
    file = place.troubles / kind / project / server
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    try:
        yield
    finally:
        file.unlink()
