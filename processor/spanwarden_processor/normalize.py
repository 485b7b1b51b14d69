"""Spans to activities: what each span about GenAI shows as its own, what it repeats, and how far it could be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spanwarden_processor.json_care import Flaw
from spanwarden_processor.messages import MessageReader, Sender, Shown
from spanwarden_processor.reading import Content, Dialect, Operation, Reading
from spanwarden_processor.types import Span, Status


class Activity(NamedTuple):
    """One span about GenAI. `position` is its place in the record.

    `own` are steps that happened in it. `history` and `system` are unread: assembly knows how much of them is new.
    `status` says how far `own` could be read. `channel` names who shows what kind of thing: of two instrumentations
    that watch the same agent each shows a step once. `ends` is set on the root of a run.
    """

    position: int
    span: Span
    operation: Operation
    channel: str
    own: tuple[Shown, ...]
    history: Content
    system: Content
    session: str | None
    status: Status
    ends: bool


def normalize(spans: Iterable[tuple[int, Span]], dialects: Sequence[Dialect], reader: MessageReader) -> list[Activity]:
    """The activities of a record's spans, in the order of time. Spans that no dialect reads are left out.

    A run's root counts from its end: it sums up what stands before it.
    """
    activities = [
        _activity(index, span, reading, reader)
        for index, span in spans
        if (reading := _read(span, dialects)) is not None
    ]
    activities.sort(key=_time)
    return activities


def _time(activity: Activity) -> tuple[int, bool]:
    # A step shown by itself comes after the model's call that it is part of, which was asked something first.
    at_ns = activity.span.end_ns if activity.operation == "agent" else activity.span.start_ns
    return at_ns, activity.operation == "step"


def _read(span: Span, dialects: Sequence[Dialect]) -> Reading | None:
    for dialect in dialects:
        if (reading := dialect.read(span)) is not None:
            return reading
    return None


def _activity(index: int, span: Span, reading: Reading, reader: MessageReader) -> Activity:
    flaws: set[Flaw] = set()
    own = tuple(_own_steps(reading, reader, flaws))
    return Activity(
        index,
        span,
        reading.operation,
        f"{reading.operation}:{span.scope}",
        own,
        reading.history,
        reading.system,
        reading.session,
        _status(reading, flaws, has_own=bool(own), dropped=span.attributes_dropped > 0),
        reading.operation == "agent" and not span.parent_id,
    )


def _own_steps(reading: Reading, reader: MessageReader, flaws: set[Flaw]) -> list[Shown]:
    parsed = reader.values(reading.own)
    if parsed.flaw:
        flaws.add(parsed.flaw)
    try:
        return reader.steps(parsed.value, flaws, Sender(reading.reasoning, reading.truncated))
    except (TypeError, ValueError, RecursionError):
        # What orjson refuses to write again, a number of 70 bits say: the content is there and is not read.
        flaws.add("error")
        return []


def _status(reading: Reading, flaws: set[Flaw], *, has_own: bool, dropped: bool) -> Status:
    if "error" in flaws:
        return "error"
    if reading.truncated or dropped or "truncated" in flaws:
        return "truncated"
    if "redacted" in flaws:
        return "redacted"
    has_content = has_own or reading.history or reading.system or reading.operation == "agent"
    return "ok" if has_content else "no_content"
