"""Where spans go. An exporter delivers one request or raises; batching, splitting and retry are `forward.py`'s."""

from __future__ import annotations

from typing import Protocol


class Exporter(Protocol):
    """Delivers ExportTraceServiceRequest bytes to one place."""

    def export(self, request: bytes) -> None:
        """Deliver the request; returning means that the other side has it.

        Raises:
            RetryableExport: the same bytes may be taken later.
            PermanentExport: these bytes will never be taken.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
