"""Ways past work of OpenTelemetry's SDK that the spans of anybody need, and these do not.

The SDK makes a span that may be changed until it ends, looks at each of its attributes, and copies it when it ends. A
reasoning step and a tool call that is inferred are over when they are made, all attributes here are of types that can
be sent, and what the SDK's own samplers answer is known. The ways are taken only where what reaches the exporter is the
same, and are the SDK's own otherwise: docs/decisions/0007-sdk-shortcuts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceFlags, Tracer, TraceState

_DO_NOTHING: Final = frozenset(
    hear
    for kind in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
    for hear in (kind.on_start, kind._on_ending)
)
"""What is called at the start of a span, and before its end, in processors that do not care for these."""
_START_SPAN: Final = SdkTracer.start_span
_SET_ATTRIBUTES: Final = SdkSpan.set_attributes
_END: Final = SdkSpan.end
"""The SDK's ways, to see whether a program has put something around them."""
_DELEGATES: Final = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)
"""Samplers that a `ParentBased` one asks."""
_RANDOM: Final = int(TraceFlags.RANDOM_TRACE_ID)
_KEPT_FLAGS: Final = _RANDOM | TraceFlags.SAMPLED
_FLAGS: Final = tuple(map(TraceFlags, range(2 * _RANDOM)))


class _Sampled(NamedTuple):
    """What a sampler made of a span that is recorded."""

    flags: TraceFlags
    trace_state: TraceState
    attributes: Mapping[str, Any]


