"""The steps of one run to what the detectors say of it, by the pipeline that judges live spans."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from spanwarden_processor.evaluation.rows import RowStep
from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.report import finding_object, summary_of
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.types import Span

MakeScorers: TypeAlias = Callable[[], Sequence[Scorer]]
"""Makes the detectors. It is called anew for each run, in the process that judges it."""

_SETTINGS: Final = ScoringSettings(seed=0, fingerprint_key=bytes(16), monitor="spanwarden/evaluation")
_ROLES: Final = {"system": "system", "user": "user", "tool_result": "tool"}


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
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": list(_messages(steps))}
    span = Span(b"", b"", b"", "run", 0, 0, 0, attributes, {}, "")
    ((sighting, outcome, _),) = Pipeline(make_scorers(), _SETTINGS, ()).judge([(0, span)], 0)
    summary = summary_of(sighting.tracked, 0)
    return Judged(
        score=summary.score,
        verdict=summary.verdict,
        status=summary.status,
        severity_number=summary.severity_number,
        categories=list(summary.categories),
        findings=[finding_object(each) for each in sighting.tracked.all_findings],
        failures=sorted({failure.detector for failure in outcome.failures}),
        steps=summary.steps,
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
    )


def not_judged(steps: Sequence[RowStep], seconds: float) -> Judged:
    """What is said of a run that was given up after `seconds`: unknown, with what could not answer."""
    return Judged(0.0, "unknown", "error", 0, [], [], ["session"], len(steps), seconds, seconds)


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
