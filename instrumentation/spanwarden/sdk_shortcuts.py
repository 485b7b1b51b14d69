"""Two ways past work of OpenTelemetry's SDK that the spans of anybody need, and these do not.

The SDK makes a span that may be changed until it ends, looks at each of its attributes, and copies it when it ends. A
reasoning step and a tool call that is inferred are over when they are made, and all attributes here are of types that
can be sent. Both ways are taken only where what reaches the exporter is the same, and are the SDK's own otherwise:
docs/decisions/0007-sdk-shortcuts.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceFlags, Tracer

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
_USUAL: Final = Decision.RECORD_AND_SAMPLE
_RANDOM: Final = int(TraceFlags.RANDOM_TRACE_ID)
_FLAGS: Final = tuple(map(TraceFlags, range(2 * _RANDOM)))


class FinishedSpans:
    """Makes spans that are over. Thread-safe."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._sdk: Any = tracer if _is_known(tracer) else None

    def make(self, name: str, context: Context, attributes: dict[str, Any], started_ns: int, ended_ns: int) -> None:
        """Make a span of kind INTERNAL. Its attributes are text, numbers, truth values or tuples of these."""
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
        heard = not _hear_only_ends(sdk.span_processor._span_processors)
        return fits and unchanged and not heard and bool(sdk._is_enabled())

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
        seen = attributes.copy()  # a sampler may write on what it is shown
        sampled = sdk.sampler.should_sample(context, parent.trace_id, name, SpanKind.INTERNAL, seen, ())
        decision = sampled.decision
        is_usual = decision is _USUAL  # an enumeration's own methods are slow
        if not is_usual and not decision.is_recording():
            return
        flags = _FLAGS[parent.trace_flags & _RANDOM | (is_usual or decision.is_sampled())]
        own = SpanContext(parent.trace_id, sdk.id_generator.generate_span_id(), False, flags, sampled.trace_state)
        kept: Mapping[str, Any] = attributes
        if sampled.attributes != attributes:  # the sampler has a word to add
            kept = BoundedAttributes(sdk._span_limits.max_span_attributes, sampled.attributes)
        span = ReadableSpan(
            name,
            own,
            parent,
            sdk.resource,
            kept,
            instrumentation_info=sdk.instrumentation_info,
            start_time=started_ns,
            end_time=ended_ns,
            instrumentation_scope=sdk._instrumentation_scope,
        )
        sdk.span_processor.on_end(span)


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


def _hear_only_ends(processors: Iterable[Any]) -> bool:
    """Whether none cares for starts. Asked each time: a program may give a processor other methods as it runs."""
    try:
        for processor in processors:
            if processor.on_start.__func__ not in _DO_NOTHING or processor._on_ending.__func__ not in _DO_NOTHING:
                return False
    except AttributeError:  # no method, or none at all
        return False
    return True
