"""Keep one bad span from taking its neighbours along: a request to requests that parse, and what does not parse.

The protobuf runtime refuses a whole request for one string that is not UTF-8, or one value nested too deep. The spans
that it would take alone leave together, in one request; each of the others in a request of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanwarden_processor.errors import NotOtlp
from spanwarden_processor.otlp.slices import RESOURCE_SPANS, SCOPE_SPANS, SPANS, SpanSlice, span_slices
from spanwarden_processor.otlp.split import Shells, only_spans, shell, without_spans
from spanwarden_processor.otlp.wire import Frame, MalformedWire, length_delimited

_REPEATED_BYTES_MAX = 1 << 20
"""How many bytes of resources and scopes the isolation of spans may add to what came."""


def isolate(request: bytes) -> list[bytes]:
    """The request as it came when it parses; else its good spans as one request, then each bad span as one.

    Spans under a resource or scope that does not parse are all bad, and leave in one request: apart they would fare no
    better. The same holds for bad spans whose resource is too large to be repeated for each. A request without spans
    gives nothing. Raises `NotOtlp` for bytes that are no ExportTraceServiceRequest down to the ends of its spans.
    """
    if not request:
        return []
    try:
        parsed = ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        return _apart(request, span_slices(request))
    if not parsed.resource_spans:
        raise NotOtlp("no ExportTraceServiceRequest: it has no resource spans")
    return [request] if any(scope.spans for part in parsed.resource_spans for scope in part.scope_spans) else []


def _apart(request: bytes, slices: Sequence[SpanSlice]) -> list[bytes]:
    try:
        hopeless = _under_broken_shells(request, slices)
    except MalformedWire as error:
        raise NotOtlp(f"no ExportTraceServiceRequest: {error}") from None
    bad = [
        index
        for index, part in enumerate(slices)
        if part.frame.start in hopeless or not _span_parses(request, part.frame)
    ]
    pieces = list(_bad_pieces(request, [slices[index] for index in bad], hopeless))
    if len(bad) == len(slices):
        return pieces
    good = without_spans(request, bad)
    if not parses(good):
        raise NotOtlp("no ExportTraceServiceRequest: what stands beside its spans cannot be read")
    return [good, *pieces]


def _under_broken_shells(request: bytes, slices: Sequence[SpanSlice]) -> set[int]:
    """Where the spans begin whose resource, scope or schema URL does not parse."""
    broken: dict[int, bool] = {}
    for part in slices:
        if part.resource.start not in broken:
            resource = length_delimited(RESOURCE_SPANS, shell(request, part.resource, SCOPE_SPANS))
            broken[part.resource.start] = not parses(resource)
        if part.scope.start not in broken:
            scope = length_delimited(SCOPE_SPANS, shell(request, part.scope, SPANS))
            broken[part.scope.start] = not parses(length_delimited(RESOURCE_SPANS, scope))
    return {part.frame.start for part in slices if broken[part.resource.start] or broken[part.scope.start]}


def _bad_pieces(request: bytes, bad: Sequence[SpanSlice], hopeless: set[int]) -> Iterator[bytes]:
    """Every bad span alone, but for those that are hopeless or too many for what may be repeated: by resource."""
    spare_bytes = _REPEATED_BYTES_MAX
    together = []
    shells: Shells = {}
    for part in bad:
        if part.frame.start in hopeless or spare_bytes <= 0:
            together.append(part)
            continue
        piece = only_spans(request, [part], shells)
        spare_bytes -= len(piece) - (part.frame.end - part.frame.field)
        yield piece
    for _, parts in groupby(together, lambda part: part.resource.start):
        yield only_spans(request, parts, shells)


def _span_parses(request: bytes, span: Frame) -> bool:
    # Wrapped as in its request: the runtime limits how deep messages nest, counted from the outermost.
    field = request[span.field : span.end]
    return parses(length_delimited(RESOURCE_SPANS, length_delimited(SCOPE_SPANS, field)))


def parses(request: bytes) -> bool:
    """Whether every message of a request can be read."""
    try:
        ExportTraceServiceRequest.FromString(request)
    except DecodeError:
        return False
    return True
