"""Streamed events of the Responses API, one by one -> the response that they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spanwarden.encode import fields_of, index_in
from spanwarden.gathering import CHARACTERS_LIMIT, Texts, Times
from spanwarden.media import without_bytes

_LAST_EVENTS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
_DELTAS: Final[Mapping[str, str]] = {
    "response.output_text.delta": "text",
    "response.text.delta": "text",
    "response.output_audio_transcript.delta": "text",
    "response.audio_transcript.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
    "response.shell_call_command.delta": "command",
    "response.reasoning_text.delta": "content",
    "response.reasoning_summary_text.delta": "summary",
}
"""Events that bring a piece of text, and the field of the item that it belongs to."""
_REASONING: Final = frozenset({"content", "summary"})
_OWN_FIELDS: Final = ("arguments", "input", "code")


class ResponseGathering:
    """Events of one response. The last event brings it whole; pieces matter where the stream breaks off."""

    def __init__(self, limit: int = CHARACTERS_LIMIT) -> None:
        self.ended = False
        self.error_type: str | None = None
        self._texts = Texts(limit)
        self._response: Any = None
        self._items: dict[int, Any] = {}
        self._whole: set[int] = set()

    @property
    def times(self) -> Times:
        """When reasoning came."""
        return self._texts.times

    @property
    def cut(self) -> bool:
        """Whether something had to be left out."""
        return self._texts.cut and not self.ended

    def add(self, event: Any) -> None:
        """Take in one event."""
        fields = fields_of(event)
        kind = fields.get("type")
        if kind is None:  # older clients put events that they do not know into an envelope
            fields = fields_of(fields.get("data"))
            kind = fields.get("type")
        field = _DELTAS.get(kind) if isinstance(kind, str) else None
        if field is not None:
            self._add_piece(field, fields)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._add_item(fields, whole=kind.endswith("done"))
        elif fields.get("response") is not None:
            self._response = fields["response"]
            self.ended = isinstance(kind, str) and kind in _LAST_EVENTS
        elif kind == "error":
            error = fields_of(fields.get("error")) or fields
            self.error_type = str(error.get("code") or error.get("type"))

    def _add_item(self, fields: Mapping[str, Any], *, whole: bool) -> None:
        index = index_in(fields.get("output_index"))
        item = fields.get("item")
        self._items[index] = item
        if fields_of(item).get("type") == "reasoning":
            self._texts.note_time(index)
        if whole:
            self._whole.add(index)

    def _add_piece(self, field: str, fields: Mapping[str, Any]) -> None:
        index = index_in(fields.get("output_index"))
        part = max([index_in(fields.get(key)) for key in ("content_index", "summary_index", "command_index")])
        self._texts.add((index, field, part), fields.get("delta"))
        if field in _REASONING:
            self._texts.note_time(index)

    def answer(self) -> Mapping[str, Any]:
        """The response so far: its own list of items where it brings one, else the items that came by themselves."""
        response = fields_of(self._response)
        if self.ended and response.get("output"):
            return response
        indexes = sorted(set(self._items) | {key[0] for key in self._texts.pieces})
        return {**response, "output": [self._item(index) for index in indexes]}

    def _item(self, index: int) -> Any:
        """One item: whole if its last event came, else with the pieces that did."""
        item = self._items.get(index)
        if index in self._whole:
            return item
        fields = {"type": "message", **fields_of(item)}
        for field in _OWN_FIELDS:
            text = self._texts.text((index, field, 0))
            if text is not None:
                fields[field] = text
        match fields["type"]:
            case "message":
                refusals = [{"type": "refusal", "refusal": text} for text in self._parts(index, "refusal")]
                texts = [{"type": "output_text", "text": text} for text in self._parts(index, "text")]
                fields["role"] = fields.get("role") or "assistant"
                fields["content"] = texts + refusals
            case "reasoning":
                fields["content"] = [{"text": text} for text in self._parts(index, "content")]
                fields["summary"] = [{"text": text} for text in self._parts(index, "summary")]
            case "shell_call":
                action = without_bytes(fields.get("action"), keep_bytes=False) or {}
                fields["action"] = {**action, "commands": self._parts(index, "command")}
        return fields

    def _parts(self, index: int, field: str) -> list[str]:
        keys = sorted(key for key in self._texts.pieces if key[0] == index and key[1] == field)
        return ["".join(self._texts.pieces[key]) for key in keys]
