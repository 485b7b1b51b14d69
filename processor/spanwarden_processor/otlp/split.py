"""Requests made smaller: an ExportTraceServiceRequest to one without some spans, or to several with fewer each.

The bytes of a span never change. Requests can be joined again by writing one after the other, since repeated fields
of protobuf messages add up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from spanwarden_processor.otlp.patch import Change, apply, patch_for
from spanwarden_processor.otlp.slices import RESOURCE_SPANS, SCOPE_SPANS, SPANS, SpanSlice, span_slices
from spanwarden_processor.otlp.wire import LENGTH_DELIMITED, Frame, fields, length_delimited

Shells: TypeAlias = dict[int, bytes]
"""What stands around spans, by where the message that holds it begins."""

_HEAD_BYTES_MAX = 6
"""A tag of one byte and a length of up to five."""


def without_spans(request: bytes, drop: Collection[int]) -> bytes:
    """The request without the spans at these indexes (in the order of `span_slices`).

    A ScopeSpans or ResourceSpans that loses all its spans goes with them; every other byte stays.
    """
    if not drop:
        return request
    return apply(request, patch_for(removals(span_slices(request), drop)))


def removals(slices: Sequence[SpanSlice], drop: Collection[int]) -> Iterator[Change]:
    """The changes that take the spans at these indexes out of a request."""
    dropped = set(drop)
    kept = [part for index, part in enumerate(slices) if index not in dropped]
    kept_scopes = {part.scope.start for part in kept}
    kept_resources = {part.resource.start for part in kept}
    gone: set[int] = set()
    for index in sorted(dropped):
        part = slices[index]
        victim, *within = _largest_without_kept(part, kept_scopes, kept_resources)
        if victim.start not in gone:
            gone.add(victim.start)
            yield Change(victim.field, victim.end, b"", tuple(within))


def _largest_without_kept(part: SpanSlice, kept_scopes: set[int], kept_resources: set[int]) -> tuple[Frame, ...]:
    """The largest message around a dropped span that holds no kept one, then the messages around it."""
    if part.resource.start not in kept_resources:
        return (part.resource,)
    if part.scope.start not in kept_scopes:
        return (part.scope, part.resource)
    return (part.frame, part.scope, part.resource)


def only_spans(request: bytes, slices: Iterable[SpanSlice], shells: Shells | None = None) -> bytes:
    """A request that holds these spans (neighbours stay together) under their resources and scopes.

    `shells` remembers what surrounds them, for the next request made of the same one.
    """
    known = {} if shells is None else shells
    return b"".join(
        length_delimited(
            RESOURCE_SPANS,
            _shell(known, request, resource, SCOPE_SPANS)
            + b"".join(
                length_delimited(
                    SCOPE_SPANS,
                    _shell(known, request, scope, SPANS)
                    + b"".join(request[span.frame.field : span.frame.end] for span in spans),
                )
                for scope, spans in groupby(parts, lambda part: part.scope)
            ),
        )
        for resource, parts in groupby(slices, lambda part: part.resource)
    )


def shell(request: bytes, frame: Frame, children: int) -> bytes:
    """What a ResourceSpans or ScopeSpans holds beside its repeated `children`: resource, scope, schema URL, unknown."""
    return b"".join(
        request[field.field : field.end]
        for field in fields(request, frame.start, frame.end)
        if field.number != children or field.wire_type != LENGTH_DELIMITED
    )


def split(request: bytes, max_bytes: int) -> list[bytes]:
    """Requests of at most `max_bytes` that together hold the same spans; a larger one holds a single span."""
    if len(request) <= max_bytes:
        return [request]
    shells: Shells = {}
    return [only_spans(request, group, shells) for group in _groups(request, max_bytes, shells)]


def halve(request: bytes) -> tuple[bytes, bytes]:
    """Two requests with half of the spans each. Raises `ValueError` where there are less than two."""
    slices = span_slices(request)
    if len(slices) < 2:
        raise ValueError("a request with less than two spans has no halves")
    middle = len(slices) // 2
    return only_spans(request, slices[:middle]), only_spans(request, slices[middle:])


def _groups(request: bytes, max_bytes: int, shells: Shells) -> Iterator[list[SpanSlice]]:
    """Runs of spans that fill a request without passing `max_bytes`."""
    group: list[SpanSlice] = []
    size = 0
    for part in span_slices(request):
        resource_bytes = _HEAD_BYTES_MAX + len(_shell(shells, request, part.resource, SCOPE_SPANS))
        scope_bytes = _HEAD_BYTES_MAX + len(_shell(shells, request, part.scope, SPANS))
        added = span_bytes = part.frame.end - part.frame.field
        if not group or group[-1].scope is not part.scope:
            added += scope_bytes
        if not group or group[-1].resource is not part.resource:
            added += resource_bytes
        if group and size + added > max_bytes:
            yield group
            group, size, added = [], 0, span_bytes + scope_bytes + resource_bytes
        group.append(part)
        size += added
    if group:
        yield group


def _shell(known: Shells, request: bytes, frame: Frame, children: int) -> bytes:
    if frame.start not in known:
        known[frame.start] = shell(request, frame, children)
    return known[frame.start]
