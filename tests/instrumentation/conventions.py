"""What the GenAI semantic conventions ask of a span: name, kind, attributes with their types and values, JSON shapes.

Sources: the conventions' spans.yaml and registry.yaml, and their JSON schemas of messages, instructions and tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode


class Operation(NamedTuple):
    """How the spans of an operation are named, of which kind they are, and what each of them must have."""

    kind: SpanKind
    named_by: str | None
    required: tuple[str, ...] = ()


_SERVER: Final = ("gen_ai.provider.name", "server.address", "server.port")
OPERATIONS: Final[Mapping[str, Operation]] = {
    "chat": Operation(SpanKind.CLIENT, "gen_ai.request.model", (*_SERVER, "openai.api.type")),
    "text_completion": Operation(SpanKind.CLIENT, "gen_ai.request.model", (*_SERVER, "gen_ai.request.model")),
    "embeddings": Operation(SpanKind.CLIENT, "gen_ai.request.model", (*_SERVER, "gen_ai.request.model")),
    "fetch_response": Operation(SpanKind.CLIENT, None, (*_SERVER, "openai.api.type")),
    "execute_tool": Operation(SpanKind.INTERNAL, "gen_ai.tool.name", ("gen_ai.tool.name", "gen_ai.tool.type")),
    "invoke_agent": Operation(SpanKind.INTERNAL, "gen_ai.agent.name"),
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_count(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) is float


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple) and value != () and all(isinstance(each, str) for each in value)


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: value in values


_SPELLINGS_OF_THE_API: Final = frozenset(
    {"tool_calls", "function_call", "max_output_tokens", "completed", "incomplete"}
)
"""Finish reasons for which the conventions have a word of their own; a reason that is not known stays as it came."""
ATTRIBUTES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(
        (
            "error.type",
            "gen_ai.agent.id",
            "gen_ai.agent.name",
            "gen_ai.conversation.id",
            "gen_ai.prompt.name",
            "gen_ai.prompt.version",
            "gen_ai.request.model",
            "gen_ai.request.previous_response.id",
            "gen_ai.request.reasoning.level",
            "gen_ai.request.stream_cursor",
            "gen_ai.response.id",
            "gen_ai.response.model",
            "gen_ai.response.status",
            "gen_ai.tool.call.id",
            "gen_ai.tool.description",
            "openai.request.service_tier",
            "openai.response.service_tier",
            "openai.response.system_fingerprint",
            "server.address",
            "spanwarden.session.id",
        ),
        _is_text,
    ),
    # An empty result is a result, and models call tools without a name.
    **dict.fromkeys(
        ("gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
        lambda value: isinstance(value, str),
    ),
    **dict.fromkeys(
        (
            "gen_ai.embeddings.dimension.count",
            "gen_ai.request.choice.count",
            "gen_ai.request.max_tokens",
            "gen_ai.usage.audio.cache_read.input_tokens",
            "gen_ai.usage.audio.input_tokens",
            "gen_ai.usage.audio.output_tokens",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.image.cache_read.input_tokens",
            "gen_ai.usage.image.input_tokens",
            "gen_ai.usage.image.output_tokens",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.text.cache_read.input_tokens",
            "gen_ai.usage.text.input_tokens",
            "gen_ai.usage.text.output_tokens",
            "http.request.resend_count",
            "server.port",
            "spanwarden.omitted_messages",
            "spanwarden.step",
        ),
        _is_count,
    ),
    **dict.fromkeys(
        (
            "gen_ai.request.frequency_penalty",
            "gen_ai.request.presence_penalty",
            "gen_ai.request.temperature",
            "gen_ai.request.top_p",
            "gen_ai.response.time_to_first_chunk",
        ),
        _is_number,
    ),
    **dict.fromkeys(
        (
            "gen_ai.request.encoding_formats",
            "gen_ai.request.stop_sequences",
            "http.response.header.x-request-id",
            "spanwarden.omitted",
        ),
        _are_texts,
    ),
    # These are never false: absence says so.
    **dict.fromkeys(
        ("gen_ai.conversation.compacted", "gen_ai.request.stream", "spanwarden.inferred", "spanwarden.truncated"),
        _one_of(True),
    ),
    "gen_ai.operation.name": _one_of(*OPERATIONS),
    "gen_ai.output.type": _one_of("text", "json", "image", "speech"),
    "gen_ai.provider.name": _one_of("openai", "azure.ai.openai"),
    "gen_ai.request.seed": lambda value: type(value) is int,
    "gen_ai.response.finish_reasons": lambda value: _are_texts(value) and _SPELLINGS_OF_THE_API.isdisjoint(value),
    "gen_ai.tool.type": _one_of("function", "extension", "datastore"),
    "openai.api.type": _one_of("chat_completions", "responses", "realtime", "assistants"),
    "spanwarden.reasoning.kind": _one_of("raw", "summary", "encrypted"),
}
"""Every attribute that a span of ours may have, content aside, and what its values are."""

MESSAGES: Final = ("gen_ai.input.messages", "gen_ai.output.messages")
_CONTENT: Final = (*MESSAGES, "gen_ai.system_instructions", "gen_ai.tool.definitions")
_PREFIXES: Final = frozenset(key.partition(".")[0] for key in ATTRIBUTES)
"""What else stands on a span is of a sampler or processor of the program's."""
_PARTS: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "text": {"content": str},
    "reasoning": {"content": str},
    "tool_call": {"name": str, "arguments": object},
    "tool_call_response": {"response": object},
    "server_tool_call": {"name": str, "server_tool_call": dict},
    "blob": {"modality": str, "content": str},
    "file": {"modality": str, "file_id": str},
    "uri": {"modality": str, "uri": str},
    "compaction": {},
    "approval": {"decision": str, "source": str},
}
"""The fields that parts of a known type must have; parts of other types are allowed, whatever they hold."""
_MODALITIES: Final = frozenset({"image", "video", "audio", "document"})
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def faults_of(span: ReadableSpan) -> list[str]:
    """What is wrong with a span, in words; nothing where it keeps the conventions, or the SDK dropped some of it."""
    if span.dropped_attributes:
        return []
    return [f"{span.name}: {fault}" for fault in (*_span_faults(span), *_attribute_faults(span), *_json_faults(span))]


