"""Where the spans of a request stand: an ExportTraceServiceRequest to positions, identities and repeat keys.

It works on the wire, so spans that the protobuf runtime refuses are found as well. Positions count from the first
byte of the request.
"""

from __future__ import annotations

from typing import NamedTuple

import xxhash

from spanwarden_processor.errors import NotOtlp
from spanwarden_processor.otlp.wire import LENGTH_DELIMITED, Frame, MalformedWire, fields, frames

RESOURCE_SPANS, SCOPE_SPANS, SPANS = 1, 2, 2
"""Field numbers of the repeated messages on the way to a span (opentelemetry.proto.trace.v1)."""


class SpanSlice(NamedTuple):
    """One span of a request: its ids, its message, and the ScopeSpans and ResourceSpans around it.

    An id is b"" where it cannot be read or is not there.
    """

    trace_id: bytes
    span_id: bytes
    frame: Frame
    scope: Frame
    resource: Frame


def span_slices(request: bytes) -> list[SpanSlice]:
    """Every span of the request, in its order. Raises `NotOtlp` where the messages around the spans are broken."""
    try:
        return [
            SpanSlice(*_ids(request, span.start, span.end), span, scope, resource)
            for resource in frames(request, 0, len(request), RESOURCE_SPANS)
            for scope in frames(request, resource.start, resource.end, SCOPE_SPANS)
            for span in frames(request, scope.start, scope.end, SPANS)
        ]
    except MalformedWire as error:
        raise NotOtlp(f"no ExportTraceServiceRequest: {error}") from None


def span_count(request: bytes) -> int:
    """How many spans the request holds. Raises `NotOtlp` as `span_slices` does."""
    try:
        return sum(
            len(frames(request, scope.start, scope.end, SPANS))
            for resource in frames(request, 0, len(request), RESOURCE_SPANS)
            for scope in frames(request, resource.start, resource.end, SCOPE_SPANS)
        )
    except MalformedWire as error:
        raise NotOtlp(f"no ExportTraceServiceRequest: {error}") from None


def span_keys(request: bytes, seed: int) -> list[int]:
    """One 64-bit digest for each span, equal for spans whose bytes (ids included) are equal.

    `seed` keeps others from computing collisions; one installation must keep using the same one.
    """
    view = memoryview(request)
    return [xxhash.xxh3_64_intdigest(view[frame.start : frame.end], seed) for _, _, frame, _, _ in span_slices(request)]


def _ids(data: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    # Every SDK writes both ids first and whole; the walk below is for the rest.
    if data[start : start + 2] == b"\x0a\x10" and data[start + 18 : start + 20] == b"\x12\x08" and start + 28 <= end:
        return data[start + 2 : start + 18], data[start + 20 : start + 28]
    trace_id = span_id = b""
    try:
        for field in fields(data, start, end):
            if field.wire_type == LENGTH_DELIMITED and field.number == 1:
                trace_id = data[field.start : field.end]
            elif field.wire_type == LENGTH_DELIMITED and field.number == 2:
                span_id = data[field.start : field.end]
    except MalformedWire:
        pass
    return trace_id, span_id
