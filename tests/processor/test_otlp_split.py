from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from otlp_strategies import requests
from spanwarden_processor.otlp.slices import span_count, span_keys, span_slices
from spanwarden_processor.otlp.split import halve, split, without_spans
from spanwarden_processor.testing import request_for, span, spans_in

EMPTY = ExportTraceServiceRequest(resource_spans=[ResourceSpans(schema_url="empty")]).SerializeToString()


def span_bytes(request: bytes) -> list[bytes]:
    return [request[part.frame.start : part.frame.end] for part in span_slices(request)]


def surroundings(request: bytes) -> list[tuple[object, ...]]:
    """For each span what stands around it."""
    parsed = ExportTraceServiceRequest.FromString(request)
    return [
        (part.resource.SerializeToString(), part.schema_url, scope.scope.SerializeToString(), scope.schema_url)
        for part in parsed.resource_spans
        for scope in part.scope_spans
        for _ in scope.spans
    ]


@given(requests())
def test_slices_are_the_spans_in_their_order(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()

    assert [Span.FromString(data[part.frame.start : part.frame.end]) for part in span_slices(data)] == spans_in(data)


@given(requests(), st.integers(10, 400))
def test_pieces_hold_the_same_spans_in_the_same_surroundings(
    request_: ExportTraceServiceRequest, max_bytes: int
) -> None:
    data = request_.SerializeToString()

    pieces = split(data, max_bytes)

    assert [each for piece in pieces for each in span_bytes(piece)] == span_bytes(data)
    assert [each for piece in pieces for each in surroundings(piece)] == surroundings(data)
    assert all(len(piece) <= max_bytes or span_count(piece) == 1 for piece in pieces)


def test_pieces_are_as_large_as_they_may_be() -> None:
    data = request_for(*(span("x" * 1000, {}, number=number) for number in range(1, 101)))

    assert [span_count(piece) for piece in split(data, 30_000)] == [28, 28, 28, 16]


def test_a_request_that_fits_is_not_rebuilt() -> None:
    data = request_for(span("a", {})) + EMPTY

    assert split(data, len(data))[0] is data


@given(requests())
def test_halves_hold_the_same_spans_in_the_same_surroundings(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()
    if span_count(data) < 2:
        with pytest.raises(ValueError, match="no halves"):
            halve(data)
        return

    first, second = halve(data)

    assert span_bytes(first) + span_bytes(second) == span_bytes(data)
    assert surroundings(first) + surroundings(second) == surroundings(data)
    assert abs(span_count(first) - span_count(second)) <= 1


@given(requests(), st.sets(st.integers(0, 11)))
def test_only_the_named_spans_go(request_: ExportTraceServiceRequest, drop: set[int]) -> None:
    data = request_.SerializeToString()
    drop = {index for index in drop if index < span_count(data)}

    left = without_spans(data, drop)

    kept = [index for index in range(span_count(data)) if index not in drop]
    assert span_bytes(left) == [span_bytes(data)[index] for index in kept]
    assert surroundings(left) == [surroundings(data)[index] for index in kept]


def test_what_was_empty_stays_when_spans_go() -> None:
    data = request_for(span("a", {})) + EMPTY

    assert without_spans(data, {0}) == EMPTY


def test_the_key_of_a_span_depends_on_its_bytes_and_the_seed_alone() -> None:
    first, second = span("a", {"n": 1}), span("a", {"n": 2})

    keys = span_keys(request_for(first, second, first), seed=1)

    assert keys[0] == keys[2] != keys[1]
    assert keys[:1] == span_keys(request_for(first, service="other"), seed=1)
    assert keys[:1] != span_keys(request_for(first), seed=2)
