"""Where things of a compute machine lie."""

from __future__ import annotations

ACCOUNT = "compute"
WORK = "/srv/compute"
LIBRARY = "/usr/local/lib/recettes/compute"
PROGRAM = "/usr/local/sbin/compute"
