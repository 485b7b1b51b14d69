"""What processor and instrumentation cost, as ratios to a baseline in the same run: times would follow the machine.

Each limit is about twice the ratio that was measured with two to six other busy processes on two cores, where rounds
differed by a tenth: it does not trip over noise, and does over a step that makes a path half as fast.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIMITS = {
    "spans of agents, 100 a request": 20.0,
    "small spans, 100 a request": 6.0,
    "one span a request, 64 in flight": 1.2,
    "a KiB more of history, over reading it once": 1.2,
    "the same, late in a session over early": 1.5,
    "chat: recorded, full content, over the SDK alone": 2.4,
    "responses: recorded, full content, over the SDK alone": 2.6,
    "10 messages: recorded, full content, over the SDK alone": 5.5,
    "200 messages: not recorded, over the SDK alone": 0.22,
    "streamed chunk: recorded, full content, over the SDK alone": 0.07,
}


@pytest.fixture(scope="module")
def ratios() -> dict[str, float]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.bench.ratios", "--json", "--rounds", "3"]
    measured: dict[str, float] = json.loads(subprocess.check_output(command, cwd=root, timeout=200))
    return measured


@pytest.mark.parametrize("what", LIMITS)
def test_the_cost_stays_within_its_limit(ratios: dict[str, float], what: str) -> None:
    assert ratios[what] <= LIMITS[what]


def test_every_ratio_has_a_limit(ratios: dict[str, float]) -> None:
    assert ratios.keys() == LIMITS.keys()
