"""Streamed chunks, one by one -> the answer that they add up to, in the form of one that was not streamed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from spanwarden.encode import fields_of, index_in, items_in, word_in

CHARACTERS_LIMIT: Final = 64 * 1024 * 1024
"""Characters kept of one stream; what comes beyond is left out, and the answer counts as cut."""
_HEAD: Final = ("id", "model", "service_tier", "system_fingerprint")
_TEXTS: Final = ("content", "refusal", "reasoning_content", "reasoning")
_REASONING: Final = frozenset({"reasoning_content", "reasoning"})


class Interval(NamedTuple):
    """From when to when, in nanoseconds since the epoch."""

    started_ns: int
    ended_ns: int


Times = dict[int, Interval]
"""When the first and the last piece of reasoning came, by choice or output item."""


class Gathering(Protocol):
    """What chunks are added to.

    `ended` is true once the stream has said that it is over, `cut` when something had to be left out, `error_type`
    is set where the stream itself reported a failure.
    """

    error_type: str | None

    @property
    def times(self) -> Times: ...
    @property
    def ended(self) -> bool: ...
    @property
    def cut(self) -> bool: ...

    def add(self, chunk: Any) -> None:
        """Take in one chunk."""

    def answer(self) -> Mapping[str, Any]:
        """The answer so far."""


class Texts:
    """Pieces of texts by key, within the bound of a stream."""

    __slots__ = ("cut", "left", "pieces", "times")

    def __init__(self, limit: int = CHARACTERS_LIMIT) -> None:
        self.pieces: dict[Any, list[str]] = {}
        self.times: Times = {}
        self.left = limit
        self.cut = False

    def add(self, key: Any, piece: Any) -> None:
        """Add a piece at the end of a text."""
        if not isinstance(piece, str):
            return
        self.left -= len(piece)
        if self.left < 0:
            self.cut = True
            return
        pieces = self.pieces.get(key)
        if pieces is None:
            self.pieces[key] = [piece]
        else:
            pieces.append(piece)

    def note_time(self, source: int) -> None:
        """Note that reasoning of a choice or item comes now."""
        now_ns = time.time_ns()
        first = self.times.get(source)
        self.times[source] = Interval(now_ns if first is None else first.started_ns, now_ns)

    def text(self, key: Any) -> str | None:
        """A text as far as it came."""
        pieces = self.pieces.get(key)
        return None if pieces is None else "".join(pieces)


class ChatGathering:
    """Chunks of chat completions, and of the older completions."""

    def __init__(self, limit: int = CHARACTERS_LIMIT) -> None:
        self.error_type: str | None = None
        self._texts = Texts(limit)
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._finished = 0

    @property
    def times(self) -> Times:
        """When reasoning came."""
        return self._texts.times

    @property
    def cut(self) -> bool:
        """Whether something had to be left out."""
        return self._texts.cut

    @property
    def ended(self) -> bool:
        """Whether every choice has said why it ended."""
        return 0 < len(self._choices) == self._finished

    def add(self, chunk: Any) -> None:
        """Take in one chunk."""
        fields = fields_of(chunk)
        if not self._head:
            self._head = {key: fields.get(key) for key in _HEAD}
        usage = fields.get("usage")
        if usage is not None:
            self._head["usage"] = usage
        for item in items_in(fields.get("choices")):
            self._add_choice(fields_of(item))

    def _add_choice(self, fields: Mapping[str, Any]) -> None:
        index = index_in(fields.get("index"))
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = {"role": None, "finish_reason": None, "calls": {}, "details": []}
        delta = fields_of(fields.get("delta")) or {"content": fields.get("text")}
        for key in _TEXTS:
            piece = delta.get(key)
            if piece:
                self._texts.add((index, key), piece)
                if key in _REASONING:
                    self._texts.note_time(index)
        if delta.get("role"):
            choice["role"] = delta["role"]
        if delta.get("tool_calls") or delta.get("function_call") or delta.get("reasoning_details"):
            self._add_structured(index, choice, delta)
        reason = fields.get("finish_reason")
        if reason is not None:
            self._finished += choice["finish_reason"] is None
            choice["finish_reason"] = reason

    def _add_structured(self, index: int, choice: dict[str, Any], delta: Mapping[str, Any]) -> None:
        for item in items_in(delta.get("tool_calls")):
            self._add_call(index, choice, fields_of(item))
        older = delta.get("function_call")
        if older is not None:
            self._add_call(index, choice, {"index": -1, "type": "function", "function": older})
        for item in items_in(delta.get("reasoning_details")):
            self._add_detail(index, choice, fields_of(item))

    def _add_call(self, index: int, choice: dict[str, Any], fields: Mapping[str, Any]) -> None:
        """One piece of a tool call. Servers that leave the index out send a call whole, with its id."""
        position = fields.get("index")
        if not isinstance(position, int):
            position = word_in(fields.get("id")) or 0
        call = choice["calls"].setdefault(position, {"id": None, "type": None, "name": ""})
        call["id"] = call["id"] or fields.get("id")
        kind = word_in(fields.get("type")) or ("custom" if fields.get("custom") is not None else "function")
        call["type"] = word_in(fields.get("type")) or call["type"]
        body = fields_of(fields.get(kind))
        call["name"] = call["name"] or body.get("name") or ""
        self._texts.add((index, "call", position), body.get("arguments") or body.get("input") or "")

    def _add_detail(self, index: int, choice: dict[str, Any], fields: Mapping[str, Any]) -> None:
        """One piece of `reasoning_details`: those of the same index and type are one entry."""
        self._texts.note_time(index)
        position = (index_in(fields.get("index")), word_in(fields.get("type")) or None)
        if position not in choice["details"]:
            choice["details"].append(position)
        for key in ("text", "summary", "data"):
            if fields.get(key):
                self._texts.add((index, "detail", position, key), fields[key])

    def answer(self) -> Mapping[str, Any]:
        """The answer so far."""
        return {**self._head, "choices": [self._choice(index) for index in sorted(self._choices)]}

    def _choice(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        message: dict[str, Any] = {"role": choice["role"] or "assistant"}
        for key in _TEXTS:
            message[key] = self._texts.text((index, key))
        calls = {position: self._call(index, position, call) for position, call in choice["calls"].items()}
        older = calls.pop(-1, None)
        if older is not None:
            message["function_call"] = older["function"]
        if calls:
            message["tool_calls"] = list(calls.values())
        if choice["details"]:
            message["reasoning_details"] = [self._detail(index, position) for position in choice["details"]]
        return {"index": index, "message": message, "finish_reason": choice["finish_reason"]}

    def _call(self, index: int, position: Any, call: Mapping[str, Any]) -> dict[str, Any]:
        text = self._texts.text((index, "call", position)) or ""
        kind = call["type"] or "function"
        written = "input" if kind == "custom" else "arguments"
        return {"id": call["id"], "type": kind, kind: {"name": call["name"], written: text}}

    def _detail(self, index: int, position: Any) -> dict[str, Any]:
        texts = {key: self._texts.text((index, "detail", position, key)) for key in ("text", "summary", "data")}
        return {"type": position[1], **{key: text for key, text in texts.items() if text is not None}}
