"""What a server wrote to its console while it started. `python -m recettes.cloud.console ESTATE SERVER LINES` prints it."""

from __future__ import annotations

import sys

from recettes.cloud.api import COMPUTE, Api, CloudError, chosen_cloud
from recettes.cloud.marks import Mark, mark_in_metadata


def console(api: Api, mark: Mark, lines: int) -> str:
    """The last lines. Raises CloudError."""
    servers = api.all(COMPUTE, "/servers/detail", "servers")
    marks = {mark_in_metadata("server", one.get("metadata") or {}): one for one in servers}
    if mark not in marks:
        known = sorted(one.item for one in marks if one and one.estate == mark.estate)
        raise CloudError(f"estate {mark.estate} has no server {mark.item} in the cloud; it has {', '.join(known) or 'none'}")
    server = marks[mark]
    fault = (server.get("fault") or {}).get("message")
    said = api.post(COMPUTE, f"/servers/{server['id']}/action", {"os-getConsoleOutput": {"length": lines}})["output"]
    return "\n".join([f"-- {mark.item} is {server['status']}{f': {fault}' if fault else ''}", str(said or "").rstrip()])


def main() -> int:
    estate, name, lines = sys.argv[1:]
    try:
        print(console(Api(chosen_cloud()), Mark(estate, "server", name), int(lines)))
    except CloudError as error:
        print(f"{error}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
