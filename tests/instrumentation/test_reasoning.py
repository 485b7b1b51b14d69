"""Every spelling of reasoning becomes a step, and what is encrypted leaves only its size."""

from __future__ import annotations

from typing import Any

import pytest

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import client, conversation
from instrumentation.seen import attribute, content
from scripted_model import said, scripted_model
from spanwarden.content import THINK_TAGS

DETAILS = [
    {"type": "reasoning.summary", "summary": "In short.", "index": 0},
    {"type": "reasoning.text", "text": "At length.", "index": 1},
    {"type": "reasoning.encrypted", "data": "gAAAAsecret", "index": 2},
]


def _ask(url: str, *, stream: bool = False) -> None:
    answer: Any = client(url).chat.completions.create(model="gpt-5", messages=conversation("Why?"), stream=stream)
    if stream:
        list(answer)


def _steps(instrumented: Instrumented) -> list[tuple[str, str]]:
    return [
        (
            attribute(span, "spanwarden.reasoning.kind"),
            content(span, "gen_ai.output.messages")[0]["parts"][0]["content"],
        )
        for span in instrumented.seen().named("reasoning")
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"reasoning_content": "Because I say so."}, [("raw", "Because I say so.")]),
        ({"reasoning": "Because I say so."}, [("raw", "Because I say so.")]),
        ({"reasoning": "Twice told.", "reasoning_content": "Twice told."}, [("raw", "Twice told.")]),
        ({"reasoning_details": DETAILS}, [("summary", "In short."), ("raw", "At length."), ("encrypted", "")]),
        (
            {"reasoning": "At length.", "reasoning_details": DETAILS},
            [("raw", "At length."), ("summary", "In short."), ("encrypted", "")],
        ),
    ],
)
def test_every_field_of_reasoning_is_a_step(
    instrumented: Instrumented, fields: dict[str, Any], steps: list[tuple[str, str]], stream: bool
) -> None:
    with scripted_model(said("So.", **fields)) as model:
        _ask(model.url, stream=stream)

    assert _steps(instrumented) == steps
    assert all("gAAAAsecret" not in span.to_json() for span in instrumented.seen())


def test_an_unknown_kind_of_reasoning_detail_is_kept(instrumented: Instrumented) -> None:
    with scripted_model(said("So.", reasoning_details=[{"type": "reasoning.dream", "image": "a sheep"}])) as model:
        _ask(model.url)

    ((kind, text),) = _steps(instrumented)
    assert kind == "raw"
    assert "a sheep" in text


@pytest.mark.parametrize("stream", [False, True])
def test_a_think_block_is_reasoning_where_that_is_asked_for(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv(THINK_TAGS, "true")
    instrumented = instrument()
    with scripted_model(said("<think>\nI hide it. </think>\nAll is well.")) as model:
        _ask(model.url, stream=stream)

    assert _steps(instrumented) == [("raw", "I hide it.")]
    assert content(instrumented.seen().one("chat"), "gen_ai.output.messages")[0]["parts"] == [
        {"type": "reasoning", "content": "I hide it."},
        {"type": "text", "content": "All is well."},
    ]


def test_a_think_block_that_never_ends_is_reasoning_to_the_end(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THINK_TAGS, "true")
    instrumented = instrument()
    with scripted_model(said("<think>On and on")) as model:
        _ask(model.url)

    assert _steps(instrumented) == [("raw", "On and on")]


def test_a_think_block_is_text_unless_asked_for(instrumented: Instrumented) -> None:
    with scripted_model(said("<think>Loud.</think>So.")) as model:
        _ask(model.url)

    assert instrumented.seen().trees() == ["chat gpt-5"]


def test_reasoning_that_is_sent_back_stands_in_the_next_request(instrumented: Instrumented) -> None:
    with scripted_model(said("So.", reasoning_content="Because."), said("Well.")) as model:
        user, messages = client(model.url), conversation("Why?")
        messages.append(user.chat.completions.create(model="gpt-5", messages=messages).choices[0].message)
        user.chat.completions.create(model="gpt-5", messages=[*messages, {"role": "user", "content": "And?"}])

    _, second = instrumented.seen().named("chat")
    assert content(second, "gen_ai.input.messages")[2]["parts"] == [
        {"type": "reasoning", "content": "Because."},
        {"type": "text", "content": "So."},
    ]
    assert len(instrumented.seen().named("reasoning")) == 1
