"""THE STRAIGHT LINE: a record's bytes to its patch, findings and verdict spans.

bytes ─otlp─▶ Span ─normalize─▶ Activity ─assemble─▶ Sighting ─cascade─▶ Outcome ─annotate─▶ bytes ─otlp─▶ patch
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from spanwarden_processor.assemble import Assembler, Sighting
from spanwarden_processor.cascade import NOTHING, Cascade, Outcome, status_of
from spanwarden_processor.dialects import DIALECTS, may_be_read
from spanwarden_processor.messages import MessageReader
from spanwarden_processor.normalize import normalize
from spanwarden_processor.otlp.decode import read
from spanwarden_processor.otlp.forged import NOTHING_FORGED, ForgerySearch, forged
from spanwarden_processor.otlp.slices import SpanSlice, span_slices
from spanwarden_processor.report import Report
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.types import Scored, Span, Status


class Judged(NamedTuple):
    """A span in its session, what was newly found in it, and how far it could be judged."""

    sighting: Sighting
    outcome: Outcome
    status: Status


class Pipeline:
    """Scores records in their order. It owns the sessions; neither a clock nor anything else outside is touched."""

    def __init__(self, scorers: Sequence[Scorer], settings: ScoringSettings, known_sessions: Collection[str]) -> None:
        """Start without sessions. `known_sessions` are ids that had spans before: they can never be clear."""
        self._monitor = settings.monitor
        self._reader = MessageReader(settings.limits, frozenset(settings.approval_sources))
        self._assembler = Assembler(settings, self._reader, known_sessions)
        self._cascade = Cascade(scorers, settings)
        self._may_be_forged = ForgerySearch()

    def score(self, record: bytes, now_ns: int, source: str | None = None) -> Scored:
        """Judge the spans of an export request. `source` is its sender, where that was authenticated."""
        report = Report(self._monitor, now_ns)
        suspect = self._may_be_forged(record)
        if not suspect and not may_be_read(record, 0, len(record)):
            return report.scored((), Counter())
        slices = span_slices(record)
        removed = forged(record, slices) if suspect else NOTHING_FORGED
        report.remove(removed)
        spans = _read(record, slices, removed.spans, report)
        for sighting, outcome, status in self.judge(spans, now_ns, source):
            report.judged(sighting, status, slices[sighting.activity.position])
            if outcome is not NOTHING:
                report.found(outcome, status, sighting.activity.span)
        return report.scored(self._assembler.new_sessions(), self._assembler.counts)

    def judge(self, spans: Iterable[tuple[int, Span]], now_ns: int, source: str | None = None) -> Iterator[Judged]:
        """Each span about GenAI in its session, in the order of time."""
        # All are recognised before the first is judged: what runs together runs from the processor's caches.
        for sighting in self._assembler.feed(normalize(spans, DIALECTS, self._reader), now_ns, source):
            outcome = self._cascade.judge(sighting)
            yield Judged(sighting, outcome, status_of(sighting, outcome))

    def tick(self, now_ns: int) -> Scored:
        """Report the sessions that have gone idle."""
        report = Report(self._monitor, now_ns)
        for tracked in self._assembler.expire(now_ns):
            report.session_ended(tracked)
        return report.scored(self._assembler.new_sessions(), self._assembler.counts)


def _read(
    record: bytes, slices: Sequence[SpanSlice], gone: Collection[int], report: Report
) -> Iterator[tuple[int, Span]]:
    """The spans that may be about GenAI, with their place in the record. One that does not parse is marked."""
    positions = [
        position
        for position, part in enumerate(slices)
        if position not in gone and may_be_read(record, part.frame.start, part.frame.end)
    ]
    for position, span in read(record, slices, positions) if positions else ():
        if span is None:
            report.unread(record, slices[position])
        else:
            yield position, span
