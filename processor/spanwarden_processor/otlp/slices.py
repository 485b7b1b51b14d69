"""Where the spans of a request stand: an ExportTraceServiceRequest to positions and repeat keys.

It works on the wire, so spans that the protobuf runtime refuses are found as well. Positions count from the first
byte of the request.
"""

from __future__ import annotations

import xxhash
from msgspec import Struct

from spanwarden_processor.errors import NotOtlp
from spanwarden_processor.otlp.wire import Frame, MalformedWire, frames

RESOURCE_SPANS, SCOPE_SPANS, SPANS = 1, 2, 2
"""Field numbers of the repeated messages on the way to a span (opentelemetry.proto.trace.v1)."""


class SpanSlice(Struct, frozen=True):
    """One span of a request and what is around it, the innermost first: its message, ScopeSpans and ResourceSpans."""

    frame: Frame
    scope: Frame
    resource: Frame


def span_slices(request: bytes) -> list[SpanSlice]:
    """Every span of the request, in its order. Raises `NotOtlp` where the messages around the spans are broken."""
    try:
        return [
            SpanSlice(span, scope, resource)
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
    return [xxhash.xxh3_64_intdigest(view[part.frame.start : part.frame.end], seed) for part in span_slices(request)]
