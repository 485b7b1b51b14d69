"""Attributes, events and whole spans of our own to bytes, as OTLP lays them out."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from spanwarden_processor.otlp.slices import RESOURCE_SPANS, SCOPE_SPANS, SPANS
from spanwarden_processor.otlp.wire import length_delimited, varint
from spanwarden_processor.types import SpanRef

Scalar: TypeAlias = str | bool | int | float

SPAN_ATTRIBUTES = 9
_EVENTS, _EVENT_NAME, _EVENT_ATTRIBUTES = 11, 2, 3
_LINKS, _STATUS = 13, 15
_INTERNAL = b"\x30\x01"  # field 6: SPAN_KIND_INTERNAL
_ERROR = b"\x18\x02"  # field 3 of Status: STATUS_CODE_ERROR
_FIXED64 = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")


class OwnSpan(NamedTuple):
    """A span that we make. It has no duration. `error` is its status message, None where its status is unset."""

    ref: SpanRef
    parent_id: bytes
    name: str
    time_ns: int
    attributes: Mapping[str, Scalar]
    links: tuple[SpanRef, ...] = ()
    error: str | None = None


def attributes(values: Mapping[str, Scalar], number: int = SPAN_ATTRIBUTES) -> bytes:
    """Attribute fields for a message in which they have this number."""
    return b"".join(
        length_delimited(number, length_delimited(1, _utf8(key)) + length_delimited(2, _any_value(value)))
        for key, value in values.items()
    )


def event(name: str, time_ns: int, values: Mapping[str, Scalar]) -> bytes:
    """An event field of a span."""
    content = b"\x09" + _FIXED64.pack(time_ns) + length_delimited(_EVENT_NAME, _utf8(name))
    return length_delimited(_EVENTS, content + attributes(values, _EVENT_ATTRIBUTES))


def request_with(span: OwnSpan, resource: Mapping[str, Scalar], scope: str, scope_version: str) -> bytes:
    """An export request that holds the span."""
    described = length_delimited(1, _utf8(scope)) + length_delimited(2, _utf8(scope_version))
    scope_spans = length_delimited(1, described) + length_delimited(SPANS, _span(span))
    content = length_delimited(1, attributes(resource, 1)) + length_delimited(SCOPE_SPANS, scope_spans)
    return length_delimited(RESOURCE_SPANS, content)


def _span(span: OwnSpan) -> bytes:
    time = _FIXED64.pack(span.time_ns)
    return b"".join(
        (
            length_delimited(1, span.ref.trace_id),
            length_delimited(2, span.ref.span_id),
            length_delimited(4, span.parent_id) if span.parent_id else b"",
            length_delimited(5, _utf8(span.name)),
            _INTERNAL,
            b"\x39" + time + b"\x41" + time,
            attributes(span.attributes),
            _links(span.links),
            b"" if span.error is None else length_delimited(_STATUS, length_delimited(2, _utf8(span.error)) + _ERROR),
        )
    )


def _links(refs: Iterable[SpanRef]) -> bytes:
    return b"".join(
        length_delimited(_LINKS, length_delimited(1, ref.trace_id) + length_delimited(2, ref.span_id)) for ref in refs
    )


def _any_value(value: Scalar) -> bytes:
    match value:
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case int():
            return b"\x18" + varint(value & (2**64 - 1))
        case float():
            return b"\x21" + _DOUBLE.pack(value)
        case _:
            return length_delimited(1, _utf8(value))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
