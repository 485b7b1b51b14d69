"""Messages, requests and answers of the OpenAI API, as they are sent: raw values to messages that can be read.

Chat completions and the Responses API; source: the API reference, and `openai` 3.52. Nothing is dropped for being
unknown: an item of a new kind is a call of the tool that its name tells, or text that nobody vouches for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeGuard

RawMessage: TypeAlias = dict[str, Any]

_CALL: Final = "_call"
_CALL_OUTPUT: Final = "_call_output"
_NO_ARGUMENTS: Final = frozenset({"type", "id", "call_id", "name", "status", "output", "outputs", "results", "result"})


def parts_of(message: Mapping[str, Any]) -> list[Any]:
    """The parts of one chat message, in the order in which they came to be."""
    content = message.get("content")
    if message.get("role") in ("tool", "function"):
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    reasoning = message.get("reasoning_content") or message.get("reasoning") or _details(message)
    parts: list[Any] = [{"type": "reasoning", "content": reasoning}] if reasoning else []
    parts += content if isinstance(content, list) else [content] if content is not None else []
    if isinstance(refusal := message.get("refusal"), str):
        parts.append(refusal)
    calls = message.get("tool_calls")
    calls = calls if isinstance(calls, list) else None
    # Whatever type they name, or none: what stands among the calls is a call.
    parts += [{**call, "type": "tool_call"} if isinstance(call, dict) else call for call in calls or ()]
    if isinstance(older := message.get("function_call"), dict):
        parts.append({"type": "tool_call", "name": older.get("name"), "arguments": older.get("arguments")})
    return parts


def asked(request: Any) -> list[Any] | None:
    """The messages of a request's body; None where it is no request."""
    if not isinstance(request, dict):
        return None
    messages, given, instructions = request.get("messages"), request.get("input"), request.get("instructions")
    if _has_roles(messages):
        return messages
    before = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*before, {"role": "user", "content": given}]
    return [*before, *_messages(given)] if isinstance(given, list) else None


def answered(response: Any) -> list[RawMessage] | None:
    """The messages of an answer's body; None where it is no answer, or a piece of one."""
    if not isinstance(response, dict):
        return None
    choices, output = response.get("choices"), response.get("output")
    if isinstance(choices, list):
        messages = [choice.get("message") for choice in choices if isinstance(choice, dict)]
        return messages or None if _has_roles(messages) else None
    return list(_messages(output)) if isinstance(output, list) and response.get("object") == "response" else None


def summarises(response: Any) -> bool:
    """Whether the reasoning in an answer's body is a summary: the Responses API seldom gives more."""
    output = response.get("output") if isinstance(response, dict) else None
    reasoned = [item for item in output if _is_reasoning(item)] if isinstance(output, list) else []
    return bool(reasoned) and not any(item.get("content") for item in reasoned)


def _messages(items: list[Any]) -> Iterator[RawMessage]:
    """Messages of the items of a Responses request or answer."""
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        if not isinstance(kind, str) or kind == "message":
            yield item
        elif kind == "reasoning":
            yield {"role": "assistant", "parts": _reasoning(item)}
        elif kind.endswith(_CALL_OUTPUT):
            answer = {"type": "tool_call_response", "id": item.get("call_id"), "response": item.get("output")}
            yield {"role": "tool", "parts": [answer]}
        elif kind.endswith(_CALL):
            yield {"role": "assistant", "parts": list(_call(item, kind.removesuffix(_CALL)))}
        else:
            yield {"role": "assistant", "parts": [item]}


def _call(item: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """A call, and the result where the provider ran the tool itself."""
    call_id = item.get("call_id") or item.get("id")
    rest = {key: value for key, value in item.items() if key not in _NO_ARGUMENTS}
    written = next((item[key] for key in ("arguments", "input", "action") if item.get(key) is not None), rest)
    yield {"type": "tool_call", "id": call_id, "name": item.get("name") or kind, "arguments": written}
    result = next((item[key] for key in ("output", "outputs", "results", "result") if item.get(key)), None)
    if result is not None:
        yield {"type": "tool_call_response", "id": call_id, "response": result}


def _reasoning(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The summary as one part, and the text in full where it is told; without either it is encrypted."""
    texts = [_joined(item.get("summary")), _joined(item.get("content"))]
    return [{"type": "reasoning", "content": text} for text in texts if text] or [{"type": "reasoning", "content": ""}]


def _is_reasoning(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _details(message: Mapping[str, Any]) -> str:
    """Reasoning as OpenRouter details it, where it is told in no other way."""
    return _joined(message.get("reasoning_details"))


def _joined(pieces: Any) -> str:
    if not isinstance(pieces, list):
        return ""
    texts = (piece.get("text") or piece.get("summary") for piece in pieces if isinstance(piece, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _has_roles(messages: Any) -> TypeGuard[list[RawMessage]]:
    return isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages)
