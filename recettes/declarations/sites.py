"""Sites: what the lab's front serves, and under which names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from recettes.declarations.base import Declaration, Hostname, Name, wrong
from recettes.declarations.flows import Flow
from recettes.declarations.sources import Archive, Folder, Source
from recettes.declarations.xmldb import XmlApp, XmlServer
from recettes.recipes import ROOT
from recettes.web.names import ACCOUNT_LENGTH, RESERVED, account
from recettes.web.values import (
    Extension,
    FolderPath,
    HeaderName,
    HeaderValue,
    Maintenance,
    Network,
    Size,
    Url,
    UrlPath,
    User,
    size_bytes,
)
from recettes.xmldb.names import PORT as XMLDB_PORT

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=1, le=86400)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class GivenCertificate(Declaration):
    """A certificate that somebody else issued. `chain` is a PEM file on the controller, relative to the project's root
    (the certificate, then those between it and its authority); `key` names the secret that holds its key.
    """

    chain: str
    key: str


class RateLimit(Declaration):
    """Requests a second from one address; `burst` of them may come at once, what is above is answered 429."""

    per_second: Annotated[int, Field(ge=1, le=10000)]
    burst: Annotated[int, Field(ge=0, le=10000)] = 50


class Site(Declaration):
    """What all kinds have in common. `name` is the site's folder, log folder, pool and account.

    - `host` is the canonical name; `aliases` redirect to it, and with `www` so does the same name with or without www.
    - `issuer` None is the lab's.
    - `hsts` tells browsers never to come without HTTPS; "subdomains" includes all names below the host's.
    - `csp` is the Content-Security-Policy; None for none. `headers` replaces a security header or adds one; None leaves one out.
      What a PHP or proxied application sends itself goes before both.
    - `basic_auth` are users; the password of each is the secret site-NAME-USER. `allow` are the only networks let in.
    - `maintenance` shows a page (with that sentence) to all but the administrators' networks.
    - `snippet` is text for nginx's server block. It may use everything nginx has: nothing but nginx checks it.
    """

    name: Name
    host: Hostname
    aliases: tuple[Hostname, ...] = ()
    www: bool = False
    issuer: Literal["local", "acme"] | GivenCertificate | None = None
    hsts: Literal["on", "subdomains", "off"] = "on"
    csp: HeaderValue | None = "default-src 'none'; frame-ancestors 'none'"
    headers: Mapping[HeaderName, HeaderValue | None] = {}
    basic_auth: tuple[User, ...] = ()
    allow: tuple[Network, ...] = ()
    rate_limit: RateLimit | None = None
    maintenance: Maintenance = False
    snippet: str = ""

    @model_validator(mode="before")
    @classmethod
    def _is_of_a_kind(cls, value: Any) -> Any:
        if cls in (Site, FileSite):
            raise ValueError("is no kind of site: there are StaticSite, PhpSite, ProxySite, XmlSite and RedirectSite")
        return value

    @field_validator("headers")
    @classmethod
    def _have_fields_of_their_own(cls, value: Mapping[str, str | None]) -> Mapping[str, str | None]:
        for header, field in (("content-security-policy", "csp"), ("strict-transport-security", "hsts")):
            if header in (name.lower() for name in value):
                raise ValueError(f"has {header}, which is set by {field}=")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """All host names, the canonical one first."""
        bare = self.host.removeprefix("www.")
        both = (bare, f"www.{bare}") if self.www else ()
        return tuple(dict.fromkeys((self.host, *both, *self.aliases)))


class FileSite(Site):
    """What sites made of files have in common.

    - Browsers keep files whose names hold a hash of their content forever, and all below the paths `kept_forever`; for all else
      they ask again.
    - `errors` are pages of the site to show for 403, 404, and "50x": 500, 502, 503 and 504.
    - `fallback` answers what there is no file for.
    """

    source: Source
    kept_forever: tuple[UrlPath, ...] = ()
    errors: Mapping[Literal[403, 404, "50x"], UrlPath] = {}
    fallback: UrlPath | None = None


class StaticSite(FileSite):
    """Files as they are."""

    csp: HeaderValue | None = (
        "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
    errors: Mapping[Literal[403, 404, "50x"], UrlPath] = {404: "/404.html"}


class PhpSite(FileSite):
    """PHP as an account of its own, which may write in its upload folders and nowhere else.

    - `uploads` are folders of the site that outlive releases; nothing in them is run.
    - `private` are paths that nobody gets: configuration, logs.
    - `extensions` are Debian's packages php8.4-NAME. `runs_programs` lets PHP start others, such as ImageMagick.
    - `memory` is what one request may use, `upload` the size of one upload, `timeout` seconds of one request,
      `processes` how many requests are answered at a time.
    """

    csp: HeaderValue | None = (
        "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
        "font-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
    )
    fallback: UrlPath | None = "/index.php"
    uploads: tuple[FolderPath, ...] = ()
    private: tuple[UrlPath, ...] = ()
    extensions: tuple[Extension, ...] = ("mbstring", "xml")
    runs_programs: bool = False
    memory: Size = "256m"
    upload: Size = "20m"
    timeout: Seconds = 60
    processes: Annotated[int, Field(ge=1, le=200)] = 8


class ProxySite(Site):
    """An application on a private machine. `to` is its group; `path` is where on it the site begins.

    `timeout` is how many seconds the application may be silent, `body` the largest request. Without `buffering` each part of an
    answer goes out as it comes. `health` is a path of the application that the front's status page asks for.
    """

    csp: HeaderValue | None = "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
    to: Name
    port: Port
    path: UrlPath = "/"
    websocket: bool = False
    timeout: Seconds = 60
    body: Size = "20m"
    buffering: bool = True
    health: UrlPath | None = None

    @field_validator("path")
    @classmethod
    def _ends_as_a_folder(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"


class XmlSite(Site):
    """An application on the XML databases: the site's root is the root of the XmlApp `app`.

    - `paths` are the paths that visitors may ask for, each with all below it; nothing else of the database's server is reachable.
    - `methods` are what they may do there; whoever may GET may HEAD.
    - `body` is the largest request and `timeout` how many seconds the application may be silent. None: as the XmlServer allows.
    - `rest` opens /rest/, where the users of the databases work on them by all methods, with their passwords.
    - `health` is a path of the application that the front's status page asks for.
    """

    csp: HeaderValue | None = (
        "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
    app: Name
    paths: tuple[UrlPath, ...] = ("/",)
    methods: tuple[Method, ...] = ("GET",)
    body: Size | None = None
    timeout: Seconds | None = None
    rest: bool = False
    health: UrlPath | None = None

    @field_validator("paths", "methods")
    @classmethod
    def _open_something(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty, and nothing of the site would be open")
        return value

    @model_validator(mode="after")
    def _leaves_rest_its_place(self) -> XmlSite:
        if self.rest and self.basic_auth:
            raise ValueError("has basic_auth and rest, and a request carries one password only; give rest a site of its own")
        if self.rest and any(path.split("/")[1] == "rest" for path in self.paths):
            raise ValueError("has the path /rest of the application, which rest=True gives to the databases")
        return self

    @property
    def allowed(self) -> tuple[str, ...]:
        """All methods that are answered."""
        return tuple(dict.fromkeys(word for method in self.methods for word in (method, *(("HEAD",) * (method == "GET")))))


class RedirectSite(Site):
    """Another address. With `keep_path` the rest of what was asked for is added to it."""

    to: Url
    code: Literal[301, 302, 307, 308] = 301
    keep_path: bool = False

    @field_validator("to")
    @classmethod
    def _has_a_path(cls, value: str) -> str:
        return value if value.count("/") > 2 else value + "/"


def check_sites(
    sites: Sequence[Site],
    *,
    groups: Collection[str],
    flows: Iterable[Flow],
    apps: Iterable[XmlApp] = (),
    xmldb: XmlServer | None = None,
    root: Path = ROOT,
) -> None:
    """Note what is wrong with the sites taken together: names, host names, machines, flows, applications and sources."""
    served = {app.name: app for app in apps}
    from_web = [flow for flow in flows if flow.source == "web" and flow.protocol == "tcp"]
    named: dict[str, Site] = {}
    hosts: dict[str, Site] = {}
    for site in sites:
        _check_name(site, named)
        for host in site.names:
            other = hosts.setdefault(host, site)
            if other is not site:
                wrong(site, "host", f"{host} is already a name of the site {other.name!r}; each host name leads to one site")
        if isinstance(site, ProxySite):
            _check_target(site, groups, from_web)
        if isinstance(site, XmlSite):
            _check_app(site, served, xmldb or XmlServer(), from_web)
        if isinstance(site, FileSite):
            _check_source(site, root)


def _check_name(site: Site, named: dict[str, Site]) -> None:
    if site.name in RESERVED:
        wrong(site, "name", f"{site.name!r} is reserved for {RESERVED[site.name]}; choose another")
    if isinstance(site, PhpSite) and len(account(site.name)) > ACCOUNT_LENGTH:
        wrong(site, "name", f"is too long for a Unix account: {ACCOUNT_LENGTH - len(account(''))} characters at most")
    if named.setdefault(site.name, site) is not site:
        wrong(site, "name", f"there is already a site {site.name!r}; each name is used once")


def _check_target(site: ProxySite, groups: Collection[str], from_web: Sequence[Flow]) -> None:
    if site.to not in groups:
        wrong(site, "to", f"there is no machine {site.to!r}; there are {', '.join(sorted(groups))}")
    elif site.to != "web" and not _let_in(from_web, site.to, site.port):
        wrong(site, "port", f"no flow lets web reach {site.to} at port {site.port}; declare one, or correct the port")


def _check_app(site: XmlSite, served: Mapping[str, XmlApp], server: XmlServer, from_web: Sequence[Flow]) -> None:
    if site.app not in served:
        wrong(site, "app", f"there is no XmlApp {site.app!r}; declared are {', '.join(sorted(served)) or 'none'}")
    elif site.rest and any(path.split("/")[1] == "rest" for path in served[site.app].transforms):
        wrong(site, "rest", f"takes the place of /rest, which is one of the transforms of the XmlApp {site.app!r}")
    if not _let_in(from_web, "xmldb", XMLDB_PORT):
        flow = f'Flow(source="web", to="xmldb", port={XMLDB_PORT}, why="the editions")'
        wrong(site, "app", f"no flow lets web reach the XML databases; add {flow} to the flows of Lab")
    if site.rest and not server.rest:
        wrong(site, "rest", "opens what is not there: the REST interface is off; Lab(xmldb=XmlServer(rest=True)) turns it on")
    if site.body and size_bytes(site.body) > size_bytes(server.upload):
        wrong(site, "body", f"is more than the database's server takes: {server.upload}, XmlServer.upload")


def _let_in(from_web: Sequence[Flow], group: str, port: int) -> bool:
    return any(flow.to == group and flow.ports[0] <= port <= flow.ports[1] for flow in from_web)


def _check_source(site: FileSite, root: Path) -> None:
    source = site.source
    if isinstance(source, Folder) and not (root / source.path).is_dir():
        wrong(source, "path", f"there is no folder {root / source.path}")
    if isinstance(source, Archive) and not (root / source.path).is_file():
        wrong(source, "path", f"there is no file {root / source.path}")