def _span_faults(span: ReadableSpan) -> Iterator[str]:
    attributes = span.attributes or {}
    name = attributes.get("gen_ai.operation.name")
    if name is None:
        if (span.name, span.kind) != ("reasoning", SpanKind.INTERNAL):
            yield "no operation"
    else:
        operation = OPERATIONS[str(name)]
        what = attributes.get(operation.named_by) if operation.named_by is not None else None
        if span.name != (f"{name} {what}" if what else name):
            yield "not named by its operation"
        if span.kind != operation.kind:
            yield f"of kind {span.kind}"
        yield from (f"lacks {key}" for key in operation.required if key not in attributes)
    yield from _conditional_faults(span, attributes)


def _conditional_faults(span: ReadableSpan, attributes: Mapping[str, Any]) -> Iterator[str]:
    failed = span.status.status_code == StatusCode.ERROR
    if span.status.status_code == StatusCode.OK:
        yield "has the status OK"
    if failed is not ("error.type" in attributes):
        yield "error.type and status contradict each other"
    if "gen_ai.response.time_to_first_chunk" in attributes and "gen_ai.request.stream" not in attributes:
        yield "has a first chunk, and was not streamed"
    if attributes.get("gen_ai.operation.name") == "fetch_response":
        yield from _fetching_faults(attributes)
    if "spanwarden.session.id" not in attributes:
        yield "belongs to no session"
    if ("spanwarden.step" in attributes) is (attributes.get("gen_ai.operation.name") == "invoke_agent"):
        yield "has a step where there is none, or none where there is"


def _fetching_faults(attributes: Mapping[str, Any]) -> Iterator[str]:
    if any("usage" in key for key in attributes):
        yield "counts tokens of an answer that was only fetched"
    if "gen_ai.response.id" not in attributes and attributes.get("openai.api.type") != "assistants":
        yield "does not say what was fetched"  # a thread's messages are asked for without naming any of them


def _attribute_faults(span: ReadableSpan) -> Iterator[str]:
    for key, value in (span.attributes or {}).items():
        if key in _CONTENT or key.partition(".")[0] not in _PREFIXES:
            continue
        fits = ATTRIBUTES.get(key)
        if fits is None or not fits(value):
            yield f"{key} = {value!r}"


def _json_faults(span: ReadableSpan) -> Iterator[str]:
    attributes = span.attributes or {}
    for key in MESSAGES:
        for message in _decoded(attributes, key):
            yield from (f"{key}: {fault}" for fault in message_faults(message))
    yield from (
        f"instructions: {part}"
        for part in _decoded(attributes, "gen_ai.system_instructions")
        if part.get("type") != "text" or part_faults(part)
    )
    yield from (
        f"tool definition: {tool}"
        for tool in _decoded(attributes, "gen_ai.tool.definitions")
        if not (_is_text(tool.get("type")) and isinstance(tool.get("name"), str))
    )


def _decoded(attributes: Mapping[str, Any], key: str) -> Iterable[Any]:
    found = json.loads(attributes.get(key, "[]"))
    return found if isinstance(found, list) else [{key: found}]


def message_faults(message: Any) -> Iterator[str]:
    """What is wrong with a message."""
    if not {"role", "parts"} <= set(message) <= {"role", "parts", "name", "finish_reason"}:
        yield f"fields {sorted(message)}"
        return
    if message["role"] not in _ROLES:
        yield f"role {message['role']}"
    if message.get("finish_reason", "stop") in _SPELLINGS_OF_THE_API:
        yield f"finish reason {message['finish_reason']}"
    for part in message["parts"]:
        yield from part_faults(part)


def part_faults(part: Any) -> list[str]:
    """What is wrong with a part of a message."""
    if not _is_text(part.get("type")):
        return [f"a part without a type: {part}"]
    wanted = _PARTS.get(part["type"], {})
    faults = [f"{part['type']}.{key} in {part}" for key, kind in wanted.items() if not isinstance(part.get(key), kind)]
    if "response" in wanted and "response" not in part:
        faults.append(f"no response in {part}")
    if part.get("modality", "image") not in _MODALITIES:
        faults.append(f"modality {part['modality']}")
    inner = part.get("server_tool_call")
    if isinstance(inner, dict) and not _is_text(inner.get("type")):
        faults.append(f"a server's tool call without a type: {part}")
    return faults
