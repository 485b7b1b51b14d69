"""Spans of agents as they are read: what each shows as its own, and what it was given."""

from __future__ import annotations

from typing import Any

from spanwarden_processor.dialects import DIALECTS
from spanwarden_processor.messages import MessageReader, Shown
from spanwarden_processor.normalize import Activity, normalize
from spanwarden_processor.otlp.decode import decode
from spanwarden_processor.scoring_settings import Limits
from spanwarden_processor.testing import request_for
from spanwarden_processor.types import SpanRef

READER = MessageReader(Limits(), frozenset({"policy"}))


def activities(*spans: Any, reader: MessageReader = READER) -> list[Activity]:
    return normalize(list(enumerate(decode(request_for(*spans)))), DIALECTS, reader)


def own(activity: Activity) -> list[tuple[Any, ...]]:
    return [_told(shown) for shown in activity.own]


def given(activity: Activity) -> list[tuple[Any, ...]]:
    """The steps of what the span was given, read as assembly does."""
    flaws: set[Any] = set()
    parts = READER.system(READER.values(activity.reading.system)[0], flaws)
    return [_told(shown) for shown in (*parts, *READER.steps(READER.values(activity.reading.history)[0], flaws))]


def _told(shown: Shown) -> tuple[Any, ...]:
    step = shown.step(SpanRef(b"", b""), 0)
    told = (step.kind, step.text)
    return (*told, step.tool, step.arguments, step.call_id) if step.kind == "tool_call" else told
