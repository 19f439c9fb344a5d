"""The one way by which mail leaves the machines."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from recettes.declarations.base import Declaration, Hostname, written_as
from recettes.declarations.people import EMail, at_least_one

# Name of its password among the estate's secrets; only asked for where `user` is declared.
RELAY_SECRET = "mail-relay"  # noqa: S105


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("is neither a full host name nor an IP address") from None


class MailRelay(Declaration):
    """An SMTP server that takes the machines' daily mail, from `sender` to the people in `to`.

    With `user` it asks for a password, the secret `mail-relay` of the estate. `tls`: "starttls" (port 587), "tls" from the
    first byte (port 465), or "none" for a relay without password inside the lab's own network (port 25).
    """

    host: Hostname | Annotated[str, AfterValidator(_address)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    user: Annotated[str, written_as(r'[^\s"]+', 'is not one word without "')] | None = None
    sender: EMail
    to: Annotated[tuple[EMail, ...], AfterValidator(at_least_one)]
    tls: Literal["starttls", "tls", "none"] = "starttls"

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> MailRelay:
        if self.user and self.tls == "none":
            raise ValueError("a password must not travel in clear: declare tls 'starttls' or 'tls', or no user")
        return self
