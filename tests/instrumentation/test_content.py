"""Where content goes: nowhere unless asked for, never too long, never unsendable."""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import client, conversation, run_loop
from instrumentation.seen import attribute, content
from scripted_model import asked, refusal, said, scripted_model
from spanwarden import spans
from spanwarden.content import VARIABLE, content_mode
from spanwarden.encode import json_text
from spanwarden.shorten import cut_text, fitting

DIGEST = "sha256:4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6"
LOOP = (
    asked(("call_1", "bash", {"command": "cat zebra.txt"}), reasoning_content="The zebra file."),
    said("It says zebra."),
)


def _run(instrumented: Instrumented) -> None:
    with scripted_model(*LOOP) as model:
        run_loop(client(model.url), conversation("What does zebra.txt say?"))
    assert len(instrumented.seen()) == 5


@pytest.mark.parametrize("value", [None, "", "NO_CONTENT", "false", "FALSE", "yes", "SPAN", "1"])
def test_content_that_was_not_asked_for_is_nowhere(instrument: Instrument, value: str | None) -> None:
    instrumented = instrument(content=value)
    _run(instrumented)

    assert all("zebra" not in span.to_json() for span in instrumented.seen())
    assert instrumented.logs.get_finished_logs() == ()


@pytest.mark.parametrize("value", ["SPAN_ONLY", "span_only", "true", "True", " SPAN_ONLY "])
def test_content_on_spans(instrument: Instrument, value: str) -> None:
    instrumented = instrument(content=value)
    _run(instrumented)

    seen = instrumented.seen()
    assert [span.name for span in seen if "zebra" in span.to_json()] == [
        "chat gpt-5",
        "reasoning",
        "execute_tool bash",
        "chat gpt-5",
    ]
    assert instrumented.logs.get_finished_logs() == ()


def test_content_on_events_is_structured_and_not_on_spans(instrument: Instrument) -> None:
    instrumented = instrument(content="EVENT_ONLY")
    _run(instrumented)

    first, second = (log.log_record for log in instrumented.logs.get_finished_logs())
    chat = instrumented.seen().named("chat")[0]
    assert all("zebra" not in span.to_json() for span in instrumented.seen())
    assert first.event_name == second.event_name == "gen_ai.client.inference.operation.details"
    assert (first.trace_id, first.span_id) == (chat.context.trace_id, chat.context.span_id)
    assert first.timestamp == chat.end_time
    attributes: Any = first.attributes
    assert attributes["gen_ai.output.messages"][0]["parts"][0] == {"type": "reasoning", "content": "The zebra file."}
    for key in ("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.response.id", "spanwarden.session.id"):
        assert attributes[key] == attribute(chat, key)


@pytest.mark.parametrize(("mode", "events"), [("EVENT_ONLY", 1), ("SPAN_AND_EVENT", 1), ("SPAN_ONLY", 0)])
def test_a_call_that_fails_is_an_event_of_its_own(instrument: Instrument, mode: str, events: int) -> None:
    instrumented = instrument(content=mode)
    with scripted_model(refusal(429, "slow down")) as model, pytest.raises(openai.RateLimitError):
        run_loop(client(model.url), conversation("Go."))

    logs = [log.log_record for log in instrumented.logs.get_finished_logs()]
    found = [log for log in logs if log.event_name == "gen_ai.client.operation.exception"]
    assert len(found) == events
    for log in found:
        attributes: Any = log.attributes
        assert (log.severity_number or SeverityNumber.UNSPECIFIED) == SeverityNumber.WARN
        assert log.span_id == instrumented.seen().one("chat").context.span_id
        assert attributes["exception.type"] == "openai.RateLimitError"
        assert "slow down" in attributes["exception.message"]
        assert "Traceback" in attributes["exception.stacktrace"]


def test_content_on_both(instrument: Instrument) -> None:
    instrumented = instrument(content="SPAN_AND_EVENT")
    _run(instrumented)

    assert "zebra" in instrumented.seen().one("reasoning").to_json()
    assert len(instrumented.logs.get_finished_logs()) == 2


@pytest.mark.parametrize(
    ("value", "place"), [("SPAN_ONLY", "span"), ("EVENT_ONLY", "event"), ("SPAN_AND_EVENT", "both"), ("tru", "none")]
)
def test_the_resource_says_what_a_monitor_can_hope_for(instrument: Instrument, value: str, place: str) -> None:
    assert instrument(content=value).provider.resource.attributes["spanwarden.content"] == place


