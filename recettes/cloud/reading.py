"""Reads a cloud: every listing once, several at a time. `python -m recettes.cloud.reading` prints them as a line of JSON."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recettes.cloud.api import COMPUTE, IMAGES, NETWORK, VOLUMES, Api, CloudError, chosen_cloud

# The listing's name -> service, path, and the key of its entries; without a key the answer as it is.
_LISTINGS: dict[str, tuple[str, str, str]] = {
    "flavors": (COMPUTE, "/flavors/detail", "flavors"),
    "servers": (COMPUTE, "/servers/detail", "servers"),
    "compute": (COMPUTE, "/limits", ""),
    "volumes": (VOLUMES, "/volumes/detail", "volumes"),
    "snapshots": (VOLUMES, "/snapshots/detail", "snapshots"),
    "storage": (VOLUMES, "/limits", ""),
    "images": (IMAGES, "/images?limit=500", "images"),
    "networks": (NETWORK, "/networks", "networks"),
    "subnets": (NETWORK, "/subnets", "subnets"),
    "routers": (NETWORK, "/routers", "routers"),
    "ports": (NETWORK, "/ports", "ports"),
    "security_groups": (NETWORK, "/security-groups", "security_groups"),
    "floatingips": (NETWORK, "/floatingips", "floatingips"),
    "network": (NETWORK, "/quotas/{project}/details.json", ""),
}
# What the inventory needs of them.
INVENTORY = ("servers", "ports", "floatingips", "volumes")
_TOGETHER = 14


def read_cloud(api: Api, which: tuple[str, ...] = tuple(_LISTINGS)) -> dict[str, Any]:
    """The raw listings, as recettes.cloud.understanding understands them. Raises CloudError."""
    project = api.project()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        asked = {name: pool.submit(_listing, api, project, *_LISTINGS[name]) for name in which}
        return {"project": project, **{name: future.result() for name, future in asked.items()}}


def _listing(api: Api, project: str, service: str, path: str, key: str) -> Any:
    if key:
        return api.all(service, path, key)
    try:
        return api.get(service, path.format(project=project))
    except CloudError as error:
        if error.status in (403, 404):
            return {}  # a cloud that does not tell its quota: what is too much shows when it is asked for
        raise


def main() -> int:
    which = INVENTORY if sys.argv[1:] == ["inventory"] else tuple(_LISTINGS)
    try:
        print(json.dumps(read_cloud(Api(chosen_cloud()), which)))
    except CloudError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
