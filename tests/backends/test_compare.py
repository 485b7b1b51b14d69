"""The comparison that the tests of this folder rest on sees what it must see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from backends.compare import OUR_EVENT, differences
from backends.otlp import resource_spans
from spanwarden_processor.testing import chat_span, request_for, says, user

Change = Callable[[Span], object]

FOREIGN_CHANGES: dict[str, Change] = {
    "name": lambda span: setattr(span, "name", "other"),
    "start": lambda span: setattr(span, "start_time_unix_nano", 1),
    "parent": lambda span: setattr(span, "parent_span_id", b"12345678"),
    "attribute": lambda span: span.attributes[0].value.MergeFromString(b"\x0a\x01x"),
    "lost attribute": lambda span: span.attributes.pop(),
    "event": lambda span: span.events.add(name="another"),
    "link": lambda span: span.links.add(trace_id=b"1" * 16, span_id=b"2" * 8),
    "status": lambda span: setattr(span.status, "code", 2),
}


def spans() -> list[ResourceSpans]:
    return resource_spans([request_for(chat_span([user("Hello")], says("Hello.")))])


def changed(change: Change) -> list[ResourceSpans]:
    parts = spans()
    change(parts[0].scope_spans[0].spans[0])
    return parts


def test_the_same_spans_do_not_differ() -> None:
    assert differences(spans(), spans()) == []


def test_a_span_that_is_missing_is_a_difference() -> None:
    assert differences(spans(), []) == ["chat gpt-5 arrived 0 times"]


def test_a_span_that_came_twice_is_a_difference() -> None:
    assert differences(spans(), spans() * 2) == ["chat gpt-5 arrived 2 times"]


@pytest.mark.parametrize("change", FOREIGN_CHANGES.values(), ids=FOREIGN_CHANGES.keys())
def test_what_is_the_senders_must_stay_as_it_was(change: Change) -> None:
    assert len(differences(spans(), changed(change))) == 1


def test_a_verdict_is_no_difference() -> None:
    def judge(span: Span) -> None:
        span.attributes.add(key="misalignment.verdict").value.string_value = "clear"
        span.events.add(name=OUR_EVENT)

    assert differences(spans(), changed(judge)) == []
