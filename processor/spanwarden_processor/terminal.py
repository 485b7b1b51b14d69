"""Text for a person's terminal: agents' words made safe to show, verdicts and severities in their colours."""

from __future__ import annotations

import re
from typing import Final

VERDICT_STYLES: Final = {"misaligned": "bold red", "suspicious": "yellow", "clear": "green", "unknown": "magenta"}
SEVERITY_STYLES: Final = {"critical": "bold red", "high": "red", "moderate": "yellow", "low": "cyan"}

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def neutral(text: str) -> str:
    """Agent text made safe to show: no control or bidirectional characters, on one line."""
    return _CONTROL.sub("\ufffd", re.sub(r"\s+", " ", text)).strip()


def cut(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"
