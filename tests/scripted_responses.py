"""Answers of the Responses API for `scripted_model`: whole, and as the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Item = dict[str, Any]

_TEXTS = {
    "output_text": ("output_text", "text"),
    "refusal": ("refusal", "refusal"),
    "output_audio": ("output_audio_transcript", "transcript"),
}
_PIECES = {"function_call": "arguments", "custom_tool_call": "input", "mcp_call": "arguments"}


def response(*items: Item, response_id: str = "resp_1", status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A response with these output items."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": 1,
        "model": "scripted-2026",
        "status": status,
        "service_tier": "default",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": list(items),
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 18,
        },
        **fields,
    }


def message(text: str) -> Item:
    """What the model says."""
    content = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [content]}


def thought(*summary: str, content: str | None = None, encrypted: str | None = None) -> Item:
    """A reasoning item, without a status, as the service sends it."""
    item: Item = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in summary]}
    if content is not None:
        item["content"] = [{"type": "reasoning_text", "text": content}]
    return {**item, "encrypted_content": encrypted} if encrypted is not None else item


def called(call_id: str, name: str, arguments: dict[str, Any]) -> Item:
    """A function call."""
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }


def response_events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a response, numbered, the last one with all of it."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(whole["output"]):
        events.extend({**event, "output_index": index, "item_id": item.get("id")} for event in _item_events(item))
    events.append({"type": f"response.{whole['status']}", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _item_events(item: Item) -> Iterator[dict[str, Any]]:
    kind = item["type"]
    if kind == "message":
        yield {"type": "response.output_item.added", "item": {**item, "content": [], "status": "in_progress"}}
        for index, part in enumerate(item["content"]):
            where = {"content_index": index, "logprobs": []}
            kind, field = _TEXTS[part["type"]]
            yield {"type": "response.content_part.added", "part": {**part, field: ""}, **where}
            yield from _deltas(f"response.{kind}.delta", part[field], **where)
            yield {"type": f"response.{kind}.done", field: part[field], **where}
            yield {"type": "response.content_part.done", "part": part, **where}
    elif kind == "reasoning":
        yield {"type": "response.output_item.added", "item": {**item, "summary": []}}
        for index, part in enumerate(item["summary"]):
            yield {
                "type": "response.reasoning_summary_part.added",
                "part": {"type": "summary_text", "text": ""},
                "summary_index": index,
            }
            yield from _deltas("response.reasoning_summary_text.delta", part["text"], summary_index=index)
        for index, part in enumerate(item.get("content") or ()):
            yield from _deltas("response.reasoning_text.delta", part["text"], content_index=index)
    elif kind in _PIECES:
        field = _PIECES[kind]
        yield {"type": "response.output_item.added", "item": {**item, field: "", "status": "in_progress"}}
        name = "custom_tool_call_input" if kind == "custom_tool_call" else f"{kind}_arguments"
        yield from _deltas(f"response.{name}.delta", item[field])
    else:
        yield {"type": "response.output_item.added", "item": item}
    yield {"type": "response.output_item.done", "item": item}


def _deltas(kind: str, text: str, **where: Any) -> Iterator[dict[str, Any]]:
    middle = len(text) // 2
    for piece in (text[:middle], text[middle:]):
        yield {"type": kind, "delta": piece, **where}
