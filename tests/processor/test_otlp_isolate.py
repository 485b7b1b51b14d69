from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_strategies import requests
from spanwarden_processor.errors import NotOtlp
from spanwarden_processor.otlp.isolate import isolate
from spanwarden_processor.otlp.slices import span_count, span_slices
from spanwarden_processor.otlp.wire import length_delimited
from spanwarden_processor.testing import request_for, span, spans_in

BROKEN = "broken \N{SNOWMAN}"


def named(*names: str) -> bytes:
    return request_for(*(span(name, {}, number=number) for number, name in enumerate(names, start=1)))


def broken(request: bytes) -> bytes:
    """The request with every snowman made invalid UTF-8, all lengths as they were."""
    return request.replace("\N{SNOWMAN}".encode(), b"\xff\xff\xff")


def deep(levels: int) -> bytes:
    """A request whose one attribute nests lists; the runtime would not serialise it either."""
    value = length_delimited(1, b"bottom")
    for _ in range(levels):
        value = length_delimited(5, length_delimited(1, value))
    attribute = length_delimited(9, length_delimited(1, b"deep") + length_delimited(2, value))
    return length_delimited(1, length_delimited(2, length_delimited(2, attribute)))


def test_a_request_that_parses_is_handed_back_as_it_is() -> None:
    request = named("a", "b")

    assert isolate(request)[0] is request


@pytest.mark.parametrize("request_", [b"", request_for()])
def test_a_request_without_spans_gives_nothing(request_: bytes) -> None:
    assert isolate(request_) == []


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\n", b"\x08\x01", b"{}", named("a") + b"\xff", named("a") + b"\x00", named("a")[:-1]],
)
def test_what_is_no_request_at_top_level_is_refused(request_: bytes) -> None:
    with pytest.raises(NotOtlp):
        isolate(request_)


def test_a_span_with_invalid_text_leaves_alone_and_its_neighbours_stay_together() -> None:
    request = broken(named("a", BROKEN, "b", BROKEN + "2"))

    good, *bad = isolate(request)

    assert [each.name for each in spans_in(good)] == ["a", "b"]
    assert [span_count(each) for each in bad] == [1, 1]
    assert [
        request[part.frame.start : part.frame.end] for part in (span_slices(request)[1], span_slices(request)[3])
    ] == [each[part.frame.start : part.frame.end] for each in bad for part in span_slices(each)]


def test_a_request_of_bad_spans_alone_gives_no_good_one() -> None:
    assert [span_count(each) for each in isolate(broken(named(BROKEN)))] == [1]


def test_values_nested_60_deep_do_not_take_their_neighbours_along() -> None:
    good, bad = isolate(deep(60) + named("a"))

    assert [each.name for each in spans_in(good)] == ["a"]
    assert span_count(bad) == 1


@pytest.mark.parametrize("levels", range(40, 52))
def test_the_good_request_parses_at_every_depth(levels: int) -> None:
    pieces = isolate(deep(levels) + named("a"))

    assert sum(span_count(each) for each in pieces) == 2
    assert spans_in(pieces[0])[-1].name == "a"


def test_spans_of_a_broken_resource_leave_together() -> None:
    request = broken(request_for(span("a", {}), span("b", {}), service=BROKEN)) + named("c")

    good, bad = isolate(request)

    assert [each.name for each in spans_in(good)] == ["c"]
    assert span_count(bad) == 2


def test_spans_of_a_broken_scope_leave_together() -> None:
    request = broken(request_for(span("a", {}), span("b", {}), scope=BROKEN)) + named("c")

    good, bad = isolate(request)

    assert [each.name for each in spans_in(good)] == ["c"]
    assert span_count(bad) == 2


def test_isolation_does_not_multiply_a_large_resource() -> None:
    spans = [span(BROKEN, {}, number=number) for number in range(1, 101)]
    request = broken(request_for(*spans, resource={"large": "x" * 300_000}))

    pieces = isolate(request)

    assert sum(map(span_count, pieces)) == 100
    assert sum(map(len, pieces)) < 2_500_000


@given(st.binary(max_size=200))
def test_bytes_are_refused_or_taken_apart_but_nothing_else_is_raised(data: bytes) -> None:
    try:
        pieces = isolate(data)
    except NotOtlp:
        return
    assert sum(map(span_count, pieces)) == span_count(data)


@given(requests(), st.integers(min_value=0))
def test_a_request_cut_anywhere_is_refused_or_taken_apart(request_: ExportTraceServiceRequest, cut: int) -> None:
    data = request_.SerializeToString()
    data = data[: cut % (len(data) + 1)]
    try:
        pieces = isolate(data)
    except NotOtlp:
        return
    assert sum(map(span_count, pieces)) == span_count(data)


@given(requests(), st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_a_changed_byte_costs_no_span_that_can_be_found(
    request_: ExportTraceServiceRequest, position: int, byte: int
) -> None:
    data = bytearray(request_.SerializeToString())
    if data:
        data[position % len(data)] = byte
    try:
        pieces = isolate(bytes(data))
    except NotOtlp:
        return
    assert sum(map(span_count, pieces)) == span_count(bytes(data))
