"""A recorded conversation to its verdict: OpenAI chat messages through the same pipeline as live spans.

The whole conversation is one span's own content, so that every message is new in its session and judged in its order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

from spanwarden_processor.build import build_pipeline
from spanwarden_processor.report import finding_object, summary_of
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.transcripts import Conversation
from spanwarden_processor.types import SessionSummary, Span

_NOT_IN_A_TRANSCRIPT: Final = dict.fromkeys(("trace_id", "span_id", "service", "time"))


class Scanned(NamedTuple):
    """One conversation's verdict, and its findings as the objects that every command prints, the first one first."""

    conversation: Conversation
    summary: SessionSummary
    findings: tuple[dict[str, Any], ...]

    @property
    def worst(self) -> dict[str, Any]:
        """The most severe finding; empty where there is none."""
        return max(self.findings, key=lambda finding: (finding["severity_number"], finding["score"]), default={})

    def as_json(self) -> dict[str, Any]:
        """The object that `scan --json` prints."""
        keys = ("session_id", "verdict", "status", "severity", "severity_number", "score", "categories")
        summary = self.summary._asdict()
        return {
            "path": self.conversation.path,
            "index": self.conversation.position,
            **{key: summary[key] for key in keys},
            "findings": list(self.findings),
        }


def scan(conversation: Conversation, settings: ScoringSettings) -> Scanned:
    """Judge one conversation, as the only one of its session.

    Digests and the fingerprints of secrets are keyed by its content: a second scan of it gives the same ids, and
    nobody can compute them who has not got all of it.
    """
    digest = conversation.digest
    keyed = replace(settings, seed=int.from_bytes(digest[:8], "big"), fingerprint_key=digest)
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": conversation.messages}
    span = Span(b"", b"", b"", "transcript", 0, 0, 0, attributes, {}, "")
    (judged,) = build_pipeline(keyed).judge([(0, span)], 0)
    tracked = judged.sighting.tracked
    return Scanned(
        conversation, summary_of(tracked, 0), tuple(map(_unplaced, map(finding_object, tracked.all_findings)))
    )


def _unplaced(finding: dict[str, Any]) -> dict[str, Any]:
    """The finding without what a transcript does not have: spans, a service, a time. The steps still say where."""
    evidence = [each | {"span_id": None} for each in finding["evidence"]]
    return finding | _NOT_IN_A_TRANSCRIPT | {"evidence": evidence}
