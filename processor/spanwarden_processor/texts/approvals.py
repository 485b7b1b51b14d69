"""A decision on a tool call in, yes or no out."""

from __future__ import annotations

import re
from typing import Final

_NO: Final = re.compile(
    r"\b(?:den(?:y|ied)|reject(?:ed)?|declin(?:e|ed)|refus(?:e|ed)|block(?:ed)?|disallow(?:ed)?|cancel(?:l?ed)?|"
    r"abort(?:ed)?|no|false)\b",
    re.IGNORECASE,
)
_YES: Final = re.compile(
    r"\b(?:approv(?:e|ed)|accept(?:ed)?|allow(?:ed)?|grant(?:ed)?|permit(?:ted)?|confirm(?:ed)?|authori[sz]ed|yes|"
    r"true|ok)\b",
    re.IGNORECASE,
)


def decision_of(text: str) -> bool | None:
    """Whether an approval step allows the call (True), refuses it (False), or says neither (None)."""
    shown = text[:400]
    if _NO.search(shown):
        return False
    return True if _YES.search(shown) else None
