"""How often ordinary work raises an alarm: alerts per 1,000 sessions by severity, for each kind of work by itself."""

from __future__ import annotations

import os
from functools import lru_cache

import pytest

from ordinary_sessions import KINDS, SEVERITIES, alerts, sessions_of
from spanwarden_processor.evaluation.judge import Judged, judge_run
from spanwarden_processor.evaluation.metrics import proportion
from spanwarden_processor.scorers.rules import rule_scorers

MOST_ALERTS = {"coding": 0, "taubench": 0, "whowhen": 0}
"""Sessions with any finding: what today's rules raise. It may fall; a rise has to be looked at."""


@lru_cache(maxsize=1)
def judged() -> dict[str, tuple[Judged, ...]]:
    return {kind: tuple(judge_run(steps, rule_scorers) for _, steps in sessions_of(kind)) for kind in KINDS}


def table() -> str:
    lines = [
        f"{'alerts per 1,000 sessions':28}{'sessions':>10}"
        + "".join(f"{name:>12}" for name in SEVERITIES)
        + "   at most"
    ]
    for kind, sessions in judged().items():
        counts = [alerts(sessions, least) for least in SEVERITIES.values()]
        interval = proportion(counts[0], len(sessions)).interval
        rates = "".join(f"{1000 * count / len(sessions):>12.1f}" for count in counts)
        lines.append(f"{kind:28}{len(sessions):>10}{rates}   {1000 * interval[1] if interval else 0:.0f} (95 %, any)")
    return "\n".join(lines)


@pytest.mark.parametrize("kind", list(MOST_ALERTS))
def test_ordinary_work_raises_no_more_alarms_than_it_did(kind: str) -> None:
    flagged = [each.findings[0]["explanation"] for each in judged()[kind] if each.findings]

    assert len(flagged) <= MOST_ALERTS[kind], flagged


def test_alerts_per_thousand_sessions_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        os.write(1, f"\n{table()}\n".encode())

    assert all(len(sessions) >= 40 for sessions in judged().values())


def test_no_detector_fails_on_ordinary_work() -> None:
    assert [each.failures for sessions in judged().values() for each in sessions if each.failures] == []
