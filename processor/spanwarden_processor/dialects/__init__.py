"""The dialects that are read, in order: the first that knows a span reads it."""

from __future__ import annotations

from typing import Final

from spanwarden_processor.dialects.openinference import OPENINFERENCE
from spanwarden_processor.dialects.otel_genai_span import OTEL_GENAI_SPAN
from spanwarden_processor.reading import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = (OPENINFERENCE, OTEL_GENAI_SPAN)
_MARKERS: Final = sorted({marker for dialect in DIALECTS for marker in dialect.markers}, key=len)
"""The shortest first: the others stand in fewer spans."""


def may_be_read(record: bytes, start: int, end: int) -> bool:
    """Whether a dialect might read the span whose bytes stand there; False is certain."""
    for marker in _MARKERS:  # noqa: SIM110 - a generator costs as much as the search
        if record.find(marker, start, end) >= 0:
            return True
    return False