@pytest.mark.parametrize("value", [None, "SPAN"])
def test_one_warning_says_that_a_monitor_will_see_nothing(
    instrument: Instrument, caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    instrument(content=value)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("spanwarden", logging.WARNING)
    assert VARIABLE in record.message
    assert "a monitor will see nothing" in record.message


def test_no_content_on_purpose_is_no_warning(instrument: Instrument, caplog: pytest.LogCaptureFixture) -> None:
    instrument(content="NO_CONTENT")

    assert not caplog.records


def test_the_end_of_a_call_is_taken_before_its_content_is_serialised(
    instrumented: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    serialised_ns: list[int] = []

    def timed_json_text(value: Any) -> str:
        serialised_ns.append(time.time_ns())
        return json_text(value)

    monkeypatch.setattr(spans, "json_text", timed_json_text)
    _run(instrumented)

    seen = instrumented.seen()
    assert len(serialised_ns) == 8, "input, output and tools of two calls, the tools' definitions, and one reasoning"
    first_ns, second_ns = [span.end_time or math.inf for span in seen.named("chat")]
    assert first_ns <= serialised_ns[0]
    assert second_ns <= serialised_ns[5]


def test_a_long_message_keeps_head_and_tail_in_valid_json(instrumented: Instrumented) -> None:
    text = "HEAD" + "x" * 3_000_000 + "TAIL"
    with scripted_model(said("Long.")) as model:
        run_loop(client(model.url), conversation(text))

    chat = instrumented.seen().one("chat")
    kept = content(chat, "gen_ai.input.messages")[1]["parts"][0]["content"]
    assert attribute(chat, "spanwarden.truncated") is True
    assert (kept[:4], kept[-4:]) == ("HEAD", "TAIL")
    assert instrumented.instrumentor.counts.contents_truncated == 1


def test_the_length_limit_of_the_sdk_is_kept_without_breaking_the_json(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "500")
    instrumented = instrument()
    answer = asked(("call_1", "bash", {"command": "echo " + "y" * 5000}))
    with scripted_model(answer, said("Done.")) as model:
        run_loop(client(model.url), conversation("z" * 5000))

    seen = instrumented.seen()
    for span in seen:
        for key in ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments"):
            if attribute(span, key) is not None:
                content(span, key)
                assert len(attribute(span, key)) <= 500
    assert attribute(seen.one("execute_tool"), "spanwarden.truncated") is True


def test_a_length_limit_that_is_set_in_code_does_not_break_the_json_either(instrument: Instrument) -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_span_attribute_length=200))
    instrumented = instrument(provider=provider)
    with scripted_model(said("y" * 5000)) as model:
        run_loop(client(model.url), conversation("z" * 5000), tools=())

    chat = instrumented.seen().one("chat")
    assert content(chat, "gen_ai.output.messages")[0]["role"] == "assistant"
    assert isinstance(content(chat, "gen_ai.input.messages"), list)
    assert attribute(chat, "spanwarden.truncated") is True


def test_the_limit_of_spans_goes_before_the_general_one() -> None:
    environment = {
        VARIABLE: "true",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "10",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "20",
    }

    assert content_mode(environment).limit == 20


def test_lone_surrogates_are_escaped_wherever_they_come_from(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "read_file", {"path": "a"})), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Read it.")
        message = openai.chat.completions.create(model="gpt-5", messages=messages, tools=[]).choices[0].message
        result = {"role": "tool", "tool_call_id": "call_1", "content": "bad \udcff byte"}
        sent: list[Any] = [message, result]
        with pytest.raises(UnicodeEncodeError):
            openai.chat.completions.create(model="gpt-5", messages=[*messages, *sent])

    seen = instrumented.seen()
    assert attribute(seen.one("execute_tool"), "gen_ai.tool.call.result") == "bad \\udcff byte"
    for span in seen:
        span.to_json().encode()


def test_a_picture_is_a_part_and_does_not_hide_the_prompt(instrumented: Instrumented) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    parts = [{"type": "text", "text": "What is this?"}, picture, linked, {"type": "new_kind", "field": 1}]
    with scripted_model(said("A dot.")) as model:
        run_loop(client(model.url), [{"role": "user", "content": parts}])

    assert content(instrumented.seen().one("chat"), "gen_ai.input.messages")[0]["parts"] == [
        {"type": "text", "content": "What is this?"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "size": 8, "digest": DIGEST, "content": ""},
        {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"},
        {"type": "new_kind", "field": 1},
    ]


class _Odd:
    def __str__(self) -> str:
        raise ValueError("no text for you")


def test_json_of_anything() -> None:
    loop: list[Any] = []
    loop.append(loop)
    value = {
        "wide": 2**80,
        7: "number as key",
        "surrogate": "\ud800",
        "nan": math.nan,
        "path": Path("/a"),
        "odd": _Odd(),
        "bytes": b"abc",
        "set": {1},
        "generator": (number for number in (1,)),
    }

    decoded = json.loads(json_text(value))

    assert decoded["wide"] == 2**80
    assert (decoded["7"], decoded["surrogate"], decoded["nan"]) == ("number as key", "\\ud800", None)
    assert (decoded["path"], decoded["odd"], decoded["bytes"], decoded["set"]) == ("/a", "<_Odd>", "<3 bytes>", [1])
    assert json.loads(json_text(loop))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=30,
)


@given(_JSON, st.integers(2, 400))
def test_what_fits_is_valid_json_within_the_limit(value: Any, limit: int) -> None:
    text, cut = fitting(value, limit)

    json.loads(text)
    text.encode()
    assert len(text) <= limit
    assert cut == (len(json_text(value)) > limit)


@given(st.text(), st.integers(0, 60))
def test_cut_text_is_within_the_limit(text: str, limit: int) -> None:
    kept, cut = cut_text(text, limit)

    assert len(kept) <= limit
    assert (kept == text) is not cut
