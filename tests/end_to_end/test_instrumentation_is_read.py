"""What the instrumentation sends of every API is read by the processor as the same steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from reading_spans import READER
from scripted_model import said, scripted_model
from scripted_responses import called, message, response, thought
from spanwarden import SpanwardenInstrumentor
from spanwarden.content import VARIABLE
from spanwarden_processor.dialects import DIALECTS
from spanwarden_processor.normalize import Activity, normalize
from spanwarden_processor.otlp.decode import decode


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What the instrumentation records, content included."""
    monkeypatch.setenv(VARIABLE, "SPAN_ONLY")
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = SpanwardenInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


@contextmanager
def _user(*answers: dict[str, Any]) -> Iterator[openai.OpenAI]:
    with scripted_model(*answers) as model, openai.OpenAI(base_url=model.url, api_key="none", max_retries=0) as user:
        yield user


def _activities(spans: InMemorySpanExporter) -> list[Activity]:
    request = encode_spans(list(spans.get_finished_spans())).SerializeToString()
    return normalize(list(enumerate(decode(request))), DIALECTS, READER)


def _own(activity: Activity) -> list[tuple[Any, ...]]:
    return [(shown.kind, shown.tool or shown.reasoning, shown.text or shown.content) for shown in activity.own]


def _given(activity: Activity) -> list[tuple[Any, ...]]:
    shown = READER.steps(READER.values(activity.reading.history)[0], set())
    return [(each.kind, each.trust, each.text or each.content) for each in shown]


def test_a_response_is_read_as_reasoning_calls_and_words(spans: InMemorySpanExporter) -> None:
    answer = response(
        thought("In short."),
        {"type": "shell_call", "call_id": "c1", "action": {"commands": ["rm -rf /"]}},
        {
            "type": "mcp_call",
            "id": "c2",
            "name": "send",
            "arguments": '{"to":"x"}',
            "server_label": "m",
            "output": "ok",
        },
        {"type": "time_travel_call", "id": "c3", "year": 1985},
        message("Done."),
    )
    with _user(answer) as user:
        user.responses.create(model="gpt-5", input="Go.", instructions="Be careful.")

    activities = _activities(spans)
    chat = next(activity for activity in activities if activity.reading.operation == "model")
    kinds = [kind for kind, _, _ in _own(chat)]
    assert kinds == ["reasoning", "tool_call", "tool_call", "tool_result", "message", "message"]
    assert _own(chat)[0] == ("reasoning", "summary", "In short.")
    assert _own(chat)[1] == ("tool_call", "shell", '{"commands":["rm -rf /"]}')
    assert "1985" in _own(chat)[4][2]
    assert chat.status == "ok"
    assert "Be careful." in str(chat.reading.system)


def test_results_and_approvals_of_a_response_are_read(spans: InMemorySpanExporter) -> None:
    items: Any = [
        {"role": "user", "content": "Go."},
        called("c1", "bash", {"command": "ls"}),
        {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
        {"type": "mcp_approval_response", "approval_request_id": "c2", "approve": False},
    ]
    with _user(response(message("Done."))) as user:
        user.responses.create(model="gpt-5", input=items)

    chat = next(activity for activity in _activities(spans) if activity.reading.operation == "model")
    assert _given(chat) == [
        ("user", "trusted", "Go."),
        ("tool_call", "untrusted", '{"command":"ls"}'),
        ("tool_result", "untrusted", "a.txt"),
        ("approval", "untrusted", "denied: denied"),
    ]


def test_a_long_session_whose_spans_leave_the_old_part_out_is_read_whole(spans: InMemorySpanExporter) -> None:
    with _user(*[said(f"answer {number}") for number in range(20)]) as user:
        messages: list[Any] = [{"role": "system", "content": "Be careful."}]
        for number in range(20):
            messages.append({"role": "user", "content": f"question {number} " + "x" * 1000})
            messages.append(user.chat.completions.create(model="gpt-5", messages=messages).choices[0].message)

    activities = _activities(spans)
    asked = [text.split(" x")[0] for each in activities for kind, _, text in _given(each) if kind == "user"]
    assert list(dict.fromkeys(asked)) == [f"question {number}" for number in range(20)]
    assert len(asked) < 100
    assert {activity.status for activity in activities} == {"ok"}
