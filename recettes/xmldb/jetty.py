"""Jetty's configuration with BaseX as its only web application, as one tree of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recettes.artifacts import home
from recettes.declarations.xmldb import XmlApp, XmlServer
from recettes.files import File, folder, text
from recettes.templates import render
from recettes.trees import Tree
from recettes.web.values import size_bytes
from recettes.xmldb import names
from recettes.xmldb.programs import programs

STOP_SECONDS = 10
# What parts of Java's program may do: java.security.Permission.
POLICY = "etc/saxon.policy"
# Of the data volume, what the server and its stylesheets read besides databases.
SHOWN = (names.RESTXQ, names.APPS, names.REPO, names.PACKAGES)
HEALTH_MODULE = f"{names.RESTXQ}/{names.HEALTH_USER}.xqm"
GUARD_MODULE = f"{names.RESTXQ}/_guard.xqm"

# A request is a job of BaseX, of which `parallel` read at a time; the others wait in threads.
_THREADS = 64

# Jetty says which modules and files it would take, and starts nothing; what it would only read then must be XML.
CHECK = f"""\
{names.JAVA} -jar {names.JETTY}/start.jar jetty.home={names.JETTY} jetty.base="$1" --list-config >"$1.listed" 2>&1 || {{
    cat "$1.listed"; rm -f "$1.listed"; return 1
}}
rm -f "$1.listed"
python3 -I -c 'import sys, xml.dom.minidom
for file in sys.argv[1:]:
    try:
        xml.dom.minidom.parse(file)
    except Exception as error:
        sys.exit(f"{{file}}: {{error}}")' "$1"/etc/*.xml "$1"/webapps/*.xml "$1"/webapp/WEB-INF/*.xml"""


@dataclass(frozen=True)
class Servlet:
    """All RESTXQ functions, run as the user, below the paths of the pattern."""

    user: str
    pattern: str


@dataclass(frozen=True)
class Listening:
    """The private address at which the server listens, and the addresses of the machines that pass visitors on to it."""

    address: str
    fronts: tuple[str, ...] = ()


def jetty_tree(server: XmlServer, apps: Sequence[XmlApp], listening: Listening) -> Tree:
    """/etc/recettes/jetty. Its paths are relative, but for those of the programs and data."""
    files: dict[str, File] = {
        # In this order: see the first.
        "start.d/10-server.ini": text(
            render(
                "jetty/server.ini.j2",
                address=listening.address,
                port=names.PORT,
                threads=_THREADS,
                stop_seconds=STOP_SECONDS,
                upload=size_bytes(server.upload),
            )
        ),
        "start.d/90-ee9.ini": text(render("jetty/ee9.ini.j2", basex=server.basex)),
        "etc/jetty-inetaccess.xml": text(render("jetty/inetaccess.xml.j2", admitted=admitted(server, listening))),
        "webapps/basex.properties": text(render("jetty/basex.properties.j2")),
        "webapps/basex.xml": text(render("jetty/basex.xml.j2", basex=names.BASEX, saxon=names.SAXON)),
        "webapp/WEB-INF/defaults.xml": text(render("jetty/defaults.xml.j2")),
        "webapp/WEB-INF/web.xml": text(
            render("jetty/web.xml.j2", options=options(server), servlets=servlets(apps), sessions=server.sessions)
        ),
        POLICY: text(render("jetty/saxon.policy.j2", stylesheets=SHOWN, **{name: home(name) for name in programs(server)})),
        # Jetty would make these, and may not.
        "environments": folder(),
        "lib": folder(),
        "resources": folder(),
    }
    return Tree("jetty", names.JETTY_ROOT, files, CHECK)


def own_modules(apps: Iterable[XmlApp]) -> dict[str, File]:
    """The module behind names.HEALTH_PATH, and the one that says which user may run what."""
    texts = {
        HEALTH_MODULE: render("jetty/health.xqm.j2", path=names.HEALTH_PATH),
        GUARD_MODULE: render("jetty/guard.xqm.j2", allowed=allowed(apps)),
    }
    return {path: File(module.encode(), group=names.USER, mode=0o640) for path, module in texts.items()}


def allowed(apps: Iterable[XmlApp]) -> dict[str, list[str]]:
    """By user, the paths of RESTXQ functions that run as this user, each with all below it."""
    found = {names.HEALTH_USER: ["/"]}
    for app in sorted(apps, key=lambda app: app.name):
        found[names.runner(app.name)] = [f"/{app.name}"]
        if app.transforms:
            found[names.renderer(app.name)] = [f"/{app.name}{path.rstrip('/')}" for path in app.transforms]
    return found


def servlets(apps: Iterable[XmlApp]) -> list[Servlet]:
    """Of each application one that runs it with its own rights, and one with those to transform where it is declared to."""
    found = [Servlet(names.HEALTH_USER, f"{names.HEALTH_PATH}*")]
    for app in sorted(apps, key=lambda app: app.name):
        found.append(Servlet(names.runner(app.name), f"/run/{app.name}/*"))
        if app.transforms:
            found.append(Servlet(names.renderer(app.name), f"/render/{app.name}/*"))
    return found


def admitted(server: XmlServer, listening: Listening) -> list[str]:
    """Jetty's patterns, ADDRESS or ADDRESS|PATHS, of who may ask for what: the machine itself for all."""
    paths = ["/run/*", "/render/*", names.HEALTH_PATH, *(["/rest/*"] if server.rest else [])]
    fronts = [address for address in listening.fronts if address != listening.address]
    return [listening.address, *(f"{address}|{path}" for address in fronts for path in paths)]


def options(server: XmlServer) -> dict[str, str | int]:
    """BaseX's options: https://docs.basex.org/main/Options. Those of the command's own processes are elsewhere."""
    return {
        "dbpath": names.DATA,
        "repopath": names.REPO,
        "restxqpath": names.RESTXQ,
        # Queries and scripts that REST would run from files.
        "restpath": "/nonexistent",
        # No server for BaseX's own protocol (1984).
        "httplocal": "true",
        "timeout": server.timeout,
        "parallel": server.parallel,
        # To the journal. The front says who the visitor is, as far as it may be kept.
        "log": "stderr",
        # A module that does not compile is left out and said so in the log; the others answer on.
        "restxqerrors": "false",
        # Modules are read again when a reload says so, and never meanwhile.
        "parserestxq": -1,
        # What a database is made of reaches nothing outside itself.
        "dtd": "false",
        "xinclude": "false",
    }
