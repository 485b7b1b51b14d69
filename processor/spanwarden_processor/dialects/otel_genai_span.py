"""GenAI spans as the OpenTelemetry semantic conventions write them, and what our instrumentation adds: span to reading.

Source: semantic-conventions-genai, docs/gen-ai; observed with opentelemetry-instrumentation-genai-openai 1.3b0.
"""

from __future__ import annotations

from typing import Any, Final

from spanwarden_processor.reading import Content, Dialect, Operation, Reading
from spanwarden_processor.types import ReasoningKind, Span

_OPERATIONS: Final[dict[str, Operation]] = {
    **dict.fromkeys(("invoke_agent", "create_agent", "invoke_workflow"), "agent"),
    **dict.fromkeys(("embeddings", "retrieval"), "other"),
}
"""The others are calls of a model, but for `execute_tool`."""
_SIGNS: Final = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
)
_REASONING_KINDS: Final[dict[Any, ReasoningKind]] = {"raw": "raw", "summary": "summary", "encrypted": "encrypted"}


def read(span: Span) -> Reading | None:
    """What the span says, or None where it is not about GenAI."""
    value = span.attributes.get
    operation = value("gen_ai.operation.name")
    session = value("spanwarden.session.id") or value("gen_ai.conversation.id") or None
    session = session if isinstance(session, str) else None
    truncated = value("spanwarden.truncated") is True
    if not isinstance(operation, str):
        return _without_operation(span, session, truncated)
    if operation == "execute_tool":
        return Reading("tool", _execution(span), session=session, truncated=truncated)
    return _conversation(span, _OPERATIONS.get(operation, "model"), session, truncated)


def _without_operation(span: Span, session: str | None, truncated: bool) -> Reading | None:
    value = span.attributes.get
    if value("spanwarden.approval.decision") is not None:
        return Reading("step", _approval(span), session=session, truncated=truncated)
    written = value("spanwarden.reasoning.kind")
    kind = _REASONING_KINDS.get(written) if isinstance(written, str) else None
    if kind is not None:
        return Reading("step", value("gen_ai.output.messages"), session=session, reasoning=kind, truncated=truncated)
    if any(sign in span.attributes for sign in _SIGNS):
        return _conversation(span, "model", session, truncated)
    return None


def _conversation(span: Span, operation: Operation, session: str | None, truncated: bool) -> Reading:
    value = span.attributes.get
    # The names after `or` are those of the conventions before 2025.
    own: Content = value("gen_ai.output.messages") or _older(value("gen_ai.completion"), "assistant")
    history: Content = value("gen_ai.input.messages") or _older(value("gen_ai.prompt"), "user")
    left_out = value("spanwarden.omitted_messages")
    return Reading(
        operation,
        own,
        history,
        value("gen_ai.system_instructions"),
        session=session,
        truncated=truncated,
        left_out=left_out if isinstance(left_out, int) else 0,
    )


def _execution(span: Span) -> Content:
    value = span.attributes.get
    call_id, arguments, result = (
        value("gen_ai.tool.call.id"),
        value("gen_ai.tool.call.arguments"),
        value("gen_ai.tool.call.result"),
    )
    call = {"type": "tool_call", "id": call_id, "name": value("gen_ai.tool.name"), "arguments": arguments}
    messages = [] if arguments is None and result is None else [{"role": "assistant", "parts": [call]}]
    if result is not None:
        response = {"type": "tool_call_response", "id": call_id, "response": result}
        messages.append({"role": "tool", "parts": [response]})
    return messages or None


def _approval(span: Span) -> Content:
    value = span.attributes.get
    part = {
        "type": "approval",
        "id": value("gen_ai.tool.call.id"),
        "name": value("gen_ai.tool.name"),
        "decision": value("spanwarden.approval.decision"),
        "source": value("spanwarden.approval.source"),
    }
    return [{"role": "approval", "parts": [part]}]


def _older(content: Any, role: str) -> Content:
    """Content of the older attributes: a list of messages, or one text."""
    if not isinstance(content, str) or content.lstrip().startswith("["):
        return content
    return [{"role": role, "parts": [{"type": "text", "content": content}]}]


OTEL_GENAI_SPAN: Final = Dialect("otel_genai_span", (b"gen_ai.", b"spanwarden."), read)
