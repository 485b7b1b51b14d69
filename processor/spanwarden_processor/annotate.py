"""Verdicts to bytes: what is appended to a judged span, and the spans that tell of a finding or a session.

Names and types of all attributes: docs and section "Verdicts" of the design. Everything an operator filters on is a
short scalar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import xxhash

from spanwarden_processor.evidence import short
from spanwarden_processor.otlp.encode import OwnSpan, Scalar, attributes, event, request_with
from spanwarden_processor.otlp.forged import VERDICT_SCOPE
from spanwarden_processor.types import (
    JudgedFinding,
    SessionSummary,
    Span,
    SpanRef,
    Status,
    Verdict,
    VerdictLabel,
    VerdictSpan,
)

EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
_VERDICT_SERVICE: Final = {"service.name": "spanwarden"}
_MODERATE: Final = 2


def label_of(status: Status, findings: Sequence[JudgedFinding]) -> VerdictLabel:
    """The verdict on what shows steps with these findings and could be judged this far."""
    if not findings:
        return "clear" if status == "ok" else "unknown"
    return "misaligned" if any(each.label == "misaligned" for each in findings) else "suspicious"


def annotation(verdict: Verdict, span: Span, monitor: str) -> bytes:
    """What is appended to the span: attributes, and an event for each finding."""
    session_id = verdict.session_id.encode()
    base = _base(verdict.label, verdict.status, monitor, len(session_id)) + session_id
    if not verdict.findings:
        return base
    events = b"".join(_event(each, span.end_ns) for each in verdict.findings)
    return base + attributes(_finding_attributes(verdict.findings)) + events


def failed_annotation(monitor: str) -> bytes:
    """What is appended to a span about GenAI that could not be read or judged at all."""
    return attributes(
        {"misalignment.verdict": "unknown", "misalignment.status": "error", "misalignment.monitor": monitor}
    )


def finding_span(found: JudgedFinding, status: Status, span: Span, monitor: str, now_ns: int) -> VerdictSpan | None:
    """The span that tells of one finding, below the span that completes it; None where that has no usable id."""
    values = {
        **_base_attributes(label_of(status, (found,)), status, found.session_id, monitor),
        **_finding_attributes((found,)),
        "misalignment.agent_service": short(found.service),
        "misalignment.decided_at": timestamp(now_ns),
    }
    evidence = dict.fromkeys(each.step.span for each in found.finding.evidence if usable(each.step.span))
    error = found.finding.explanation if found.severity_number >= _MODERATE else None
    name = f"misalignment {found.finding.category}"
    return _verdict_span(found.finding_id, span, name, values, tuple(evidence), error)


def session_span(
    summary: SessionSummary, findings: Sequence[JudgedFinding], parent: Span, monitor: str, now_ns: int
) -> VerdictSpan | None:
    """The span that sums a session up, below `parent`; None where that has no usable id."""
    values: dict[str, Scalar] = {
        **_base_attributes(summary.verdict, summary.status, summary.session_id, monitor),
        **_finding_attributes(findings),
        "misalignment.session_verdict": summary.verdict,
        "misalignment.session_severity": summary.severity,
        "misalignment.session_severity_number": summary.severity_number,
        "misalignment.session_findings": len(findings),
        "misalignment.session_steps": summary.steps,
        "misalignment.session_status": summary.status,
        "misalignment.agent_service": short(summary.service),
        "misalignment.decided_at": timestamp(now_ns),
    }
    refs = dict.fromkeys(each.finding.step.span for each in findings if usable(each.finding.step.span))
    error = worst(findings).finding.explanation if summary.severity_number >= _MODERATE else None
    key = f"{summary.session_id}:{parent.trace_id.hex()}:{len(findings)}"
    return _verdict_span(key, parent, "misalignment session", values, tuple(refs), error)


def worst(findings: Sequence[JudgedFinding]) -> JudgedFinding:
    """The most severe finding; of equal ones that with the highest score, then the first."""
    return max(findings, key=lambda each: (each.severity_number, each.finding.score))


def usable(ref: SpanRef) -> bool:
    """Whether a backend can take ids like these."""
    return len(ref.trace_id) == 16 and len(ref.span_id) == 8 and any(ref.trace_id) and any(ref.span_id)


def timestamp(time_ns: int) -> str:
    """RFC 3339 in UTC, to the microsecond; a time outside of its years is shown as the nearest that fits."""
    microseconds = min(max(time_ns, 0) // 1000, 253_402_300_799_999_999)
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat(timespec="microseconds")


def _verdict_span(
    key: str, parent: Span, name: str, values: dict[str, Scalar], links: tuple[SpanRef, ...], error: str | None
) -> VerdictSpan | None:
    if not usable(parent.ref):
        return None
    ref = SpanRef(parent.trace_id, xxhash.xxh3_64_digest(key.encode()))
    span = OwnSpan(ref, parent.span_id, name, parent.end_ns, values, links, error)
    version = str(values["misalignment.monitor"]).partition("/")[2]
    return VerdictSpan(key, request_with(span, _VERDICT_SERVICE, VERDICT_SCOPE.decode(), version))


def _base_attributes(label: VerdictLabel, status: Status, session_id: str, monitor: str) -> dict[str, Scalar]:
    return {
        "misalignment.verdict": label,
        "misalignment.status": status,
        "misalignment.monitor": monitor,
        "misalignment.session_id": session_id,  # the last: what precedes it is the same in all sessions
    }


@lru_cache(maxsize=64)
def _base(label: VerdictLabel, status: Status, monitor: str, id_length: int) -> bytes:
    """The attributes of every judged span but for the id of its session, of which these bytes are followed."""
    values = _base_attributes(label, status, "0" * id_length, monitor)
    return attributes(values)[:-id_length]


def _finding_attributes(findings: Sequence[JudgedFinding]) -> dict[str, Scalar]:
    """The attributes that findings add: of the worst one what can be told of one only."""
    top = worst(findings)
    finding = top.finding
    values: dict[str, Scalar] = {
        "misalignment.severity": top.severity,
        "misalignment.severity_number": top.severity_number,
        "misalignment.category": finding.category,
        "misalignment.explanation": finding.explanation,
        "misalignment.risk": finding.risk,
        "misalignment.authorization": finding.authorization,
        "misalignment.outcome": finding.outcome,
        "misalignment.intent": finding.intent,
        "misalignment.cause": finding.cause,
        "misalignment.finding_id": top.finding_id,
        "misalignment.detectors": _detectors(findings),
        "misalignment.score": max(float(each.finding.score) for each in findings),
    }
    values |= {f"misalignment.flag.{each.finding.category}": True for each in findings}
    for each in findings:
        key = f"misalignment.score_{each.finding.view}"
        values[key] = max(float(values.get(key, 0.0)), float(each.finding.score))
    return values | _evidence_attributes(top)


def _evidence_attributes(found: JudgedFinding) -> dict[str, Scalar]:
    evidence = found.finding.evidence
    if not evidence:
        return {"misalignment.evidence_verified": False}
    first = evidence[0]
    values: dict[str, Scalar] = {
        "misalignment.evidence_span_id": first.step.span.span_id.hex(),
        "misalignment.evidence_verified": all(each.verified for each in evidence),
    }
    return values | ({"misalignment.evidence": first.quote} if first.quote else {})


def _detectors(findings: Iterable[JudgedFinding]) -> str:
    names = dict.fromkeys(f"{each.finding.detector}@{each.finding.version}" for each in findings)
    return short(",".join(names))


def _event(found: JudgedFinding, time_ns: int) -> bytes:
    return event(
        EVALUATION_EVENT,
        time_ns,
        {
            "gen_ai.evaluation.name": f"misalignment.{found.finding.category}",
            "gen_ai.evaluation.score.value": float(found.finding.score),
            "gen_ai.evaluation.score.label": found.label,
            "gen_ai.evaluation.explanation": found.finding.explanation,
        },
    )
