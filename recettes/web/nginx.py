"""All of nginx's configuration, as one tree of our own beside the package's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from recettes.declarations.sites import Site
from recettes.files import File, text
from recettes.secrets import Secret
from recettes.trees import Tree
from recettes.web import names
from recettes.web.headers import shared_fills
from recettes.web.passwords import password_file
from recettes.web.template import render
from recettes.web.vhost import Front, failed_page, health, unavailable_page, vhost

PACKAGES = frozenset({"nginx", "libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static"})

# The folder of the pid file is otherwise made by systemd, at the first start. The test opens the logs: the group may read them.
CHECK = f'mkdir -p {names.NGINX_PID.rpartition("/")[0]}; umask 027; nginx -t -q -c "$1/nginx.conf"'

# The password of a visitor by the name of its secret; None where the next apply will make it.
Passwords = Callable[[str], Secret | None]

_SHARED = ("mime", "compression", "tls", "hidden", "proxy", "fastcgi")
_COMPRESSED = (
    "application/atom+xml application/geo+json application/javascript application/json application/ld+json "
    "application/manifest+json application/n-triples application/rdf+xml application/rss+xml application/tei+xml "
    "application/vnd.ms-fontobject application/wasm application/xhtml+xml application/xml application/xml-dtd font/otf font/ttf "
    "image/svg+xml image/x-icon model/gltf+json text/css text/csv text/javascript text/markdown text/plain "
    "text/tab-separated-values text/turtle text/vtt text/xml"
)
NOT_MADE_YET = b"# The passwords will be made by the run that writes this file.\n"


def nginx_tree(sites: Sequence[Site], front: Front, passwords: Passwords) -> Tree:
    """/etc/recettes/nginx: what all sites share, and the files of each."""
    files = {f"{name}.conf": text(render(f"nginx/{name}.conf.j2", types=_COMPRESSED)) for name in _SHARED}
    files["nginx.conf"] = text(
        render(
            "nginx/nginx.conf.j2",
            user=names.WEB_USER,
            pid=names.NGINX_PID,
            logs=names.logs("default"),
            status=names.STATUS,
            filled=shared_fills(),
            unavailable=unavailable_page(),
            failed=failed_page(),
            administrators=front.administrators,
            healthy=[(site, path) for site in sites if (path := health(site, front))],
        )
    )
    for site in sites:
        files[f"sites/{site.name}.conf"] = text(vhost(site, front))
        if site.snippet:
            # A file of its own: nginx names it and the line as the administrator typed it, and no brace in it closes one of ours.
            files[f"snippets/{site.name}.conf"] = text(site.snippet.strip("\n") + "\n")
        if site.basic_auth:
            files[f"passwords/{site.name}"] = _password_file(site, passwords)
    return Tree("nginx", names.NGINX_ROOT, files, CHECK)


def _password_file(site: Site, passwords: Passwords) -> File:
    known = [(user, passwords(names.password_name(site.name, user))) for user in site.basic_auth]
    made = [(user, password) for user, password in known if password is not None]
    content = password_file(site.name, made) if len(made) == len(known) else NOT_MADE_YET
    return File(content, group=names.WEB_USER, mode=0o640, secret=True)


def secret_names(sites: Iterable[Site]) -> list[str]:
    """The passwords that the sites need."""
    return [names.password_name(site.name, user) for site in sites for user in site.basic_auth]
