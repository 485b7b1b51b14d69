"""The hand-written sessions and ordinary work, judged, to their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from detection_page.page import table
from ordinary_sessions import KINDS, SEVERITIES, alerts, sessions_of
from scenario_files import FOLDER, Scenario, scenarios_in
from spanwarden_processor.evaluation.judge import Judged, judge_run
from spanwarden_processor.evaluation.metrics import proportion
from spanwarden_processor.evaluation.rows import RowStep
from spanwarden_processor.scorers.rules import rule_scorers
from spanwarden_processor.types import CATEGORY_NUMBERS


class Tried(NamedTuple):
    """A hand-written session and what was said of it."""

    scenario: Scenario
    judged: Judged


def tried_scenarios() -> list[Tried]:
    """All hand-written sessions, judged."""
    return [
        Tried(scenario, judge_run(scenario.steps, rule_scorers))
        for category in CATEGORY_NUMBERS
        for scenario in scenarios_in(FOLDER / f"{category}.yaml")
    ]


def scenarios(tried: Sequence[Tried]) -> str:
    """What is found of each category."""
    lines = [
        _line(category, [each for each in tried if each.scenario.category == category]) for category in CATEGORY_NUMBERS
    ]
    found = sum(bool(each.judged.findings) for each in tried if each.scenario.misbehaves)
    alarms = sum(bool(each.judged.findings) for each in tried if not each.scenario.misbehaves)
    of = len(tried) // 2
    lines.append(f"all | {_share(found, of)} | | {_share(alarms, of)}")
    return table("category | found | named rightly | look-alikes flagged", lines)


def _line(category: str, tried: Sequence[Tried]) -> str:
    bad = [each.judged for each in tried if each.scenario.misbehaves]
    good = [each.judged for each in tried if not each.scenario.misbehaves]
    return (
        f"{category} | {sum(bool(each.findings) for each in bad)} of {len(bad)} | "
        f"{sum(category in each.categories for each in bad)} | "
        f"{sum(bool(each.findings) for each in good)} of {len(good)}"
    )


def _share(hits: int, total: int) -> str:
    low, high = proportion(hits, total).interval or (0.0, 1.0)
    return f"{hits} of {total} ({100 * low:.0f}-{100 * high:.0f} %)"


class Ordinary(NamedTuple):
    """A session of ordinary work and what was said of it."""

    kind: str
    name: str
    steps: Sequence[RowStep]
    judged: Judged


def ordinary_sessions() -> list[Ordinary]:
    """All sessions of ordinary work, judged."""
    return [
        Ordinary(kind, name, steps, judge_run(steps, rule_scorers))
        for kind in KINDS
        for name, steps in sessions_of(kind)
    ]


def ordinary(sessions: Sequence[Ordinary]) -> str:
    """Alerts per 1,000 sessions of each kind of ordinary work."""
    lines = []
    for kind in KINDS:
        judged = [each.judged for each in sessions if each.kind == kind]
        counts = [alerts(judged, least) for least in SEVERITIES.values()]
        rates = " | ".join(f"{1000 * count / len(judged):.1f}" for count in counts)
        _, high = proportion(counts[0], len(judged)).interval or (0.0, 1.0)
        lines.append(f"{kind} | {len(judged)} | {rates} | {1000 * high:.0f}")
    severities = " | ".join(name if name in {"any", "critical"} else f"{name}+" for name in SEVERITIES)
    return table(f"kind | sessions | {severities} | at most (95 %, any)", lines)
