"""Any JSON in the place of any field of a request or an answer: to the program as without us, and one whole span."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from instrumentation.loops import TOOLS, client
from instrumentation.seen import Seen, attribute
from scripted_model import ScriptedModel, asked, chat_chunks, scripted, scripted_model
from scripted_responses import called, message, response, response_events, thought
from spanwarden import SpanwardenInstrumentor
from spanwarden.content import VARIABLE

Path = tuple[Any, ...]

WORDS = ("\ud800", "", "function", "custom", "assistant", "tool", "completed", "failed", "message", "reasoning")
FIELDS = ("id", "type", "name", "arguments", "content", "text", "role", "function", "index", "\ud800")
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)

CALL = {"id": "call_1", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
CHAT_REQUEST: dict[str, Any] = {
    "model": "gpt-5",
    "messages": [
        {"role": "system", "content": "Be careful."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Go."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AA", "filename": "x"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "Look."},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "done"}]},
    ],
    "tools": TOOLS,
    "temperature": 0.5,
    "seed": 1,
    "n": 1,
    "stop": ["x"],
    "max_tokens": 5,
    "reasoning_effort": "low",
    "service_tier": "auto",
    "response_format": {"type": "json_object"},
}
CHAT_ANSWER = asked(
    ("call_2", "bash", {"command": "ls"}),
    content="Hi.",
    reasoning_content="Hm.",
    reasoning_details=[{"type": "reasoning.text", "text": "So.", "index": 0}],
    refusal="No.",
    audio={"transcript": "x"},
    function_call={"name": "f", "arguments": "{}"},
)
ITEMS = [
    thought("Short.", content="Long.", encrypted="abc"),
    message("Hi."),
    called("call_2", "bash", {"command": "ls"}),
    {"type": "shell_call", "id": "s1", "call_id": "s1", "action": {"commands": ["ls"]}, "status": "completed"},
    {"type": "web_search_call", "id": "w1", "action": {"query": "x", "type": "search"}, "status": "completed"},
    {"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "output": "o", "server_label": "l"},
]
RESPONSE_REQUEST: dict[str, Any] = {
    "model": "gpt-5",
    "input": [
        {"role": "user", "content": "Go."},
        ITEMS[0],
        ITEMS[2],
        {"type": "function_call_output", "call_id": "call_2", "output": "done"},
        {"type": "mcp_approval_response", "approve": True, "approval_request_id": "a"},
    ],
    "instructions": "Be careful.",
    "tools": [{"type": "function", "name": "bash", "parameters": {}}],
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "text"}},
    "previous_response_id": "resp_0",
}


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*above, key)
        yield from _paths(item, (*above, key))


@st.composite
def garbled(draw: st.DrawFn, value: Any) -> Any:
    """The same value with one or two of its fields gone, or replaced by something else."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from(list(_paths(value))))
        inside = value
        for key in above:
            inside = inside[key]
        if draw(st.integers(0, 4)) == 0:
            del inside[last]
        else:
            inside[last] = draw(JSON_VALUES)
    return value


def _body(events: list[Any]) -> bytes:
    """Events as they are sent, their names too."""
    lines = [
        (f"event: {event['type']}\n" if re.fullmatch(r"[a-z._]+", str(event.get("type"))) else "")
        + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return ("".join(lines) + "data: [DONE]\n\n").encode()


def _ask(url: str, *, is_chat: bool, way: str, request: dict[str, Any]) -> str:
    """All that the program can see of it."""
    user = client(url)
    resource: Any = user.chat.completions if is_chat else user.responses
    streamed = request.get("stream") is True
    try:
        if way == "streaming":
            with resource.with_streaming_response.create(**request) as answer:
                seen = list(answer.iter_lines()) if streamed else repr(answer.parse())
        elif way == "raw":
            answer = resource.with_raw_response.create(**request)
            seen = list(answer.parse()) if streamed else answer.text
        else:
            answer = resource.create(**request)
            seen = list(answer) if streamed else answer
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same with us and without
        seen = (type(error), str(error))
    return re.sub("0x[0-9a-f]+", "0x", repr(seen))


@pytest.mark.filterwarnings("ignore")  # the client and pydantic have theirs about such answers
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(
    data=st.data(),
    is_chat=st.booleans(),
    streamed=st.booleans(),
    way=st.sampled_from(["plain", "raw", "streaming"]),
    part=st.sampled_from(["request", "answer"]),
)
def test_garbled_requests_and_answers_are_to_the_program_as_without_us(
    garbled_model: ScriptedModel, data: st.DataObject, is_chat: bool, streamed: bool, way: str, part: str
) -> None:
    request = CHAT_REQUEST if is_chat else RESPONSE_REQUEST
    answer = CHAT_ANSWER if is_chat else response(*ITEMS)
    whole: Any = (chat_chunks if is_chat else response_events)(answer) if streamed else answer
    if part == "request":
        request = data.draw(garbled(request))
    else:
        whole = data.draw(garbled(whole))
    if streamed:
        request = {**request, "stream": True}
        body = _body([event if isinstance(event, dict) else {"odd": event} for event in whole])
    else:
        body = json.dumps(whole).encode()

    def outcome() -> tuple[str, str]:
        garbled_model.answers[:], garbled_model.requests[:] = [scripted({}, body=body)], []
        seen = _ask(garbled_model.url, is_chat=is_chat, way=way, request=request)
        return seen, repr(garbled_model.requests)

    without_us = outcome()
    spans, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = SpanwardenInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        assert outcome() == without_us
        assert instrumentor.counts.faults == 0
    finally:
        instrumentor.uninstrument()

    seen = Seen(spans.get_finished_spans())
    assert len({span.context.span_id for span in seen}) == len(seen)
    json.loads(attribute(seen.one("chat"), "gen_ai.input.messages"))
    encode_spans(list(seen))


@pytest.fixture
def garbled_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedModel]:
    """A server whose next answer each example sets."""
    monkeypatch.setenv(VARIABLE, "SPAN_ONLY")
    with scripted_model() as model:
        yield model
