"""Items of the Responses API -> messages and parts of the GenAI semantic conventions, and what sessions know them by.

Every item becomes a part, one of an unknown type included. Calls that the program carries out are `tool_call`, calls
that the provider carries out `server_tool_call`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from spanwarden.encode import fields_of, id_in, json_text, word_in
from spanwarden.heard import SILENCE, Conversation, Heard, plain_text
from spanwarden.media import Part, without_bytes
from spanwarden.messages import AskedCall, Choice, Reading, content_parts, result_content, tool_response
from spanwarden.reasoning import Thought, thoughts_of_item

_ARGUMENTS: Final[Mapping[str, tuple[str | None, str]]] = {
    "function_call": (None, "arguments"),
    "custom_tool_call": (None, "input"),
    "shell_call": ("shell", "action"),
    "local_shell_call": ("local_shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
    "computer_call": ("computer", "action"),
}
"""Calls that the program carries out: the tool's name (None: the item says it), and the field with its arguments."""
_RESULTS: Final = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "shell_call_output",
        "local_shell_call_output",
        "apply_patch_call_output",
        "computer_call_output",
    }
)
_SERVER_CALLS: Final[Mapping[str, str]] = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
    "tool_search_call": "tool_search",
    "mcp_list_tools": "mcp_list_tools",
    "mcp_call": "mcp",
    "mcp_approval_request": "mcp",
    "program": "program",
}
"""Calls that the provider carries out or asks for, and their tool's name where the item has none."""
_OUTPUT_FIELDS: Final = ("output", "outputs", "results", "result", "tools")
_LENGTH_REASONS: Final[Mapping[str, str]] = {"max_output_tokens": "length"}


def items_of(arguments: Mapping[str, Any]) -> Sequence[Any]:
    """The items of a request's input; a text is what the user says."""
    given = arguments.get("input")
    if isinstance(given, str):
        return ({"role": "user", "content": given},)
    return given if isinstance(given, list | tuple) else ()


def response_conversation(arguments: Mapping[str, Any], items: Sequence[Any]) -> Conversation:
    """The conversation of a Responses request."""
    return Conversation(
        items,
        hear_item(items[-1]) if items else SILENCE,
        hear_item,
        calls_of_item,
        word_in(arguments.get("previous_response_id")),
        id_in(arguments.get("conversation")),
    )


def hear_item(item: Any) -> Heard:
    """Read an item the way sessions know it."""
    fields = fields_of(item)
    kind = fields.get("type") or "message"
    if kind == "message":
        role = fields.get("role")
        return Heard(role if type(role) is str else word_in(role), plain_text(fields.get("content")))
    if type(kind) is not str:
        return Heard("", None)
    if kind in _RESULTS:
        call_id = fields.get("call_id")
        return Heard("tool", _output_of(fields), call_id if type(call_id) is str else word_in(fields.get("id")))
    return Heard("assistant" if kind in _ARGUMENTS else "", None)


def calls_of_item(item: Any) -> Sequence[AskedCall]:
    """The tool call that an item is, if it is one that the program carries out."""
    fields = fields_of(item)
    kind = fields.get("type")
    return (_asked_by(fields),) if isinstance(kind, str) and kind in _ARGUMENTS else ()


def _asked_by(fields: Mapping[str, Any]) -> AskedCall:
    """The tool call that an item is of which it is known that it is one."""
    kind = fields["type"]
    name, field = _ARGUMENTS[kind]
    written = fields.get(field)
    if written is None:
        written = fields.get("actions")
    if not isinstance(written, str):
        written = json_text(without_bytes(written, keep_bytes=False))
    return AskedCall(_call_id(fields), name or word_in(fields.get("name")), kind, written)


def _call_id(fields: Mapping[str, Any]) -> str:
    return str(fields.get("call_id") or fields.get("id") or "")


def _output_of(fields: Mapping[str, Any]) -> Any:
    output = fields.get("output")
    if output is None or isinstance(output, str):
        return output
    return without_bytes(output, keep_bytes=False)


def item_messages(items: Sequence[Any], reading: Reading) -> list[dict[str, Any]]:
    """A request's items as messages, in order; what the model said in one go is one message."""
    messages: list[dict[str, Any]] = []
    for item in items:
        fields = fields_of(item)
        role, parts = _role_of(fields), parts_of_item(fields, reading)
        if role == "assistant" and messages and messages[-1]["role"] == role:
            messages[-1]["parts"].extend(parts)
        else:
            messages.append({"role": role, "parts": parts})
    return messages


