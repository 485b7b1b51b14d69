"""Helpers for tests: what an agent did to the OTLP bytes that report it.

    request_for(chat_span(user("Clean up."), calls("bash", {"command": "rm -r build"}, call_id="c1")))

Ids and times are made from counters and may be given; nothing here reads a clock or rolls dice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanwarden_processor.otlp.decode import python_value

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
START_NS = 1_760_000_000_000_000_000
SCOPE = "spanwarden.instrumentation.openai"

Message = dict[str, Any]


def user(text: str) -> Message:
    """A user's message."""
    return message("user", {"type": "text", "content": text})


def system(text: str) -> Message:
    """An operator's message."""
    return message("system", {"type": "text", "content": text})


def says(text: str) -> Message:
    """The model's answer."""
    return message("assistant", {"type": "text", "content": text})


def thinks(text: str) -> Message:
    """The model's reasoning."""
    return message("assistant", {"type": "reasoning", "content": text})


def calls(tool: str, arguments: Any, call_id: str | None = None) -> Message:
    """The model asking for a tool."""
    return message("assistant", {"type": "tool_call", "id": call_id, "name": tool, "arguments": arguments})


def returns(response: Any, call_id: str | None = None) -> Message:
    """What a tool gave back, as the next request carries it."""
    return message("tool", {"type": "tool_call_response", "id": call_id, "response": response})


def message(role: str, *parts: Mapping[str, Any]) -> Message:
    """A message in the shape of the GenAI semantic conventions."""
    return {"role": role, "parts": list(parts)}


def together(*messages: Message) -> Message:
    """One message with the parts of several: what a model answered in one go."""
    return {"role": messages[0]["role"], "parts": [part for each in messages for part in each["parts"]]}


def chat_span(
    inputs: Sequence[Message], *outputs: Message, number: int = 1, attributes: Mapping[str, Any] | None = None
) -> Span:
    """A call of a model. `number` orders the spans of a trace: it makes the id and the times."""
    content = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.input.messages": orjson.dumps(inputs).decode(),
        "gen_ai.output.messages": orjson.dumps(outputs).decode(),
    }
    return span("chat gpt-5", content | dict(attributes or {}), number=number, kind=Span.SPAN_KIND_CLIENT)


def tool_span(
    tool: str,
    arguments: Any,
    result: Any = None,
    *,
    call_id: str | None = None,
    number: int = 1,
    attributes: Mapping[str, Any] | None = None,
) -> Span:
    """A tool's execution."""
    content = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": _text(arguments),
        "gen_ai.tool.call.result": None if result is None else _text(result),
    }
    return span(f"execute_tool {tool}", content | dict(attributes or {}), number=number)


def reasoning_span(text: str, *, kind: str = "raw", number: int = 1) -> Span:
    """The step span of one stretch of reasoning."""
    content = orjson.dumps([thinks(text)]).decode()
    return span("reasoning", {"gen_ai.output.messages": content, "spanwarden.reasoning.kind": kind}, number=number)


def approval_span(tool: str, decision: str, source: str, *, call_id: str | None = None, number: int = 1) -> Span:
    """A person's or policy's decision on a tool call."""
    return span(
        "approval",
        {
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": call_id,
            "spanwarden.approval.decision": decision,
            "spanwarden.approval.source": source,
        },
        number=number,
    )


def root_span(*, number: int = 1, agent: str = "agent") -> Span:
    """The root of an agent's run."""
    root = span(
        f"invoke_agent {agent}", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent}, number=number
    )
    root.ClearField("parent_span_id")
    return root


def span(name: str, attributes: Mapping[str, Any], *, number: int = 1, kind: int = Span.SPAN_KIND_INTERNAL) -> Span:
    """Any span; attributes that are None are left out."""
    return Span(
        trace_id=TRACE_ID,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"\xff" * 8,
        name=name,
        kind=kind,  # type: ignore[arg-type] # the stub wants the enum's own type
        start_time_unix_nano=START_NS + number * 1_000_000,
        end_time_unix_nano=START_NS + number * 1_000_000 + 500_000,
        attributes=key_values(attributes),
    )


def request_for(
    *spans: Span, service: str = "agent", scope: str = SCOPE, resource: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of an export request with these spans of one service."""
    request: bytes = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=key_values({"service.name": service} | dict(resource or {}))),
                scope_spans=[ScopeSpans(scope=InstrumentationScope(name=scope), spans=spans)],
            )
        ]
    ).SerializeToString()
    return request


def spans_in(request: bytes) -> list[Span]:
    """Every span of a request, as messages."""
    parsed = ExportTraceServiceRequest.FromString(request)
    return [each for part in parsed.resource_spans for scope in part.scope_spans for each in scope.spans]


def attributes_of(message: Any) -> dict[str, Any]:
    """The attributes of a span, event, link, resource or scope. Fails where a key stands twice."""
    keys = [pair.key for pair in message.attributes]
    if len(keys) != len(set(keys)):
        raise AssertionError(f"a key stands twice: {keys}")
    return {pair.key: python_value(pair.value) for pair in message.attributes}


def key_values(attributes: Mapping[str, Any]) -> Iterable[KeyValue]:
    """Attributes as messages, without those that are None."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items() if value is not None]


def any_value(value: Any) -> AnyValue:
    """A Python value as OTLP's."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case str():
            return AnyValue(string_value=value)
        case Mapping():
            structured = AnyValue()
            structured.kvlist_value.values.extend(key_values(value))
            return structured
        case _:
            listed = AnyValue()
            listed.array_value.values.extend(any_value(item) for item in value)
            return listed


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
