"""Messages of the chat completions API -> messages and parts of the GenAI semantic conventions (their models.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from spanwarden.encode import fields_of, items_in, json_text, text_of, word_in
from spanwarden.media import Part, blob, file_part, linked, without_bytes
from spanwarden.reasoning import Thought, split_think, thoughts_of

_FINISH_REASONS: Final[Mapping[str, str]] = {"tool_calls": "tool_call", "function_call": "tool_call"}


class Reading(NamedTuple):
    """How content is read: whether `<think>` blocks are reasoning, and whether the bytes of media are kept."""

    think_tags: bool = False
    media_bytes: bool = False


class AskedCall(NamedTuple):
    """A tool call as the model wrote it. `arguments` is its text, JSON for functions; `id` may be empty."""

    id: str
    name: str
    type: str
    arguments: str

    def part(self) -> Part:
        """The call as a message part of the conventions."""
        part: Part = {"type": "tool_call", "name": self.name, "arguments": decoded(self.arguments)}
        if self.id:
            part["id"] = self.id
        return part


class Choice(NamedTuple):
    """One alternative of an answer, its reasoning and tool calls taken out of their spellings.

    `parts` makes its message parts, which is only done where content is recorded. `finish_reason` is one of the
    conventions', None where the answer broke off.
    """

    content: Any
    thoughts: list[Thought]
    calls: list[AskedCall]
    finish_reason: str | None
    parts: Callable[[], list[Part]]
    role: str = "assistant"

    def message(self) -> dict[str, Any]:
        """The choice in the form of the conventions."""
        message: dict[str, Any] = {"role": self.role, "parts": self.parts()}
        if self.finish_reason is not None:
            message["finish_reason"] = self.finish_reason
        return message


def asked_calls(message: Mapping[str, Any]) -> list[AskedCall]:
    """The tool calls of an assistant message: functions, custom tools, and the older `function_call`."""
    calls = [_asked(fields_of(item)) for item in items_in(message.get("tool_calls"))]
    older = message.get("function_call")
    if older is not None:
        calls.append(_asked({"function": older}))
    return calls


def _asked(call: Mapping[str, Any]) -> AskedCall:
    kind, call_id = call.get("type"), call.get("id")
    if type(kind) is not str or type(call_id) is not str:
        kind, call_id = word_in(kind) or "function", word_in(call_id)
    body = fields_of(call.get(kind))
    name = body.get("name")
    written = body.get("arguments")
    if written is None:
        written = body.get("input")
    if not isinstance(written, str):
        written = json_text(written)
    return AskedCall(call_id, name if type(name) is str else word_in(name), kind, written)


def input_messages(messages: Sequence[Any], reading: Reading) -> list[dict[str, Any]]:
    """A request's messages, in order."""
    return [_message(message if type(message) is dict else fields_of(message), reading) for message in messages]


def choice_of(choice: Any, source: int, reading: Reading, *, broken_off: bool) -> Choice:
    """Read a choice; `error` stands for a finish reason that did not come with a whole answer."""
    fields = fields_of(choice)
    message = fields_of(fields.get("message"))
    reason = fields.get("finish_reason") or (None if broken_off else "error")
    thoughts = thoughts_of(message, source, think_tags=reading.think_tags)
    calls = asked_calls(message)
    return Choice(
        message.get("content"),
        thoughts,
        calls,
        None if reason is None else _FINISH_REASONS.get(str(reason), str(reason)),
        lambda: _assistant_parts(message, thoughts, calls, reading),
        message.get("role") or "assistant",
    )


