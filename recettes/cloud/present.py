"""The project as it is now, for commands that only look."""

from __future__ import annotations

import json

from recettes.cloud.actual import CloudState
from recettes.cloud.client import said
from recettes.cloud.understanding import understand
from recettes.estate import EstateError


def present_cloud() -> CloudState:
    """Raises EstateError, with the reason."""
    done, answer = said("reading")
    if not done:
        raise EstateError(f"{answer.rstrip('.')}. Nothing was touched.")
    try:
        return understand(json.loads(answer))
    except (ValueError, KeyError, TypeError) as error:
        raise EstateError(f"The cloud's answer was not understood ({type(error).__name__}: {error}).") from None
