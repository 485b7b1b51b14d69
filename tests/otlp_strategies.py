"""Hypothesis strategies: any OTLP request, unknown fields included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanwarden_processor.testing import key_values

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=9)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=4
)
KEYS = st.one_of(
    TEXT, st.sampled_from(["gen_ai.operation.name", "misalignment.verdict", "misalignment.x", "service.name"])
)
UNKNOWN_FIELD = b"\xf2\x3f\x05later"
"""Field 1022 of whatever message it is written to."""


def attributes() -> st.SearchStrategy[list[Any]]:
    """Attributes with some of our own keys among them."""
    return st.dictionaries(KEYS, VALUES, max_size=3).map(lambda values: list(key_values(values)))


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Any span."""
    span = Span(
        trace_id=draw(st.sampled_from([b"t" * 16, b"u" * 16, b"", b"short"])),
        span_id=draw(st.binary(min_size=8, max_size=8)),
        name=draw(TEXT),
        attributes=draw(attributes()),
        end_time_unix_nano=draw(st.integers(0, 2**64 - 1)),
        events=[Span.Event(name=name, attributes=draw(attributes())) for name in draw(st.lists(TEXT, max_size=2))],
        links=[Span.Link(span_id=b"l" * 8, attributes=draw(attributes())) for _ in range(draw(st.integers(0, 2)))],
    )
    return draw(with_unknown_field(span))


@st.composite
def with_unknown_field(draw: st.DrawFn, message: Any) -> Any:
    """The message, perhaps with a field of a later version of the protocol."""
    if draw(st.booleans()):
        message.MergeFromString(UNKNOWN_FIELD)
    return message


@st.composite
def scopes(draw: st.DrawFn) -> ScopeSpans:
    """Any ScopeSpans, now and then one that passes for ours."""
    scope = InstrumentationScope(
        name=draw(st.one_of(TEXT, st.just("spanwarden.verdict"))), attributes=draw(attributes())
    )
    part = ScopeSpans(scope=scope, spans=draw(st.lists(spans(), min_size=1, max_size=3)), schema_url=draw(TEXT))
    return draw(with_unknown_field(part))


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """Any request whose messages all hold spans."""
    parts = [
        draw(with_unknown_field(ResourceSpans(resource=Resource(attributes=draw(attributes())), scope_spans=each)))
        for each in draw(st.lists(st.lists(scopes(), min_size=1, max_size=2), max_size=2))
    ]
    return ExportTraceServiceRequest(resource_spans=parts)
