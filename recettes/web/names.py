"""Where on the web machine the things of a site lie, and what they are called."""

from __future__ import annotations

from recettes.acme import WEBROOT
from recettes.certificates import TLS
from recettes.releases import SITES

NGINX_ROOT = "/etc/recettes/nginx"
PHP_ROOT = "/etc/recettes/php"
TLS_ROOT = TLS
SITES_ROOT = SITES
LOG_ROOT = "/var/log/nginx"
ACME_WEBROOT = WEBROOT
# Sessions and temporary files of PHP sites.
PHP_STATE = "/var/lib/recettes/php"

NGINX_UNIT = "nginx.service"
NGINX_PID = "/run/nginx/nginx.pid"
WEB_USER = "www-data"  # Debian's account of nginx's workers
STATUS = "127.0.0.1:81"  # below 1024: no account without privileges can take its place

PHP = "8.4"  # Debian 13
PHP_UNIT = f"php{PHP}-fpm.service"

# They would collide with nginx's own logs, the account www-data, and the section that FPM keeps for itself.
RESERVED = {"default": "the logs of unknown names", "data": "Debian's account www-data", "global": "PHP-FPM"}
ACCOUNT_LENGTH = 32  # useradd(8)


def identifier(site: str) -> str:
    """The site's name as it may stand in the name of a variable of nginx. Names have no underscore, so no two are alike."""
    return site.replace("-", "_")


def home(site: str) -> str:
    return f"{SITES_ROOT}/{site}"


def content(site: str) -> str:
    """A link to the release that is served."""
    return f"{home(site)}/current"


def uploads(site: str, folder: str) -> str:
    """Where the files that visitors upload lie, whatever release is served."""
    return f"{home(site)}/data/{folder}"


def logs(site: str) -> str:
    return f"{LOG_ROOT}/{site}"


def certificate(site: str) -> str:
    return f"{TLS_ROOT}/{site}/fullchain.pem"


def key(site: str) -> str:
    return f"{TLS_ROOT}/{site}/key.pem"


def account(site: str) -> str:
    """The Unix account of a PHP site, and its group."""
    return f"www-{site}"


def socket(site: str) -> str:
    return f"/run/php/{site}.sock"


def php_state(site: str) -> str:
    return f"{PHP_STATE}/{site}"


def password_name(site: str, user: str) -> str:
    """The secret that holds a visitor's password."""
    return f"site-{site}-{user}"
