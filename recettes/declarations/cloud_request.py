"""What a lab says of itself where it asks a cloud for resources; what is not said stays a marked blank in the text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import Field

from recettes.declarations.base import Declaration, Name


class Both(Declaration):
    """A text in the two languages of the request; whole sentences, or a noun phrase where it follows a colon."""

    en: str
    fr: str


class Traffic(Declaration):
    """What visitors fetch, as measured or estimated by the lab: `megabytes` a visit, and in `busiest_hour` the percent of a day's
    visits that come in it.
    """

    visits_per_day: Annotated[int, Field(ge=1)]
    megabytes: Annotated[float, Field(gt=0)]
    busiest_hour: Annotated[int, Field(ge=5, le=100)]


class CloudRequest(Declaration):
    """- `institution`, and who is `responsible` for the project at it, with function and address.
    - `purpose` and `data` (what is kept, whose it is, whether any of it is personal) as they are to stand in the request.
    - `holds` says of each volume what is to be stored on it, and where its size comes from.
    - `until`: the last day for which it is asked. `traffic` makes the bandwidth.
    """

    institution: Both | None = None
    responsible: str | None = None
    purpose: Both | None = None
    data: Both | None = None
    holds: Mapping[Name, Both] = {}
    traffic: Traffic | None = None
    until: date | None = None
