"""The lab's front: nginx with all sites, and PHP for those that want it."""

from __future__ import annotations

from collections.abc import Sequence

from recettes.blueprint import Blueprint
from recettes.declarations.sites import FileSite, PhpSite, Site
from recettes.files import File, folder, text
from recettes.units import Unit
from recettes.web import names
from recettes.web.logs import log_files
from recettes.web.nginx import PACKAGES, Passwords, nginx_tree
from recettes.web.php import php_accounts, php_folders, php_packages, php_tree
from recettes.web.template import render
from recettes.web.vhost import Front

NGINX_DROP_IN = f"/etc/systemd/system/{names.NGINX_UNIT}.d/recettes.conf"
PHP_DROP_IN = f"/etc/systemd/system/{names.PHP_UNIT}.d/recettes.conf"


def web(sites: Sequence[Site], front: Front, passwords: Passwords) -> Blueprint:
    """The blueprint of the front. Contents and certificates of the sites are not in it; both come before its trees."""
    php = [site for site in sites if isinstance(site, PhpSite)]
    return _nginx(sites, front, passwords) + (_php(php) if php else _no_php())


def _nginx(sites: Sequence[Site], front: Front, passwords: Passwords) -> Blueprint:
    unit = Unit(
        definition=(f"/usr/lib/systemd/system/{names.NGINX_UNIT}", NGINX_DROP_IN),
        reads=(names.NGINX_ROOT, names.TLS_ROOT),
        reload=f"/usr/sbin/nginx -c {names.NGINX_ROOT}/nginx.conf -s reload",
    )
    drop_in = render(
        "nginx/unit.conf.j2",
        pid=names.NGINX_PID,
        root=names.NGINX_ROOT,
    )
    files: dict[str, File] = {NGINX_DROP_IN: text(drop_in), names.ACME_WEBROOT: folder(), names.SITES_ROOT: folder()}
    files |= log_files(site.name for site in sites)
    files |= {names.home(site.name): _home(site) for site in sites if isinstance(site, FileSite)}
    return Blueprint(
        packages=PACKAGES,
        accounts=php_accounts([site for site in sites if isinstance(site, PhpSite)]),
        files=files,
        trees={names.NGINX_ROOT: nginx_tree(sites, front, passwords)},
        units={names.NGINX_UNIT: unit},
    )


def _home(site: FileSite) -> File:
    """For nginx, and for the account of the site; other sites' accounts see nothing of it."""
    return folder("root", names.account(site.name) if isinstance(site, PhpSite) else names.WEB_USER, 0o750)


def _php(sites: Sequence[PhpSite]) -> Blueprint:
    unit = Unit(
        definition=(f"/usr/lib/systemd/system/{names.PHP_UNIT}", PHP_DROP_IN),
        reads=(names.PHP_ROOT,),
        reload="/bin/kill -USR2 $MAINPID",
    )
    drop_in = render(
        "php/unit.conf.j2",
        version=names.PHP,
        root=names.PHP_ROOT,
        state=names.PHP_STATE,
        sites=names.SITES_ROOT,
    )
    files = {PHP_DROP_IN: text(drop_in)}
    for site in sites:
        files |= php_folders(site)
    return Blueprint(
        packages=php_packages(sites),
        files=files,
        trees={names.PHP_ROOT: php_tree(sites)},
        units={names.PHP_UNIT: unit},
    )


def _no_php() -> Blueprint:
    """FPM refuses to start without a pool, so it is not to run."""
    return Blueprint(trees={names.PHP_ROOT: php_tree([])}, units={names.PHP_UNIT: Unit(wanted=False)})
