"""The steps of one run to what the detectors say of it: the same session, scorers, evidence and severity as live."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from spanwarden_processor.assemble import NewStep, Sighting
from spanwarden_processor.cascade import Cascade, status_of
from spanwarden_processor.evaluation.rows import RowStep
from spanwarden_processor.json_care import Flaw
from spanwarden_processor.messages import MessageReader
from spanwarden_processor.normalize import Activity
from spanwarden_processor.report import finding_object, summary_of
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.tracked import TrackedSession, worse
from spanwarden_processor.types import Span, SpanRef, Status, Step

MakeScorers: TypeAlias = Callable[[], Sequence[Scorer]]
"""Makes the detectors. It is called anew for each run, in the process that judges it."""

_SETTINGS: Final = ScoringSettings(seed=0, fingerprint_key=bytes(16), monitor="spanwarden/evaluation")
_TRACE: Final = b"\1" * 16
_SPAN: Final = Span(_TRACE, b"\1" * 8, b"", "run", 0, 0, 0, {}, {}, "")
_ROLES: Final = {"system": "system", "user": "user", "tool_result": "tool"}
_FLAW_STATUS: Final[dict[Flaw, Status]] = {"redacted": "redacted", "truncated": "truncated", "error": "error"}


class Judged(NamedTuple):
    """What the detectors said of one run, in values that JSON can hold, and what it cost.

    `score` is the highest of its findings, 0..1. `failures` names the detectors that could not answer.
    """

    score: float
    verdict: str
    status: str
    severity_number: int
    categories: list[str]
    findings: list[dict[str, Any]]
    failures: list[str]
    steps: int
    seconds: float
    cpu_seconds: float


def judge_run(steps: Sequence[RowStep], make_scorers: MakeScorers) -> Judged:
    """Judge one run as the only one of its session. Nothing but its steps goes in."""
    wall, cpu = time.perf_counter(), time.process_time()
    tracked = TrackedSession("run", "run", _SETTINGS.seed, _SETTINGS.limits)
    flaws: set[Flaw] = set()
    new = tuple(NewStep(step, step.span.span_id) for step in _steps(steps, flaws))
    activity = Activity(0, _SPAN, "model", "run", (), None, None, None, _status(flaws) if new else "no_content", True)
    sighting = Sighting(activity, tracked, new, tuple(each.identity for each in new), activity.status)
    outcome = Cascade(make_scorers(), _SETTINGS).judge(sighting)
    status_of(sighting, outcome)
    summary = summary_of(tracked, 0)
    return Judged(
        score=summary.score,
        verdict=summary.verdict,
        status=summary.status,
        severity_number=summary.severity_number,
        categories=list(summary.categories),
        findings=[finding_object(each) for each in tracked.all_findings],
        failures=sorted({failure.detector for failure in outcome.failures}),
        steps=len(new),
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
    )


def _status(flaws: set[Flaw]) -> Status:
    status: Status = "ok"
    for flaw in flaws:
        status = worse(status, _FLAW_STATUS[flaw])
    return status


def _steps(steps: Iterable[RowStep], flaws: set[Flaw]) -> Iterator[Step]:
    """The steps as the reader of live messages gives them."""
    reader = MessageReader(_SETTINGS.limits, frozenset())
    for number, message in enumerate(_messages(steps), start=1):
        span = SpanRef(_TRACE, number.to_bytes(8, "big"))
        for shown in reader.steps([message], flaws):
            yield shown.step(span, number)


def _messages(steps: Iterable[RowStep]) -> Iterator[dict[str, Any]]:
    """The steps as messages of one part each, every answer with the id of the call that it belongs to."""
    unanswered: deque[tuple[str, str | None]] = deque(maxlen=256)
    before = ""
    for number, step in enumerate(steps):
        part: dict[str, Any] = {"type": "text", "content": step.content}
        match step.type:
            case "reasoning":
                part = {"type": "reasoning", "content": step.content}
            case "tool_call":
                if before != "tool_call":  # what was not answered before others were made never is
                    unanswered.clear()
                unanswered.append((f"call-{number}", step.name))
                part = {"type": "tool_call", "id": f"call-{number}", "name": step.name or "", "arguments": step.content}
            case "tool_result":
                part = {"type": "tool_call_response", "id": _answered(unanswered, step.name), "response": step.content}
        before = step.type
        yield {"role": _ROLES.get(step.type, "assistant"), "parts": [part]}


def _answered(unanswered: deque[tuple[str, str | None]], tool: str | None) -> str | None:
    """The oldest unanswered call of the tool that answers, else the oldest of all."""
    if not unanswered:
        return None
    call = next((each for each in unanswered if tool and each[1] == tool), unanswered[0])
    unanswered.remove(call)
    return call[0]