def _role_of(fields: Mapping[str, Any]) -> str:
    kind = fields.get("type") or "message"
    if kind == "message":
        return str(fields.get("role") or "user")
    if isinstance(kind, str) and kind in _RESULTS:
        return "tool"
    return "user" if kind == "mcp_approval_response" else "assistant"


def parts_of_item(fields: Mapping[str, Any], reading: Reading) -> list[Part]:
    """The message parts of one item."""
    kind = fields.get("type") or "message"
    if kind == "message":
        return content_parts(fields.get("content"), reading)
    if kind == "reasoning":
        return [thought.part() for thought in thoughts_of_item(fields)]
    read = _PARTS.get(kind, _unknown_item) if isinstance(kind, str) else _unknown_item
    return [read(fields, reading)]


def _call(fields: Mapping[str, Any], _reading: Reading) -> Part:
    """A call that the program carries out."""
    return _asked_by(fields).part()


def _result(fields: Mapping[str, Any], reading: Reading) -> Part:
    """What came of such a call."""
    return tool_response(_call_id(fields), result_content(fields.get("output"), reading))


def _unknown_item(fields: Mapping[str, Any], reading: Reading) -> Part:
    """An item of a type that is not known, as it came."""
    told = {key: value for key, value in fields.items() if value is not None}
    return {**without_bytes(told, keep_bytes=reading.media_bytes), "type": str(fields.get("type"))}


def _server_call(fields: Mapping[str, Any], reading: Reading) -> Part:
    """A call that the provider carries out, with what came of it under one name."""
    kind = fields["type"]
    told = {key: value for key, value in fields.items() if value is not None and key not in ("id", "type", "name")}
    inner: dict[str, Any] = {"type": kind}
    for key, value in without_bytes(told, keep_bytes=reading.media_bytes).items():
        inner["output" if key in _OUTPUT_FIELDS else key] = value
    name = fields.get("name") or _SERVER_CALLS[kind]
    return {"type": "server_tool_call", "id": _call_id(fields), "name": name, "server_tool_call": inner}


def _approval(fields: Mapping[str, Any], _reading: Reading) -> Part:
    """A person's or program's answer to a request for approval."""
    part: Part = {
        "type": "approval",
        "id": fields.get("approval_request_id"),
        "decision": "approved" if fields.get("approve") else "denied",
        "source": "mcp_approval_response",
    }
    return {**part, "reason": fields["reason"]} if fields.get("reason") else part


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any], Reading], Part]]] = {
    **dict.fromkeys(_ARGUMENTS, _call),
    **dict.fromkeys(_RESULTS, _result),
    **dict.fromkeys(_SERVER_CALLS, _server_call),
    "mcp_approval_response": _approval,
}
"""How an item of each type is read; the types that are not here bring any number of parts, or are not known."""


def response_choice(fields: Mapping[str, Any], items: Sequence[Mapping[str, Any]], reading: Reading) -> Choice | None:
    """The one answer that a response with these items is; None where nothing came of it yet."""
    if not items and fields.get("status") in (None, "queued", "in_progress"):
        return None
    said: Any = None
    calls: list[AskedCall] = []
    thoughts: list[Thought] = []
    read: list[AskedCall | Thought | Mapping[str, Any]] = []
    for index, item in enumerate(items):
        kind = item.get("type")
        if kind == "reasoning":
            found = thoughts_of_item(item, index)
            thoughts += found
            read += found
        elif isinstance(kind, str) and kind in _ARGUMENTS:
            call = _asked_by(item)
            calls.append(call)
            read.append(call)
        else:
            said = plain_text(item.get("content")) if kind == "message" else said
            read.append(item)
    reason = _finish_reason(fields, wants_tools=bool(calls))
    return Choice(said, thoughts, calls, reason, lambda: _parts_of_read(read, reading))


def _parts_of_read(read: Iterable[AskedCall | Thought | Mapping[str, Any]], reading: Reading) -> list[Part]:
    """The message parts of an answer's items, of which reasoning and calls have been read already."""
    parts: list[Part] = []
    for item in read:
        if isinstance(item, AskedCall | Thought):
            parts.append(item.part())
        else:
            parts += parts_of_item(item, reading)
    return parts


def _finish_reason(fields: Mapping[str, Any], *, wants_tools: bool) -> str | None:
    match fields.get("status"):
        case "completed" | None:
            return "tool_call" if wants_tools else "stop"
        case "incomplete":
            reason = fields_of(fields.get("incomplete_details")).get("reason")
            return _LENGTH_REASONS.get(str(reason), str(reason or "error"))
        case "failed" | "cancelled":
            return "error"
    return None
