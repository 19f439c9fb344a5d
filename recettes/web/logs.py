"""Logs of the sites: a folder each, rotated together."""

from __future__ import annotations

from collections.abc import Iterable

from recettes.files import File, folder, text
from recettes.web import names
from recettes.web.template import render

LOGROTATE = "/etc/logrotate.d/recettes-sites"


def log_files(sites: Iterable[str]) -> dict[str, File]:
    """The folders of the sites' logs, and the one rule that rotates whatever is in them."""
    # Readable for the group adm, whose the files become. nginx's workers open them again by name after a rotation.
    folders = {names.logs(name): folder("root", "adm", 0o2751) for name in ("default", *sites)}
    rule = render("nginx/logrotate.j2", root=names.LOG_ROOT, user=names.WEB_USER, pid=names.NGINX_PID)
    return {**folders, LOGROTATE: text(rule)}
