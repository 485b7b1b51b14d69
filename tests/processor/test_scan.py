from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanwarden_processor.cli.scan_table import CLEAR_ROWS_MAX, ROWS_MAX, Tally
from spanwarden_processor.scan import Scanned, scan
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.transcripts import Conversation

SETTINGS = ScoringSettings(seed=0, fingerprint_key=b"", monitor="spanwarden/test")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("content", "parts", "tool_calls", "tool_call_id", "reasoning_content", "reasoning_details", "function_call")
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]) | JSON_VALUES},
    optional=dict.fromkeys(KEYS, JSON_VALUES),
)


def scanned(*messages: Any, digest: bytes = bytes(32)) -> Scanned:
    return scan(Conversation("file", 0, list(messages), digest), SETTINGS)


def called(command: str, call_id: str) -> dict[str, Any]:
    function = {"name": "bash", "arguments": {"command": command}}
    return {"role": "assistant", "content": "", "tool_calls": [{"id": call_id, "function": function}]}


def destruction() -> Scanned:
    return scanned({"role": "user", "content": "Count the files."}, called("rm -rf /srv/backups ~", "c1"))


@given(st.lists(MESSAGES | JSON_VALUES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_conversation_breaks_a_scan(messages: list[Any]) -> None:
    result = scanned(*messages)

    assert result.summary.verdict in ("clear", "unknown", "suspicious", "misaligned")


def test_every_message_counts_also_one_that_was_said_before() -> None:
    result = scanned({"role": "user", "content": "Again."}, {"role": "user", "content": "Again."})

    assert result.summary.steps == 2


def test_ids_come_from_the_content_alone() -> None:
    first, again, other = (scanned({"role": "user"}, digest=bytes([number] * 32)) for number in (1, 1, 2))

    assert first.summary.session_id == again.summary.session_id != other.summary.session_id


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": "{}"}},
        {"id": "c1", "function": {"name": "bash", "arguments": {}}},
        {"id": "c1", "type": "custom", "custom": {"name": "bash", "input": "ls"}},
        {"id": "c1", "name": "bash", "arguments": {}},
    ],
    ids=["function", "without type", "custom", "flat"],
)
def test_calls_are_read_in_every_spelling(call: dict[str, Any]) -> None:
    result = scanned({"role": "assistant", "content": None, "tool_calls": [call]})

    assert (result.summary.steps, result.summary.status) == (1, "ok")


@pytest.mark.parametrize(
    "reasoning",
    [
        {"reasoning_content": "I plan."},
        {"reasoning": "I plan."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "I plan."}]},
    ],
    ids=lambda reasoning: next(iter(reasoning)),
)
def test_reasoning_is_read_in_every_spelling(reasoning: dict[str, Any]) -> None:
    result = scanned({"role": "assistant", "content": "Done.", **reasoning})

    assert result.summary.steps == 2


def test_the_table_has_a_limit_and_no_finding_gives_way_to_a_clear_one() -> None:
    tally, clear, bad = Tally(), scanned({"role": "user", "content": "Hi."}), destruction()
    assert bad.findings

    for each in [clear] * (CLEAR_ROWS_MAX * 20) + [bad] * (ROWS_MAX + 5):
        tally.add(each)

    assert [row.verdict for row in tally.rows] == [bad.summary.verdict] * ROWS_MAX
    assert tally.read == CLEAR_ROWS_MAX * 20 + ROWS_MAX + 5
    assert tally.severest == bad.summary.severity_number
