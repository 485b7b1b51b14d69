"""Spans to activities: what each span about GenAI shows as its own, what it repeats, and how far it could be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from spanwarden_processor.json_care import Flaw
from spanwarden_processor.messages import MessageReader, Sender, Shown
from spanwarden_processor.reading import Dialect, Reading
from spanwarden_processor.types import Span, Status


class Activity(Struct, frozen=True):
    """One span about GenAI, as its dialect reads it. `position` is its place in the record.

    `own` are the steps that happened in it, and `status` says how far they could be read. What it was given is unread:
    assembly knows how much of that is new.
    """

    position: int
    span: Span
    reading: Reading
    own: Sequence[Shown]
    status: Status

    @property
    def ends(self) -> bool:
        """Whether it is the root of a run, which ends with it."""
        return self.reading.operation == "agent" and not self.span.parent_id


def normalize(spans: Iterable[tuple[int, Span]], dialects: Sequence[Dialect], reader: MessageReader) -> list[Activity]:
    """The activities of a record's spans, in the order of time. Spans that no dialect reads are left out.

    A run's root counts from its end: it sums up what stands before it.
    """
    activities = [
        _activity(position, span, reading, reader)
        for position, span in spans
        if (reading := _read(span, dialects)) is not None
    ]
    activities.sort(key=_time)
    return activities


def _time(activity: Activity) -> tuple[int, bool]:
    # A step shown by itself comes after the model's call that it is part of, which was asked something first.
    operation, span = activity.reading.operation, activity.span
    return span.end_ns if operation == "agent" else span.start_ns, operation == "step"


def _read(span: Span, dialects: Sequence[Dialect]) -> Reading | None:
    for dialect in dialects:
        if (reading := dialect.read(span)) is not None:
            return reading
    return None


def _activity(position: int, span: Span, reading: Reading, reader: MessageReader) -> Activity:
    flaws: set[Flaw] = set()
    own = _own_steps(reading, reader, flaws) if reading.own is not None else ()
    return Activity(position, span, reading, own, _status(span, reading, own, flaws))


def _own_steps(reading: Reading, reader: MessageReader, flaws: set[Flaw]) -> Sequence[Shown]:
    value, flaw = reader.values(reading.own)
    if flaw:
        flaws.add(flaw)
    try:
        return reader.steps(value, flaws, Sender(reading.reasoning, reading.truncated))
    except (TypeError, ValueError, RecursionError):
        # What orjson refuses to write again, a number of 70 bits say: the content is there and is not read.
        flaws.add("error")
        return ()


def _status(span: Span, reading: Reading, own: Sequence[Shown], flaws: set[Flaw]) -> Status:
    if "error" in flaws:
        return "error"
    if reading.truncated or span.attributes_dropped or "truncated" in flaws:
        return "truncated"
    if "redacted" in flaws:
        return "redacted"
    return "ok" if own or reading.history or reading.system or reading.operation == "agent" else "no_content"
