from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from otlp_strategies import requests
from spanwarden_processor.otlp.forged import forged
from spanwarden_processor.otlp.patch import Change, Edit, apply, encode, patch_for
from spanwarden_processor.otlp.slices import SpanSlice, span_slices
from spanwarden_processor.testing import attributes_of, key_values, request_for, span, spans_in

ADDED = Span(attributes=key_values({"misalignment.verdict": "clear", "misalignment.note": "n" * 300}))


def appended(slices: list[SpanSlice], content: bytes) -> list[Change]:
    return [Change(part.frame.end, part.frame.end, content, (part.frame, part.scope, part.resource)) for part in slices]


def test_an_empty_patch_gives_the_original() -> None:
    original = b"original"

    assert encode([]) == b""
    assert apply(original, b"") is original


@given(st.binary(max_size=60), st.data())
def test_edits_change_their_ranges_and_nothing_else(original: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(original)), max_size=8)))
    edits = [Edit(*pair, data.draw(st.binary(max_size=5))) for pair in zip(cuts[::2], cuts[1::2], strict=False)]

    expected = bytearray(original)
    for start, end, replacement in reversed(edits):
        expected[start:end] = replacement
    assert apply(original, encode(edits)) == expected


@pytest.mark.parametrize("cut", [1, 4, 8, 16, -1])
def test_a_cut_patch_is_refused(cut: int) -> None:
    patch = encode([Edit(0, 1, b"xyz")])

    with pytest.raises(ValueError, match="cut"):
        apply(b"original", patch[:cut])


def test_a_patch_of_something_longer_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        apply(b"short", encode([Edit(7, 9, b"")]))


@given(requests())
def test_appending_on_the_wire_equals_appending_to_the_messages(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()

    patched = apply(data, patch_for(appended(span_slices(data), ADDED.SerializeToString())))

    for each in spans_in_message(request_):
        each.attributes.extend(ADDED.attributes)
    assert ExportTraceServiceRequest.FromString(patched) == request_


@given(requests())
def test_the_bytes_around_what_is_appended_are_the_original_ones(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()
    content = ADDED.SerializeToString()

    patched = apply(data, patch_for(appended(span_slices(data), content)))

    before = [data[part.frame.start : part.frame.end] for part in span_slices(data)]
    after = [patched[part.frame.start : part.frame.end] for part in span_slices(patched)]
    assert after == [each + content for each in before]


@given(requests())
def test_verdicts_of_a_sender_are_removed_wherever_they_stand(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()

    removed = forged(data, span_slices(data))
    cleaned = apply(data, patch_for(removed.changes))

    items = without_forged(request_)
    assert ExportTraceServiceRequest.FromString(cleaned) == request_
    assert removed.items == items


@given(requests())
def test_removing_and_appending_at_once_equals_one_after_the_other(request_: ExportTraceServiceRequest) -> None:
    data = request_.SerializeToString()
    slices = span_slices(data)
    removed = forged(data, slices)
    kept = [part for index, part in enumerate(slices) if index not in removed.spans]

    patched = apply(data, patch_for([*removed.changes, *appended(kept, ADDED.SerializeToString())]))

    cleaned = apply(data, patch_for(removed.changes))
    assert patched == apply(cleaned, patch_for(appended(span_slices(cleaned), ADDED.SerializeToString())))


def test_a_request_without_forged_verdicts_is_not_changed() -> None:
    data = request_for(span("a", {"text": "they spoke of misalignment. And of spanwarden.verdict"}))

    assert forged(data, span_slices(data)).changes == ()


def test_our_keys_inside_a_structured_value_are_the_senders_own() -> None:
    data = request_for(span("a", {"state": {"misalignment.verdict": "clear"}}))

    assert forged(data, span_slices(data)).items == 0


def test_a_broken_span_can_be_extended_and_keeps_its_bytes() -> None:
    data = request_for(span("broken", {}), span("whole", {})).replace(b"broken", b"\xff\xff\xff\xff\xff\xff")
    slices = span_slices(data)

    patched = apply(data, patch_for(appended(slices[:1], ADDED.SerializeToString())))

    repaired = spans_in(patched.replace(b"\xff\xff\xff\xff\xff\xff", b"broken"))
    assert attributes_of(repaired[0])["misalignment.verdict"] == "clear"
    assert attributes_of(repaired[1]) == {}


def spans_in_message(request: ExportTraceServiceRequest) -> list[Span]:
    return [each for part in request.resource_spans for scope in part.scope_spans for each in scope.spans]


def without_forged(request: ExportTraceServiceRequest) -> int:
    """Take out of the message what nobody but us may write, the plain way, and count it."""
    items = 0
    for part in list(request.resource_spans):
        for scope in list(part.scope_spans):
            if scope.scope.name == "spanwarden.verdict":
                items += len(scope.spans)
                part.scope_spans.remove(scope)
        if not part.scope_spans:
            request.resource_spans.remove(part)
            continue
        items += sum(without_our_keys(holder) for holder in holders_in(part))
    return items


def holders_in(part: ResourceSpans) -> Iterator[Any]:
    yield part.resource
    for scope in part.scope_spans:
        yield scope.scope
        for each in scope.spans:
            yield from (each, *each.events, *each.links)


def without_our_keys(holder: Any) -> int:
    ours = [pair for pair in holder.attributes if pair.key.startswith("misalignment.")]
    for pair in ours:
        holder.attributes.remove(pair)
    return len(ours)