class SpanMaker:
    """Makes spans. Thread-safe."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._sdk: Any = tracer if _is_known(tracer) else None
        sampler = getattr(tracer, "sampler", None)
        self._indifferent = sampler if _is_indifferent(sampler) else None
        self._following = sampler if _follows_parents(sampler) else None

    def start(self, name: str, context: Context | None, attributes: dict[str, Any], started_ns: int) -> Span:
        """Start a span of kind CLIENT. All attributes are text, numbers, truth values or tuples of these."""
        sdk = self._sdk
        if sdk is None or sdk.sampler is not self._indifferent or not _hear_only_ends(sdk.span_processor):
            return self._tracer.start_span(name, context, SpanKind.CLIENT, attributes, None, started_ns)
        span = self._tracer.start_span(name, context, SpanKind.CLIENT, None, None, started_ns)
        if span.is_recording():
            set_clean(span, attributes)
        return span

    def finished(self, name: str, context: Context, attributes: dict[str, Any], started_ns: int, ended_ns: int) -> None:
        """Make a span of kind INTERNAL that is over. Attributes as for `start`."""
        parent = trace.get_current_span(context).get_span_context()
        if self._sdk is not None and parent.is_valid and self._is_alike(len(attributes)):
            self._make_directly(name, context, parent, attributes, started_ns, ended_ns)
        else:
            span = self._tracer.start_span(name, context, SpanKind.INTERNAL, attributes, None, started_ns)
            span.end(ended_ns)

    def _is_alike(self, count: int) -> bool:
        """Whether the SDK would drop none of so many attributes, and nobody hears of starts."""
        sdk = self._sdk
        fits = _fits(count, sdk._span_limits.max_span_attributes)
        unchanged = getattr(sdk.start_span, "__func__", None) is _START_SPAN and SdkSpan.end is _END
        return fits and unchanged and _hear_only_ends(sdk.span_processor) and bool(sdk._is_enabled())

    def _make_directly(
        self,
        name: str,
        context: Context,
        parent: SpanContext,
        attributes: dict[str, Any],
        started_ns: int,
        ended_ns: int,
    ) -> None:
        sdk = self._sdk
        sampled = self._sample(name, context, parent, attributes)
        if sampled is None:
            return
        span = ReadableSpan(
            name,
            SpanContext(
                parent.trace_id, sdk.id_generator.generate_span_id(), False, sampled.flags, sampled.trace_state
            ),
            parent,
            sdk.resource,
            sampled.attributes,
            instrumentation_info=sdk.instrumentation_info,
            start_time=started_ns,
            end_time=ended_ns,
            instrumentation_scope=sdk._instrumentation_scope,
        )
        sdk.span_processor.on_end(span)

    def _sample(self, name: str, context: Context, parent: SpanContext, attributes: dict[str, Any]) -> _Sampled | None:
        """What the sampler makes of a span; `None` where it is dropped."""
        sdk, flags = self._sdk, parent.trace_flags
        if sdk.sampler is self._following and flags & TraceFlags.SAMPLED and not parent.is_remote:
            return _Sampled(_FLAGS[flags & _KEPT_FLAGS], parent.trace_state, attributes)
        seen = attributes.copy()  # a sampler may write on what it is shown
        told = sdk.sampler.should_sample(context, parent.trace_id, name, SpanKind.INTERNAL, seen, ())
        if not told.decision.is_recording():
            return None
        kept: Mapping[str, Any] = attributes
        if told.attributes != attributes:  # the sampler has a word to add
            kept = BoundedAttributes(sdk._span_limits.max_span_attributes, told.attributes)
        return _Sampled(_FLAGS[flags & _RANDOM | told.decision.is_sampled()], told.trace_state, kept)


def set_clean(span: Span, attributes: Mapping[str, Any]) -> None:
    """Set attributes that are text, numbers, truth values or tuples of these."""
    live: Any = span
    present = getattr(live, "_attributes", None)
    if (
        type(live).set_attributes is _SET_ATTRIBUTES
        and type(present) is BoundedAttributes
        and present.max_value_len is None
        and _fits(len(present._dict) + len(attributes), present.maxlen)
    ):
        with live._lock, present._lock:
            if live._end_time is None:
                present._dict.update(attributes)
    else:
        span.set_attributes(attributes)


def _fits(count: int, most: int | None) -> bool:
    return most is None or count <= most


def _is_known(tracer: Tracer) -> bool:
    """Whether a tracer is the SDK's own, of the shape that is known, and neither cuts attributes nor counts spans."""
    processor = getattr(tracer, "span_processor", None)
    limits = getattr(tracer, "_span_limits", None)
    return (
        type(tracer) is SdkTracer
        and type(processor) is SynchronousMultiSpanProcessor
        and hasattr(processor, "_span_processors")
        and hasattr(limits, "max_span_attributes")
        and getattr(limits, "max_span_attribute_length", 0) is None
        and all(hasattr(tracer, name) for name in ("_instrumentation_scope", "_is_enabled"))
        and type(getattr(tracer, "_tracer_metrics", None)).__name__ == "NoOpTracerMetrics"
    )


def _hear_only_ends(several: Any) -> bool:
    """Whether none cares for starts. Asked each time: a program may give a processor other methods as it runs."""
    try:
        for processor in several._span_processors:
            if processor.on_start.__func__ not in _DO_NOTHING or processor._on_ending.__func__ not in _DO_NOTHING:
                return False
    except AttributeError:  # no method, or none at all
        return False
    return True


def _is_indifferent(sampler: Any) -> bool:
    """Whether a sampler is one of the SDK's that look at no attribute."""
    if _decides_as(sampler, ParentBased):
        return all(_is_indifferent(getattr(sampler, name, None)) for name in _DELEGATES)
    return _decides_as(sampler, StaticSampler) or _decides_as(sampler, TraceIdRatioBased)


def _follows_parents(sampler: Any) -> bool:
    """Whether a sampler is one of the SDK's that keep all spans below one of this process that is kept."""
    delegate = getattr(sampler, "_local_parent_sampled", None) if _decides_as(sampler, ParentBased) else sampler
    return _decides_as(delegate, StaticSampler) and getattr(delegate, "_decision", None) is Decision.RECORD_AND_SAMPLE


def _decides_as(sampler: Any, kind: type[Sampler]) -> bool:
    return getattr(getattr(sampler, "should_sample", None), "__func__", None) is kind.should_sample
