"""`spanwarden verdicts --jaeger`: exactly the findings, over both query APIs of a real Jaeger."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from backends.backend_process import wait_until
from backends.jaeger import Jaeger, spans_in


def lines_of(*command: str) -> list[dict[str, Any]]:
    ended = subprocess.run(
        [sys.executable, "-m", "spanwarden_processor", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture(scope="module")
def expected(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The findings of a demo that was sent on to Jaeger, by id."""
    data = str(tmp_path_factory.mktemp("data"))
    sessions = lines_of("demo", "--json", "--forward", jaeger.url, "--data-dir", data)
    found = {finding["finding_id"]: finding for session in sessions for finding in session["findings"]}
    wait_until(lambda: len(spans_in(jaeger.spans_of("spanwarden"))) >= len(found), "the arrival of the verdicts")
    return found


SAME = ("session_id", "trace_id", "span_id", "service", "category", "severity", "severity_number", "explanation")


@pytest.mark.parametrize("api", ["ui_url", "grpc_url"])
def test_every_finding_is_listed_and_nothing_else(
    jaeger: Jaeger, expected: dict[str, dict[str, Any]], api: str
) -> None:
    listed = lines_of("verdicts", "--json", "--jaeger", getattr(jaeger, api))

    assert len(listed) == 5
    for finding in listed:
        known = expected[finding["finding_id"]]
        assert {key: finding[key] for key in SAME} == {key: known[key] for key in SAME}
        assert finding["evidence"][0]["quote"] == known["evidence"][0]["quote"]


@pytest.mark.parametrize("api", ["ui_url", "grpc_url"])
def test_filters_hold_whether_or_not_jaeger_filters(
    jaeger: Jaeger, expected: dict[str, dict[str, Any]], api: str
) -> None:
    flags = ("--category", "reward_hacking", "--severity", "moderate")

    found = lines_of("verdicts", "--json", "--jaeger", getattr(jaeger, api), *flags)

    assert {finding["finding_id"] for finding in found} == {
        finding_id for finding_id, finding in expected.items() if finding["category"] == "reward_hacking"
    }
