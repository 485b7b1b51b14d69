from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_strategies import requests
from spanwarden_processor.otlp.decode import decode, read
from spanwarden_processor.otlp.slices import span_slices
from spanwarden_processor.otlp.wire import fields, varint
from spanwarden_processor.testing import attributes_of, request_for, span, spans_in


@given(requests())
def test_a_decoded_span_says_what_the_message_says(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()

    decoded = list(decode(data))

    assert [dict(each.attributes) for each in decoded] == [attributes_of(each) for each in spans_in(data)]
    assert [(each.ref, each.name, each.end_ns) for each in decoded] == [
        ((each.trace_id, each.span_id), each.name, each.end_time_unix_nano) for each in spans_in(data)
    ]
    assert [(dict(each.resource), each.scope) for each in decoded] == [
        (attributes_of(part.resource), scope.scope.name)
        for part in request_.resource_spans
        for scope in part.scope_spans
        for _ in scope.spans
    ]


@pytest.mark.parametrize("value", ["text", "", 0, -5, 1.5, True, False, b"\x00", ["a", 1, ["b"]], {"a": {"b": [1]}}])
def test_every_kind_of_value_is_decoded(value: Any) -> None:
    (decoded,) = decode(request_for(span("a", {"key": value})))

    assert decoded.attributes.get("key") == value
    assert decoded.attributes["key"] == value
    assert "key" in decoded.attributes


def test_a_missing_key_is_missing() -> None:
    (decoded,) = decode(request_for(span("a", {})))

    assert decoded.attributes.get("key") is None
    assert "key" not in decoded.attributes
    with pytest.raises(KeyError):
        decoded.attributes["key"]


def test_a_span_that_does_not_parse_is_none_and_its_neighbours_are_read() -> None:
    data = request_for(span("broken", {}), span("whole", {})).replace(b"broken", b"\xff" * 6)

    assert [(at, each and each.name) for at, each in read(data, span_slices(data), (0, 1))] == [(0, None), (1, "whole")]


def test_spans_of_a_resource_that_does_not_parse_are_none() -> None:
    data = request_for(span("a", {}), span("b", {}), service="broken").replace(b"broken", b"\xff" * 6)

    assert list(read(data, span_slices(data), (0, 1))) == [(0, None), (1, None)]


@given(requests())
def test_the_fields_of_a_request_fill_it_without_a_gap(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()

    found = list(fields(data, 0, len(data)))

    assert b"".join(data[each.field : each.end] for each in found) == data


def test_groups_and_overlong_numbers_are_walked_as_the_runtime_does() -> None:
    group = b"\xa3\x06" + b"\x08\x01" + b"\xab\x06\xac\x06" + b"\xa4\x06"  # group 100 with a number and group 101
    data = group + b"\x8a\x00" + varint(0)  # resource_spans with a tag of two bytes, empty
    ExportTraceServiceRequest.FromString(data)

    assert [each.number for each in fields(data, 0, len(data))] == [100, 1]
