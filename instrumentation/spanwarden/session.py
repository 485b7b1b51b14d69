"""The nouns of a conversation: the session itself, the tool calls and answers that it is known by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from opentelemetry.trace import SpanContext

from spanwarden.history import Sent
from spanwarden.messages import AskedCall
from spanwarden.roots import Turn


class Said(NamedTuple):
    """An answer in words: its length, and the hashes of its text and of the message that it answers."""

    length: int
    text: int
    before: int


@dataclass(slots=True, eq=False)
class Session:
    """One conversation, over turns and traces. `turn` is its newest; `last` the newest span on top of a trace.

    `said` is the newest answer in words, `conversation_id` is what the provider, or the program, calls it.
    """

    id: str
    conversation_id: str | None = None
    turn: Turn | None = None
    last: SpanContext | None = None
    pending: dict[str, Call] = field(default_factory=dict)
    said: Said | None = None
    sent: Sent = field(default_factory=Sent)
    steps: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def next_step(self) -> int:
        """Count one step; `next` on a counter is atomic."""
        return next(self.steps)


@dataclass(slots=True, eq=False)
class Call:
    """A tool call that the model asked for.

    `asked_ns` is the end of the answer that asked; `written` tells its text from others after `asked` was dropped.
    """

    asked: AskedCall
    session: Session
    asked_ns: int
    description: str | None
    written: int


DROPPED: Final = AskedCall("", "", "", "")
"""Stands in for what a closed call asked, whose arguments need not be kept."""


@dataclass(slots=True, eq=False)
class Answer:
    """An answer in words, or any answer with an id. `continued` once a request has brought it back.

    `complete` is false while the provider still works on it.
    """

    session: Session
    continued: bool = False
    complete: bool = True


class ToolResult(NamedTuple):
    """A call that is closed now, what was asked, and the content of the message that brought its result."""

    call: Call
    asked: AskedCall
    content: Any
