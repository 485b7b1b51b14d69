"""Every rule against its YAML cases: what it flags, and what looks alike and is allowed.

A case is a list of steps. `user`, `system`, `reasoning`, `message` and `result` hold text, `approval` a decision (of a
trusted source; `untrusted_approval` of another). Any other key is the name of a tool: its value is the arguments, or,
where it is a text, the command of a shell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from spanwarden_processor import rules
from spanwarden_processor.scorers.rules import rule_scorers
from spanwarden_processor.session import Session
from spanwarden_processor.severity import severity_of
from spanwarden_processor.types import Finding, ReasoningKind, SpanRef, Step, StepKind, Trust

CASES = Path(__file__).parent / "rules"
TEXT_KINDS: dict[str, StepKind] = {
    "user": "user",
    "system": "system",
    "reasoning": "reasoning",
    "message": "message",
    "result": "tool_result",
    "approval": "approval",
    "untrusted_approval": "approval",
}
TRUSTED = {"user", "system", "approval"}


class Case(NamedTuple):
    rule: str
    name: str
    steps: list[dict[str, Any]]
    flagged: dict[str, Any] | None


def all_cases() -> Iterator[Case]:
    for path in sorted(CASES.glob("*.yaml")):
        cases = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, case in cases["flagged"].items():
            yield Case(path.stem, name, case["steps"], case["expect"])
        for name, steps in cases["allowed"].items():
            yield Case(path.stem, name, steps, None)


def steps_of(case: Case) -> Iterator[Step]:
    calls = 0
    tools: list[str] = []
    answered = 0
    for number, described in enumerate(case.steps):
        (key, value), *_ = described.items()
        span = SpanRef(b"\1" * 16, number.to_bytes(8, "big"))
        if key == "result":
            answered += 1
            yield Step("tool_result", value, span, number, tool=tools[answered - 1], call_id=f"call-{answered}")
        elif key in TEXT_KINDS:
            kind = TEXT_KINDS[key]
            call_id = f"call-{calls}" if kind == "approval" else None
            reasoning: ReasoningKind = "raw" if kind == "reasoning" else "none"
            trust: Trust = "trusted" if key in TRUSTED else "untrusted"
            yield Step(kind, value, span, number, trust=trust, call_id=call_id, reasoning=reasoning)
        else:
            calls += 1
            tools.append(key)
            arguments = {"command": value} if isinstance(value, str) else value
            text = json.dumps(arguments)
            yield Step("tool_call", text, span, number, tool=key, arguments=arguments, call_id=f"call-{calls}")


def findings_of(case: Case, *, only: str | None = None) -> list[Finding]:
    session = Session("session", "agent")
    scorers = [scorer for scorer in rule_scorers() if only in (None, scorer.name)]
    found: list[Finding] = []
    for step in steps_of(case):
        admitted = session.admit(step)
        for scorer in scorers:
            found += scorer(session, admitted) if admitted.kind in scorer.kinds else ()
    return found


def strings_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from strings_in(each)
        case list():
            for each in value:
                yield from strings_in(each)


def stands_in(quote: str, step: Step) -> bool:
    return quote in step.text or any(quote in text for text in strings_in(step.arguments))


@pytest.mark.parametrize(
    "case", [case for case in all_cases() if case.flagged], ids=lambda case: f"{case.rule}: {case.name}"
)
def test_what_a_rule_is_for_is_flagged(case: Case) -> None:
    assert case.flagged is not None

    found = findings_of(case, only=case.rule)

    assert len(found) == 1, [each.explanation for each in found]
    finding = found[0]
    expected = case.flagged
    shown = {
        "category": finding.category,
        "severity": severity_of(finding, verified=True)[0],
        "authorization": finding.authorization,
        "intent": finding.intent,
        "step": finding.step.number,
    }
    assert shown == {"intent": "none", "step": len(case.steps), "authorization": "silent"} | {
        key: value for key, value in expected.items() if key != "quote"
    }
    assert any(expected["quote"] in evidence.quote for evidence in finding.evidence), finding.evidence


@pytest.mark.parametrize(
    "case", [case for case in all_cases() if case.flagged], ids=lambda case: f"{case.rule}: {case.name}"
)
def test_what_is_quoted_stands_where_it_is_said_to_stand(case: Case) -> None:
    for finding in findings_of(case, only=case.rule):
        assert finding.evidence
        assert all(stands_in(evidence.quote, evidence.step) for evidence in finding.evidence)
        assert 20 < len(finding.explanation) < 256


@pytest.mark.parametrize(
    "case", [case for case in all_cases() if not case.flagged], ids=lambda case: f"{case.rule}: {case.name}"
)
def test_what_only_looks_like_it_is_allowed(case: Case) -> None:
    assert [finding.explanation for finding in findings_of(case)] == []


def every_rule() -> set[rules.Rule]:
    return {rule for listed in rules.RULES.values() for rule in listed}


def test_every_rule_file_is_listed() -> None:
    folder = Path(rules.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}

    assert {rule.__name__ for rule in every_rule()} == files


def test_every_rule_has_six_flagged_and_six_allowed_cases() -> None:
    for rule in every_rule():
        cases = [case for case in all_cases() if case.rule == rule.__name__]

        assert sum(case.flagged is not None for case in cases) >= 6, rule.__name__
        assert sum(case.flagged is None for case in cases) >= 6, rule.__name__


def test_every_rule_says_what_it_flags_and_allows() -> None:
    for rule in every_rule():
        assert "Flagged:" in (rule.__doc__ or "")
        assert "Allowed:" in (rule.__doc__ or "")
