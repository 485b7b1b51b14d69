"""What a record came to: gathers verdicts while its spans are judged, and makes the scorer's answer of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from spanwarden_processor.annotate import (
    annotation,
    failed_annotation,
    finding_span,
    label_of,
    session_span,
    timestamp,
    worst,
)
from spanwarden_processor.assemble import Sighting
from spanwarden_processor.cascade import Outcome
from spanwarden_processor.dialects import may_be_read
from spanwarden_processor.otlp.forged import Forged, forged
from spanwarden_processor.otlp.patch import Change, appended, patch_for
from spanwarden_processor.otlp.slices import SpanSlice, span_slices
from spanwarden_processor.otlp.wire import walks
from spanwarden_processor.tracked import TrackedSession
from spanwarden_processor.types import JudgedFinding, Scored, SessionSummary, Span, Status, Verdict, VerdictSpan


class Report:
    """The answer to one record, or to one tick, as it grows."""

    def __init__(self, monitor: str, now_ns: int) -> None:
        """Start with nothing."""
        self._counts: Counter[str] = Counter()
        self._verdicts: list[str] = []
        self._changes: list[Change] = []
        self._monitor = monitor
        self._now_ns = now_ns
        self._findings: list[Mapping[str, Any]] = []
        self._verdict_spans: list[VerdictSpan] = []
        self._summaries: dict[str, SessionSummary] = {}
        self._seen: dict[str, TrackedSession] = {}
        self._roots: list[tuple[TrackedSession, Span]] = []

    def remove(self, removed: Forged) -> None:
        """Take out what a sender made up."""
        self._changes.extend(removed.changes)
        if removed.items:
            self._counts["forged_verdicts"] += removed.items

    def unread(self, record: bytes, part: SpanSlice) -> None:
        """Mark a span that does not parse, where fields can be added to it without a doubt."""
        if walks(record, part.frame.start, part.frame.end):
            self._changes.append(appended(part, failed_annotation(self._monitor)))
            self._counts["verdicts:unknown:error"] += 1

    def judged(self, sighting: Sighting, status: Status, part: SpanSlice) -> None:
        """Write the verdict on a span that could be judged this far."""
        activity, tracked = sighting.activity, sighting.tracked
        findings = tracked.findings_of(sighting.shown) if tracked.findings_count else ()
        verdict = Verdict(label_of(status, findings), status, tracked.session_id, findings)
        self._changes.append(appended(part, annotation(verdict, activity.span, self._monitor)))
        self._verdicts.append(f"verdicts:{verdict.label}:{status}")
        self._seen[tracked.session_id] = tracked
        if activity.ends:
            self._roots.append((tracked, activity.span))

    def found(self, outcome: Outcome, status: Status, span: Span) -> None:
        """Add what was newly found in a span, and what failed."""
        for found in outcome.findings:
            self._findings.append(finding_object(found))
            self._add_span(finding_span(found, status, span, self._monitor, self._now_ns))
            self._counts[f"findings:{found.finding.category}:{found.severity}:{found.finding.detector}"] += 1
        for failure in outcome.failures:
            self._counts[f"detector_failures:{failure.detector}"] += 1
        if outcome.dropped:
            self._counts["findings_dropped"] += outcome.dropped

    def session_ended(self, tracked: TrackedSession, root: Span | None = None) -> None:
        """Add the session's summary, and once for what it holds a span about it: below its root, or its worst step."""
        self._summarise(tracked, ended=True)
        if tracked.findings_count > tracked.rolled_up:
            findings = tracked.all_findings
            tracked.rolled_up = tracked.findings_count
            parent = root or _span_of(worst(findings))
            summary = summary_of(tracked, self._now_ns)
            self._add_span(session_span(summary, findings, parent, self._monitor, self._now_ns))

    def scored(self, new_sessions: tuple[str, ...], counts: Counter[str]) -> Scored:
        """The answer. `counts` are added to it and begin anew."""
        for tracked, root in self._roots:
            self.session_ended(tracked, root)
        for session_id, tracked in self._seen.items():
            if session_id not in self._summaries:
                self._summarise(tracked)
        self._counts.update(self._verdicts)
        self._counts.update(counts)
        counts.clear()
        return Scored(
            patch_for(self._changes),
            tuple(self._findings),
            tuple(self._verdict_spans),
            tuple(self._summaries.values()),
            new_sessions,
            dict(self._counts),
        )

    def _summarise(self, tracked: TrackedSession, *, ended: bool = False) -> None:
        """Add the session's summary when it says something new, or when the session has ended."""
        basis = (tracked.findings_count, tracked.judged, tracked.status)
        if ended or basis != tracked.reported:
            tracked.reported = basis
            self._summaries[tracked.session_id] = summary_of(tracked, self._now_ns)

    def _add_span(self, span: VerdictSpan | None) -> None:
        if span is not None:
            self._verdict_spans.append(span)


def finding_object(found: JudgedFinding) -> dict[str, Any]:
    """A finding as the JSON object that every command prints."""
    finding = found.finding
    step = finding.step
    return {
        "finding_id": found.finding_id,
        "session_id": found.session_id,
        "trace_id": step.span.trace_id.hex(),
        "span_id": step.span.span_id.hex(),
        "service": found.service,
        "time": timestamp(step.time_ns),
        "category": finding.category,
        "severity": found.severity,
        "severity_number": found.severity_number,
        "score": finding.score,
        "view": finding.view,
        "risk": finding.risk,
        "authorization": finding.authorization,
        "outcome": finding.outcome,
        "intent": finding.intent,
        "cause": finding.cause,
        "explanation": finding.explanation,
        "detector": f"{finding.detector}@{finding.version}",
        "evidence": [
            {
                "quote": each.quote,
                "step": each.step.number,
                "span_id": each.step.span.span_id.hex(),
                "verified": each.verified,
            }
            for each in finding.evidence
        ],
    }


def summary_of(tracked: TrackedSession, now_ns: int) -> SessionSummary:
    """The session as it stands."""
    findings = tracked.all_findings
    status: Status = tracked.status if tracked.judged else "no_content"
    top = worst(findings) if findings else None
    return SessionSummary(
        session_id=tracked.session_id,
        service=tracked.service,
        trace_id=tracked.trace_id.hex(),
        verdict=label_of(status, findings),
        status=status,
        severity=top.severity if top else "none",
        severity_number=top.severity_number if top else 0,
        score=max([float(each.finding.score) for each in findings], default=0.0),
        categories=tuple(dict.fromkeys([each.finding.category for each in findings])),
        steps=tracked.session.steps_admitted,
        updated_ns=now_ns,
    )


def _span_of(found: JudgedFinding) -> Span:
    """As much of the span that completes a finding as is needed to hang another one below it."""
    step = found.finding.step
    return Span(step.span.trace_id, step.span.span_id, b"", "", 0, step.time_ns, step.time_ns, {}, {}, "")


def failed_patch(record: bytes, monitor: str) -> bytes:
    """The patch that says of a record's GenAI spans that nobody could judge them."""
    report = Report(monitor, 0)
    slices = span_slices(record)
    removed = forged(record, slices)
    report.remove(removed)
    for position, part in enumerate(slices):
        if position not in removed.spans and may_be_read(record, part.frame.start, part.frame.end):
            report.unread(record, part)
    return report.scored((), Counter()).patch
