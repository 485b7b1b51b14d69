"""Messages of the chat completions API -> messages and parts of the GenAI semantic conventions (their models.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from spanwarden.encode import fields_of, json_text

_FINISH_REASONS: Final[Mapping[str, str]] = {"tool_calls": "tool_call", "function_call": "tool_call"}
_REASONING_FIELDS: Final = ("reasoning_content", "reasoning")


class AskedCall(NamedTuple):
    """A tool call as the model wrote it. `arguments` is its text, JSON for functions; `id` may be empty."""

    id: str
    name: str
    type: str
    arguments: str


def reasoning_texts(message: Mapping[str, Any]) -> list[str]:
    """The reasoning of an assistant message. Servers that send both spellings send the same text twice."""
    texts: list[str] = []
    for field in _REASONING_FIELDS:
        value = message.get(field)
        if not value:
            continue
        text = value if isinstance(value, str) else json_text(value)
        if text not in texts:
            texts.append(text)
    return texts


def asked_calls(message: Mapping[str, Any]) -> list[AskedCall]:
    """The tool calls of an assistant message: functions, custom tools, and the older `function_call`."""
    calls = []
    for item in message.get("tool_calls") or ():
        call = fields_of(item)
        kind = call.get("type") or "function"
        calls.append(_asked(call.get("id"), kind, fields_of(call.get(kind))))
    older = message.get("function_call")
    if older is not None:
        calls.append(_asked(None, "function", fields_of(older)))
    return calls


def _asked(call_id: Any, kind: str, body: Mapping[str, Any]) -> AskedCall:
    written = body.get("arguments")
    if written is None:
        written = body.get("input")
    if not isinstance(written, str):
        written = json_text(written)
    return AskedCall(call_id or "", body.get("name") or "", kind, written)


def input_messages(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """A request's messages, in order."""
    return [_message(fields_of(message)) for message in messages]


class Choice(NamedTuple):
    """One choice of an answer, its reasoning and tool calls taken out of their spellings."""

    message: Mapping[str, Any]
    reasoning: list[str]
    calls: list[AskedCall]
    finish_reason: str


def choice_of(choice: Any) -> Choice:
    """Read a choice; `error` stands for a finish reason that did not come."""
    fields = fields_of(choice)
    message = fields_of(fields.get("message"))
    reason = fields.get("finish_reason") or "error"
    return Choice(message, reasoning_texts(message), asked_calls(message), str(reason))


def output_message(choice: Choice) -> dict[str, Any]:
    """A choice in the form of the conventions."""
    return {
        "role": choice.message.get("role") or "assistant",
        "parts": _assistant_parts(choice.message, choice.reasoning, choice.calls),
        "finish_reason": _FINISH_REASONS.get(choice.finish_reason, choice.finish_reason),
    }


def tool_definitions(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """A request's tools, each with its name on the first level."""
    definitions = []
    for item in tools:
        tool = fields_of(item)
        kind = str(tool.get("type") or "function")
        body = fields_of(tool.get(kind))
        definitions.append({"type": kind, **(body if body else {k: v for k, v in tool.items() if k != "type"})})
    return definitions


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role = message.get("role") or "assistant"
    content = message.get("content")
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [response]}
    if role == "function":
        parts = [{"type": "tool_call_response", "response": content}]
    elif role == "assistant":
        parts = _assistant_parts(message, reasoning_texts(message), asked_calls(message))
    else:
        parts = _content_parts(content)
    name = message.get("name")
    return {"role": role, "parts": parts, "name": name} if name else {"role": role, "parts": parts}


def _assistant_parts(
    message: Mapping[str, Any], reasoning: list[str], calls: Iterable[AskedCall]
) -> list[dict[str, Any]]:
    parts = [{"type": "reasoning", "content": text} for text in reasoning]
    content = message.get("content")
    if content:
        parts.extend(_content_parts(content))
    spoken = (message.get("refusal"), fields_of(message.get("audio")).get("transcript"))
    parts.extend([{"type": "text", "content": text} for text in spoken if text])
    parts.extend([_call_part(call) for call in calls])
    return parts


def _call_part(call: AskedCall) -> dict[str, Any]:
    part = {"type": "tool_call", "name": call.name, "arguments": decoded(call.arguments)}
    if call.id:
        part["id"] = call.id
    return part


def decoded(arguments: str) -> Any:
    """Arguments as the JSON value that the model wrote, or as its text where that is not JSON."""
    try:
        return orjson.loads(arguments)
    except ValueError:
        return arguments


def _content_parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    if not isinstance(content, list | tuple):
        return [] if content is None else [{"type": "text", "content": str(content)}]
    return [_content_part(item) for item in content]


def _content_part(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"type": "text", "content": item}
    part = fields_of(item)
    match part.get("type"):
        case "text":
            return {"type": "text", "content": part.get("text")}
        case "refusal":
            return {"type": "text", "content": part.get("refusal")}
        case "image_url":
            return _linked("image", fields_of(part.get("image_url")).get("url"))
        case "input_audio":
            audio = fields_of(part.get("input_audio"))
            return _blob("audio", f"audio/{audio.get('format')}", audio.get("data"))
        case "file":
            return _file(fields_of(part.get("file")))
        case kind:
            return {**part, "type": str(kind)}


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    if file.get("file_id"):
        return {"type": "file", "modality": "document", "file_id": file["file_id"]}
    return _linked("document", file.get("file_data"))


def _linked(modality: str, address: Any) -> dict[str, Any]:
    """A picture or document by its address; one that is inside a `data:` address as its bytes."""
    text = str(address)
    if not text.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": text}
    head, _, data = text.partition(",")
    return _blob(modality, head.removeprefix("data:").removesuffix(";base64"), data)


def _blob(modality: str, mime_type: str, data: Any) -> dict[str, Any]:
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": data}
