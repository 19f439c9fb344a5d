"""PHP-FPM: a pool, an account and a socket for each PHP site."""

from __future__ import annotations

from collections.abc import Sequence

from recettes.accounts import Account
from recettes.declarations.sites import PhpSite
from recettes.files import File, folder, text
from recettes.trees import Tree
from recettes.web import names
from recettes.web.template import render
from recettes.web.vhost import body_size

CHECK = f'php-fpm{names.PHP} -t -p "$1" -y "$1/php-fpm.conf"'

# They start programs or change what other code of the process sees.
PROGRAMS = "exec,passthru,shell_exec,system,proc_open,popen,pcntl_exec,pcntl_fork"
NEVER = "dl,pcntl_signal,pcntl_alarm,posix_kill,posix_setuid,posix_setgid,posix_mkfifo,symlink,link"


def php_packages(sites: Sequence[PhpSite]) -> frozenset[str]:
    extensions = {extension for site in sites for extension in site.extensions}
    return frozenset({f"php{names.PHP}-fpm", *(f"php{names.PHP}-{extension}" for extension in extensions)})


def php_tree(sites: Sequence[PhpSite]) -> Tree:
    """/etc/recettes/php: FPM itself, and a pool for each site; nothing without any, with which FPM would not start."""
    if not sites:
        return Tree("php", names.PHP_ROOT, {}, CHECK)
    extensions = sorted({extension for site in sites for extension in site.extensions})
    files = {"php-fpm.conf": text(render("php/php-fpm.conf.j2", extensions=extensions))}
    for site in sites:
        files[f"pool.d/{site.name}.conf"] = text(_pool(site))
    return Tree("php", names.PHP_ROOT, files, CHECK)


def _pool(site: PhpSite) -> str:
    return render(
        "php/pool.conf.j2",
        site=site,
        account=names.account(site.name),
        web_user=names.WEB_USER,
        socket=names.socket(site.name),
        home=names.home(site.name),
        state=names.php_state(site.name),
        body=body_size(site).upper(),
        memory=site.memory.upper(),
        upload=site.upload.upper(),
        disabled=NEVER if site.runs_programs else f"{NEVER},{PROGRAMS}",
    )


def php_accounts(sites: Sequence[PhpSite]) -> dict[str, Account]:
    """One for each site, and nginx in the groups of them all: the files of a site are for these two only.

    Debian's account of nginx is as Debian makes it but for that; it is there without PHP sites too, or it would be locked.
    """
    accounts = {names.account(site.name): Account(home="/nonexistent") for site in sites}
    return {**accounts, names.WEB_USER: Account(home="/var/www", groups=frozenset(accounts))}


def php_folders(site: PhpSite) -> dict[str, File]:
    """Where the site may write: uploads, sessions, temporary files."""
    account = names.account(site.name)
    made = {f"{names.home(site.name)}/data": folder()}
    for upload in site.uploads:
        steps = upload.split("/")
        between = {names.uploads(site.name, "/".join(steps[:depth])): folder() for depth in range(1, len(steps))}
        made = {**between, **made, names.uploads(site.name, upload): folder(account, account, 0o750)}
    made[names.PHP_STATE] = folder()
    for below in ("", "/sessions", "/tmp"):  # noqa: S108
        made[names.php_state(site.name) + below] = folder(account, account, 0o700)
    return made
