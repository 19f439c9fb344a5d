"""The lab as a whole, and the projects that it hosts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, SerializeAsAny

from recettes.declarations.base import Declaration, Hostname, Name
from recettes.declarations.cloud import Cloud
from recettes.declarations.flows import Flow, Network
from recettes.declarations.ocr import Ocr
from recettes.declarations.people import Administrator, EMail
from recettes.declarations.relay import MailRelay
from recettes.declarations.sites import Site
from recettes.declarations.updates import Updates
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlPackage, XmlServer, XmlUser

# The folders of Debian's tzdata. Names outside, such as US/Eastern, are aliases that its package does not hold.
_AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Etc", "Europe", "Indian", "Pacific")


def _time_zone(value: str) -> str:
    try:
        if value.partition("/")[0] in _AREAS and ZoneInfo(value):
            return value
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValueError("is not a time zone by its place, such as America/Toronto or Etc/UTC")


class Lab(Declaration):
    """What holds for all machines. `contact` is the address that visitors and certificate authorities may write to.

    `administrator_networks` are the networks (CIDR) from which administrators come; where a run comes from is always let in.
    `acme_server` is the directory of another ACME server than Let's Encrypt's.
    """

    name: str
    domain: Hostname
    contact: EMail
    administrators: tuple[Administrator, ...] = ()
    administrator_networks: tuple[Network, ...] = ()
    issuer: Literal["local", "acme"] = "local"
    acme_server: str | None = None
    relay: MailRelay | None = None
    updates: Updates = Updates()
    flows: tuple[Flow, ...] = ()
    xmldb: XmlServer = XmlServer()
    ocr: Ocr | None = None
    cloud: Cloud | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "Etc/UTC"
    release: Literal["trixie"] = "trixie"


class Project(Declaration):
    """What one project has at the lab. `answers` is who answers for it, `until` the day up to which it was promised."""

    name: Name
    title: str
    answers: str
    until: date | None = None
    sites: tuple[SerializeAsAny[Site], ...] = ()
    xml_databases: tuple[XmlDatabase, ...] = ()
    xml_packages: tuple[XmlPackage, ...] = ()
    xml_apps: tuple[XmlApp, ...] = ()
    xml_users: tuple[XmlUser, ...] = ()