def tool_definitions(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """A request's tools, each with its name on the first level."""
    definitions = []
    for item in tools:
        tool = fields_of(item)
        kind = str(tool.get("type") or "function")
        body = fields_of(tool.get(kind))
        rest = body if body else {key: value for key, value in tool.items() if key != "type"}
        definitions.append({"type": kind, "name": tool.get("server_label") or kind, **rest})
    return definitions


def _message(message: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    role = message.get("role") or "assistant"
    content = message.get("content")
    if role == "tool":
        response = result_content(content, reading)
        return {"role": role, "parts": [tool_response(message.get("tool_call_id"), response)]}
    if role == "function":
        parts: list[Part] = [{"type": "tool_call_response", "response": content}]
    elif role == "assistant":
        thoughts = thoughts_of(message, think_tags=reading.think_tags)
        parts = _assistant_parts(message, thoughts, asked_calls(message), reading)
    else:
        parts = content_parts(content, reading)
    said = {"role": role, "parts": parts}
    if message.get("name"):
        said["name"] = message["name"]
    return said


def tool_response(call_id: Any, response: Any) -> Part:
    """A tool's result as a message part."""
    return {"type": "tool_call_response", "id": call_id, "response": response}


def result_content(content: Any, reading: Reading) -> Any:
    """What a tool returned: text as it is, structured content without the bytes inside of it."""
    if content is None or isinstance(content, str):
        return content
    return without_bytes(content, keep_bytes=reading.media_bytes)


def _assistant_parts(
    message: Mapping[str, Any], thoughts: list[Thought], calls: Iterable[AskedCall], reading: Reading
) -> list[Part]:
    parts = [thought.part() for thought in thoughts]
    content = message.get("content")
    if reading.think_tags:
        content = split_think(content)[1]
    if content:
        parts += content_parts(content, reading)
    refusal, audio = message.get("refusal"), message.get("audio")
    spoken = (refusal, fields_of(audio).get("transcript")) if refusal or audio else ()
    parts += [{"type": "text", "content": text} for text in spoken if text]
    parts += [call.part() for call in calls]
    return parts


def decoded(arguments: str) -> Any:
    """Arguments as the JSON value that the model wrote, or as its text where that is not JSON."""
    try:
        return orjson.loads(arguments)
    except ValueError:
        return arguments


def content_parts(content: Any, reading: Reading) -> list[Part]:
    """The parts of a message's content."""
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    if not isinstance(content, list | tuple):
        return [] if content is None else [{"type": "text", "content": text_of(content)}]
    return [_content_part(item, reading) for item in content]


def _content_part(item: Any, reading: Reading) -> Part:
    if isinstance(item, str):
        return {"type": "text", "content": item}
    part = fields_of(item)
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return {"type": "text", "content": part.get("text")}
    if kind == "refusal":
        return {"type": "text", "content": part.get("refusal")}
    return _media_part(str(kind), part, keep_bytes=reading.media_bytes)


def _sound(part: Mapping[str, Any], *, keep_bytes: bool) -> Part:
    """Speech by what was said, where that is known; else sound as chat completions and as Realtime bring it."""
    if part.get("transcript"):
        return {"type": "text", "content": part["transcript"]}
    audio = fields_of(part.get("input_audio"))
    data = audio.get("data") if audio else part.get("audio")
    return blob("audio", f"audio/{audio.get('format', 'pcm')}", data, keep_bytes=keep_bytes)


def _media_part(kind: str, part: Mapping[str, Any], *, keep_bytes: bool) -> Part:
    """Media in the spellings of both APIs; what is of an unknown type is kept as it is, without bytes."""
    match kind:
        case "image_url":
            return linked("image", fields_of(part.get("image_url")).get("url"), keep_bytes=keep_bytes)
        case "input_image" | "computer_screenshot":
            if part.get("image_url"):
                return linked("image", part.get("image_url"), keep_bytes=keep_bytes)
            return {"type": "file", "modality": "image", "file_id": part.get("file_id")}
        case "input_audio" | "output_audio" | "audio":
            return _sound(part, keep_bytes=keep_bytes)
        case "file":
            return file_part(fields_of(part.get("file")), "document", keep_bytes=keep_bytes)
        case "input_file":
            return file_part(part, "document", keep_bytes=keep_bytes)
    return {**without_bytes(part, keep_bytes=keep_bytes), "type": kind}
