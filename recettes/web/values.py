"""Kinds of values in the declaration of a site. None can hold what would end a directive of nginx or a line of PHP-FPM."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

from recettes.declarations.base import written_as

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")  # RFC 9110, 5.1, without what no registered field name has
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~!&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!'()*+,;=:@%/?&-]*)?")


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"is not an address or a network such as 192.0.2.0/24: {error}") from None


def _url_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", value) or ".." in value.split("/") or "//" in value:
        raise ValueError("is not a path on the site: it begins with / and has letters, digits and . _ ~ - / only, no ..")
    return value


def _folder_path(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", value):
        raise ValueError("is not a folder of the site: letters, digits and . _ - only, no / at the ends, no ..")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("is not the name of a header: letters, digits and hyphens only")
    return value


def _header_value(value: str) -> str:
    if not _PRINTABLE.fullmatch(value) or "$" in value or len(value) > 2000:
        raise ValueError(
            "is not the value of a header: one line of printable ASCII of at most 2000 characters, "
            "without $, which nginx takes for a variable"
        )
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(
            "is not an address such as https://www.example.org/path (without spaces, quotes, $ or #; accents as %C3%A9)"
        )
    return value


def _sentence(value: bool | str) -> bool | str:
    if isinstance(value, str) and not (value.strip() and value.isprintable() and len(value) <= 500):
        raise ValueError("is not one line of text of at most 500 characters")
    return value


Network = Annotated[str, AfterValidator(_network)]  # CIDR, as ipaddress writes it
UrlPath = Annotated[str, AfterValidator(_url_path)]
FolderPath = Annotated[str, AfterValidator(_folder_path)]  # relative
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Url = Annotated[str, AfterValidator(_url)]
Maintenance = Annotated[bool | str, AfterValidator(_sentence)]
# As nginx counts: 1k is 1024 bytes.
Size = Annotated[str, written_as(r"[1-9][0-9]{0,4}[kmg]", 'is not a size such as "20m": a number up to 99999, then k, m or g')]
User = Annotated[
    str,
    written_as(
        r"[a-z][a-z0-9._-]{0,30}", "is not a user's name: a lower-case letter, then up to 30 lower-case letters, digits and . _ -"
    ),
]
Extension = Annotated[str, written_as(r"[a-z][a-z0-9-]{0,30}", 'is not an extension of PHP such as "gd", as in php8.4-gd')]


def size_bytes(size: str) -> int:
    """Of a Size."""
    return int(size[:-1]) << {"k": 10, "m": 20, "g": 30}[size[-1]]
