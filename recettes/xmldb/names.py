"""Where on the XML database machine things lie, and what they are called."""

from __future__ import annotations

PORT = 8984
USER = "basex"
UNIT = "basex.service"
JETTY_ROOT = "/etc/recettes/jetty"

# The data volume: what is below it outlives programs, applications and machines.
ROOT = "/srv/basex"
DATA = f"{ROOT}/data"  # BaseX's databases and users
USERS = f"{DATA}/users.xml"
REPO = f"{ROOT}/repo"  # XQuery packages, a link each
RESTXQ = f"{ROOT}/restxq"  # applications in force, a link each
APPS = f"{ROOT}/apps"  # their releases
PACKAGES = f"{ROOT}/packages"  # releases of packages
SOURCES = f"{ROOT}/sources"  # releases of what databases are made of
STAGING = f"{ROOT}/staging"  # databases being built
DUMPS = f"{ROOT}/dumps"

# What commands of ours on the machine say to the running server; root's alone, outside /etc.
STATE = "/var/lib/recettes/basex"
ADMIN_PASSWORD = f"{STATE}/admin"
ADMIN_SECRET = "basex-admin"  # noqa: S105
PROGRAM = "/usr/local/lib/recettes/xmldb"

# The programs in force, and the Java that runs them: on any architecture, and without the alternatives of /etc.
BASEX = "/opt/basex/current"
JETTY = "/opt/jetty/current"
SAXON = "/opt/saxon/current"
JAVA = "/usr/lib/jvm/default-java/bin/java"

# Answers "ok", to anybody whom the server lets in, as long as BaseX answers. No name of the lab's begins with an underscore.
HEALTH_PATH = "/health/"
HEALTH_USER = "_health"

# BaseX's own, and what the paths of the server already mean.
RESERVED = {"admin": "BaseX's administrator", "rest": "the REST interface", "run": "applications", "render": "transformations"}


def runner(app: str) -> str:
    """The BaseX user as whom an application's functions run."""
    return f"run-{app}"


def renderer(app: str) -> str:
    """The more powerful one, for the paths declared to transform."""
    return f"render-{app}"


def run_path(app: str) -> str:
    """Where the server answers for the application: the servlet of its user, then the prefix of all its RESTXQ paths."""
    return f"/run/{app}/{app}/"


def render_path(app: str) -> str:
    return f"/render/{app}/{app}/"


def user_secret(user: str) -> str:
    """The secret that holds a person's password."""
    return f"basex-user-{user}"
