"""Verdicts that a sender made up: a request to the changes that take them out.

Nobody but this processor may write keys that begin with `misalignment.` or spans of the scope `spanwarden.verdict`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import hyperscan

from spanwarden_processor.otlp.patch import Change
from spanwarden_processor.otlp.slices import SpanSlice
from spanwarden_processor.otlp.split import removals
from spanwarden_processor.otlp.wire import Frame, MalformedWire, frames

KEY_PREFIX = b"misalignment."
VERDICT_SCOPE = b"spanwarden.verdict"

_RESOURCE, _RESOURCE_ATTRIBUTES = 1, 1
_SCOPE, _SCOPE_NAME, _SCOPE_ATTRIBUTES = 1, 1, 3
_SPAN_ATTRIBUTES, _EVENTS, _EVENT_ATTRIBUTES, _LINKS, _LINK_ATTRIBUTES = 9, 11, 3, 13, 4
_KEY = 1


class Forged(NamedTuple):
    """What a sender made up: the changes that remove it, the indexes of the spans that go, and how many items."""

    changes: tuple[Change, ...]
    spans: frozenset[int]
    items: int


NOTHING_FORGED = Forged((), frozenset(), 0)


class ForgerySearch:
    """Whether anything in a request may look like a verdict of ours; False is certain. For one thread.

    Hyperscan takes 0.5 us for a span of 4 KiB, two searches by Python 2 us.
    """

    def __init__(self) -> None:
        """Compile what is looked for."""
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[re.escape(KEY_PREFIX), re.escape(VERDICT_SCOPE)],
            ids=[0, 1],
            elements=2,
            flags=[hyperscan.HS_FLAG_SINGLEMATCH] * 2,
        )

    def __call__(self, request: bytes) -> bool:
        """Look through the request."""
        found: list[int] = []
        self._database.scan(request, match_event_handler=lambda pattern, *_: found.append(pattern))
        return bool(found)


def forged(request: bytes, slices: Sequence[SpanSlice]) -> Forged:
    """Everything in the request that looks like a verdict of ours (each attribute and each span is one item)."""
    has_keys = KEY_PREFIX in request
    if not has_keys and not _names_verdict_scope(request, slices):
        return NOTHING_FORGED
    spans = _verdict_spans(request, slices)
    changes = list(removals(slices, spans))
    attributes = list(_attributes(request, slices, spans)) if has_keys else []
    return Forged((*changes, *attributes), spans, len(spans) + len(attributes))


def _names_verdict_scope(request: bytes, slices: Sequence[SpanSlice]) -> bool:
    """Whether our scope's name stands anywhere beside the spans of a ScopeSpans. Spans, the most of it, are skipped."""
    position, scope_end = 0, 0
    for part in slices:
        span, scope = part.frame, part.scope
        if scope.end != scope_end:
            if request.find(VERDICT_SCOPE, position, scope_end) >= 0:
                return True
            position, scope_end = scope.start, scope.end
        if span.field > position and request.find(VERDICT_SCOPE, position, span.field) >= 0:
            return True
        position = span.end
    return request.find(VERDICT_SCOPE, position, scope_end) >= 0


def _verdict_spans(request: bytes, slices: Sequence[SpanSlice]) -> frozenset[int]:
    named = {scope: _is_verdict_scope(request, scope) for scope in {part.scope for part in slices}}
    return frozenset(index for index, part in enumerate(slices) if named[part.scope])


def _is_verdict_scope(request: bytes, scope: Frame) -> bool:
    return any(
        request[name.start : name.end] == VERDICT_SCOPE
        for message in _readable(request, scope, _SCOPE)
        for name in _readable(request, message, _SCOPE_NAME)
    )


def _attributes(request: bytes, slices: Sequence[SpanSlice], gone: frozenset[int]) -> Iterator[Change]:
    seen: set[int] = set()
    for index, part in enumerate(slices):
        if index in gone:
            continue
        span, scope, resource = part.frame, part.scope, part.resource
        if resource.start not in seen:
            seen.add(resource.start)
            yield from _nested(request, resource, _RESOURCE, _RESOURCE_ATTRIBUTES, ())
        if scope.start not in seen:
            seen.add(scope.start)
            yield from _nested(request, scope, _SCOPE, _SCOPE_ATTRIBUTES, (resource,))
        if request.find(KEY_PREFIX, span.start, span.end) >= 0:
            around = (scope, resource)
            yield from _keys(request, span, _SPAN_ATTRIBUTES, around)
            yield from _nested(request, span, _EVENTS, _EVENT_ATTRIBUTES, around)
            yield from _nested(request, span, _LINKS, _LINK_ATTRIBUTES, around)


def _nested(
    request: bytes, message: Frame, children: int, attributes: int, around: tuple[Frame, ...]
) -> Iterator[Change]:
    for child in _readable(request, message, children):
        yield from _keys(request, child, attributes, (message, *around))


def _keys(request: bytes, message: Frame, attributes: int, around: tuple[Frame, ...]) -> Iterator[Change]:
    """Changes that remove the attributes of `message` whose key is ours."""
    for attribute in _readable(request, message, attributes):
        keys = _readable(request, attribute, _KEY)
        if any(request.startswith(KEY_PREFIX, key.start, key.end) for key in keys):
            yield Change(attribute.field, attribute.end, b"", (message, *around))


def _readable(request: bytes, message: Frame, number: int) -> list[Frame]:
    """The fields of that number; none where the message is broken, which no backend can read either."""
    try:
        return frames(request, message.start, message.end, number)
    except MalformedWire:
        return []
