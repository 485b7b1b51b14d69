"""Scored records -> the backend: joined, split at its limit, sent again until it takes them.

One thread sends, in the order of the spool. A record leaves the spool after the backend has it, so that a crash
in between sends the same bytes again and loses none.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence

from spanwarden_processor.errors import PermanentExport, RetryableExport
from spanwarden_processor.exporters import Exporter
from spanwarden_processor.otlp.patch import apply
from spanwarden_processor.otlp.slices import span_count
from spanwarden_processor.otlp.split import halve, split
from spanwarden_processor.spool import Held, Spool
from spanwarden_processor.telemetry import Counters

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 30.0
IDLE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Forwarder:
    """Takes what is ready out of the spool and delivers it."""

    def __init__(self, spool: Spool, exporter: Exporter, max_bytes: int, counters: Counters) -> None:
        self._spool = spool
        self._exporter = exporter
        self._max_bytes = max_bytes
        self._counters = counters
        self._stopping = threading.Event()
        self._failing = False

    def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopping.is_set():
            seen = self._spool.scored.value
            if records := self._spool.ready(self._max_bytes):
                self.deliver(records)
            else:
                self._spool.scored.wait(seen, IDLE_SECONDS)

    def stop(self) -> None:
        """Stop after the request that is under way; what is left stays in the spool."""
        self._stopping.set()

    def deliver(self, records: Sequence[Held]) -> None:
        """Send records and take them out of the spool. Returns early, with nothing taken out, when stopped."""
        refused: list[bytes] = []
        joined = b"".join(apply(record.request, record.patch or b"") for record in records)
        for request in split(joined, self._max_bytes):
            if not self._send(request, refused):
                return
        spans = sum(record.spans for record in records)
        self._spool.settle([record.record_id for record in records], spans - len(refused), refused)

    def _send(self, request: bytes, refused: list[bytes]) -> bool:
        """Send until the backend has taken or refused it. False when stopped before."""
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            try:
                self._exporter.export(request)
            except RetryableExport as error:
                self._note_failure(error)
                self._stopping.wait(error.delay_seconds or delay * random.uniform(0.5, 1.5))
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
            except PermanentExport as error:
                return self._send_halves(request, refused, error)
            else:
                self._note_success()
                return True
        return False

    def _send_halves(self, request: bytes, refused: list[bytes], error: PermanentExport) -> bool:
        """Find the span that the backend refuses, so that its neighbours arrive."""
        if span_count(request) > 1:
            return all(self._send(half, refused) for half in halve(request))
        _log.warning("the backend refuses a span for good (%s); it is kept in the spool", error)
        refused.append(request)
        return True

    def _note_failure(self, error: RetryableExport) -> None:
        self._counters.add("exporter_retries")
        if not self._failing:
            self._failing = True
            _log.warning("the backend does not take spans (%s); they are kept and sent again", error)

    def _note_success(self) -> None:
        self._counters.add("exporter_requests")
        if self._failing:
            self._failing = False
            _log.warning("the backend takes spans again")
