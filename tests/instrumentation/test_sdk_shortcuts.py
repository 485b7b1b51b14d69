"""Spans that are made past the SDK's own ways are the ones that the SDK would have made, whatever it is set to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import TraceFlags, Tracer, TraceState
from opentelemetry.util.types import Attributes

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import client, conversation, run_loop
from instrumentation.samplers import OwnSampler
from instrumentation.seen import attribute
from scripted_model import asked, said, scripted_model

ANSWERS = (
    asked(
        ("call_1", "bash", {"command": "ls ä"}),
        ("call_2", "read_file", {"path": "a.txt"}),
        reasoning_content="I look around first.",
    ),
    said("There is one file."),
)
NAMES = ["invoke_agent", "chat gpt-5", "reasoning", "execute_tool bash", "execute_tool read_file", "chat gpt-5"]


class Listener(SpanProcessor):
    """Hears of every start and end, and writes on what has started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.models: list[Any] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        self.started.append(span.name)
        self.models += filter(None, [attribute(span, "gen_ai.request.model")])
        span.set_attribute("team", "red")

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span.name)


class Recorded(SpanProcessor):
    """Hears of ends alone."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(span.name)


class OtherTracer(Tracer):
    """Makes spans by way of the SDK and is none of it."""

    def __init__(self, inner: Tracer) -> None:
        self._inner = inner
        self.made: list[str] = []

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> trace.Span:
        self.made.append(name)
        return self._inner.start_span(name, *args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner.start_as_current_span(*args, **kwargs)


class OtherMake(TracerProvider):
    """Hands out tracers that are not the SDK's."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        self.tracer = OtherTracer(super().get_tracer(*args, **kwargs))
        return self.tracer


class Choosy(OwnSampler):
    """Decides by the name of a span, and adds an attribute to each."""

    def __init__(self, decisions: dict[str, Decision]) -> None:
        self._decisions = decisions

    def decide(self, name: str, attributes: Attributes, usual: SamplingResult) -> SamplingResult:
        decision = self._decisions.get(name, usual.decision)
        return SamplingResult(decision, {**(attributes or {}), "rate": 0.5}, usual.trace_state)


class Counting(RandomIdGenerator):
    """Ids of spans are 1, 2, 3 ..."""

    def __init__(self) -> None:
        self._last = 0

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last


def run(instrumented: Instrumented) -> Instrumented:
    """A loop with reasoning and two tools."""
    with scripted_model(*ANSWERS) as model:
        run_loop(client(model.url), conversation("What is here?"))
    return instrumented


def sent(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """What an exporter sends, with only that in it which is the same each time."""
    message = MessageToDict(encode_spans(spans))
    for resource in message["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for changing in ("traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano"):
                    span.pop(changing, None)
                span["attributes"] = [
                    each
                    for each in sorted(span["attributes"], key=lambda each: each["key"])
                    if each["key"] not in ("spanwarden.session.id", "server.port", "team")
                ]
    return message


FROM_ELSEWHERE = trace.SpanContext(1, 2, True, TraceFlags(TraceFlags.SAMPLED | 2), TraceState([("vendor", "1")]))


@pytest.mark.parametrize("parent", [trace.INVALID_SPAN_CONTEXT, FROM_ELSEWHERE])
def test_what_is_sent_is_what_the_sdk_would_have_made(instrument: Instrument, parent: trace.SpanContext) -> None:
    past = TracerProvider(resource=Resource({"service.name": "tested"}))
    heard = TracerProvider(resource=past.resource)
    heard.add_span_processor(Listener())
    messages = []
    for provider in (past, heard):
        instrumented = instrument(provider=provider)
        with trace.use_span(trace.NonRecordingSpan(parent)):
            run(instrumented)
        instrumented.instrumentor.uninstrument()
        spans = instrumented.spans.get_finished_spans()
        messages.append((sent(spans), [span.context.trace_flags for span in spans]))

    assert messages[0] == messages[1]


def test_a_processor_hears_the_start_of_every_span_and_may_write_on_it(instrument: Instrument) -> None:
    provider, listener = TracerProvider(), Listener()
    provider.add_span_processor(listener)

    seen = run(instrument(provider=provider)).seen()

    assert sorted(listener.started) == sorted(NAMES) == sorted(listener.ended)
    assert seen.values("team") == ["red"] * len(NAMES)


def test_a_processor_that_comes_later_hears_from_then_on(instrument: Instrument) -> None:
    provider, listener = TracerProvider(), Listener()
    instrumented = run(instrument(provider=provider))
    provider.add_span_processor(listener)

    run(instrumented)

    assert sorted(listener.started) == sorted(NAMES)


def test_the_limit_of_attributes_holds(instrument: Instrument) -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=3))

    seen = run(instrument(provider=provider)).seen()

    assert [len(span.attributes or {}) for span in seen] == [3] * len(NAMES)
    assert all(span.dropped_attributes for span in seen)


def test_the_limit_of_their_length_holds(instrument: Instrument) -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_span_attribute_length=16))

    seen = run(instrument(provider=provider)).seen()

    texts = [value for span in seen for value in (span.attributes or {}).values() if isinstance(value, str)]
    assert max(map(len, texts)) == 16
    assert sorted(span.name for span in seen) == sorted(NAMES)


def test_a_sampler_may_drop_one_span_and_have_another_only_recorded(instrument: Instrument) -> None:
    sampler = Choosy({"reasoning": Decision.DROP, "execute_tool bash": Decision.RECORD_ONLY})
    provider, recorded = TracerProvider(sampler=sampler), Recorded()
    provider.add_span_processor(recorded)

    exported = run(instrument(provider=provider)).seen()

    assert sorted(recorded.names) == sorted(name for name in NAMES if name != "reasoning")
    assert sorted(span.name for span in exported) == sorted(
        name for name in recorded.names if name != "execute_tool bash"
    )


def test_a_sampler_may_add_attributes(instrument: Instrument) -> None:
    seen = run(instrument(provider=TracerProvider(sampler=Choosy({})))).seen()

    assert seen.values("rate") == [0.5] * len(NAMES)
    assert attribute(seen.one("reasoning"), "spanwarden.reasoning.kind") == "raw"


def test_ids_come_from_the_providers_generator(instrument: Instrument) -> None:
    seen = run(instrument(provider=TracerProvider(id_generator=Counting()))).seen()

    assert sorted(span.context.span_id for span in seen) == list(range(1, len(NAMES) + 1))


def test_the_sdks_own_metrics_count_every_span(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "true")
    reader = InMemoryMetricReader()
    provider = TracerProvider(meter_provider=MeterProvider([reader], shutdown_on_exit=False))

    run(instrument(provider=provider))

    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    started = metrics["otel.sdk.span.started"].data.data_points
    assert sum(point.value for point in started) == len(NAMES)  # type: ignore[union-attr]


def test_a_tracer_of_another_make_makes_every_span(instrument: Instrument) -> None:
    provider = OtherMake()

    run(instrument(provider=provider))

    assert sorted(provider.tracer.made) == sorted(NAMES)


@pytest.mark.parametrize(("owner", "method"), [(SdkTracer, "start_span"), (Span, "end"), (Span, "set_attributes")])
def test_what_a_program_puts_around_the_sdk_sees_every_span(
    instrumented: Instrumented, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    original, seen = getattr(owner, method), []

    def around(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(self, *args, **kwargs)
        seen.append((made or self).name)
        return made

    monkeypatch.setattr(owner, method, around)
    run(instrumented)

    assert set(seen) >= (set(NAMES) if method != "set_attributes" else {"chat gpt-5"})


def test_a_processor_may_be_given_another_start_as_the_program_runs(instrument: Instrument) -> None:
    provider, started = TracerProvider(), list[str]()
    processor = Recorded()
    provider.add_span_processor(processor)
    instrumented = run(instrument(provider=provider))

    processor.on_start = lambda span, **_: started.append(span.name)  # type: ignore[method-assign]
    run(instrumented)

    assert sorted(started) == sorted(NAMES)


class Scribbling(OwnSampler):
    """Writes on the attributes that it is shown, what no exporter can send."""

    def look(self, name: str, attributes: Any) -> None:  # noqa: ARG002 - of any name
        attributes["odd"] = object()


def test_what_a_sampler_writes_on_attributes_is_checked_as_the_sdk_does(instrument: Instrument) -> None:
    seen = run(instrument(provider=TracerProvider(sampler=Scribbling()))).seen()

    assert len(seen) == len(NAMES)
    assert {type(value) for span in seen for value in (span.attributes or {}).values()} <= {
        str, int, float, bool, tuple, type(None)
    }  # fmt: skip


def test_a_provider_that_is_shut_down_changes_nothing_for_the_program(instrument: Instrument) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    instrumented = instrument(provider=provider)
    provider.shutdown()

    run(instrumented)

    assert len(instrumented.seen()) == 0
    assert instrumented.instrumentor.counts.faults == 0


class ShownTo(OwnSampler):
    """Keeps everything, and what it was shown."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, Any]] = {}

    def look(self, name: str, attributes: Any) -> None:
        self.shown[name] = dict(attributes or {})


@pytest.mark.parametrize("around", [lambda own: own, lambda own: ParentBased(own, local_parent_sampled=own)])
def test_a_sampler_of_the_programs_is_shown_every_span_with_its_attributes(
    instrument: Instrument, around: Callable[[Sampler], Sampler]
) -> None:
    sampler = ShownTo()

    run(instrument(provider=TracerProvider(sampler=around(sampler))))

    assert sampler.shown.keys() == set(NAMES)
    assert sampler.shown["chat gpt-5"]["gen_ai.operation.name"] == "chat"
    assert sampler.shown["reasoning"]["spanwarden.reasoning.kind"] == "raw"


def test_a_sampler_that_drops_what_is_below_a_run_does(instrument: Instrument) -> None:
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON, local_parent_sampled=ALWAYS_OFF))

    seen = run(instrument(provider=provider)).seen()

    assert [span.name for span in seen] == ["invoke_agent"]


def test_a_listener_sees_what_a_call_begins_with(instrument: Instrument) -> None:
    provider, listener = TracerProvider(), Listener()
    provider.add_span_processor(listener)

    run(instrument(provider=provider))

    assert listener.models == ["gpt-5", "gpt-5", "gpt-5"]


def test_a_sampler_for_what_comes_from_elsewhere_is_asked_about_tools_too(instrument: Instrument) -> None:
    choosy = Choosy({"execute_tool bash": Decision.DROP})
    instrumented = instrument(provider=TracerProvider(sampler=ParentBased(ALWAYS_ON, remote_parent_sampled=choosy)))

    with trace.use_span(trace.NonRecordingSpan(FROM_ELSEWHERE)):
        run(instrumented)

    assert sorted(span.name for span in instrumented.seen()) == [
        "chat gpt-5",
        "chat gpt-5",
        "execute_tool read_file",
        "reasoning",
    ]


def test_below_a_run_that_is_only_recorded_the_sampler_decides(instrument: Instrument) -> None:
    provider = TracerProvider(sampler=ParentBased(Choosy({"invoke_agent": Decision.RECORD_ONLY})))
    recorded = Recorded()
    provider.add_span_processor(recorded)

    run(instrument(provider=provider)).instrumentor.uninstrument()

    assert set(recorded.names) == {"invoke_agent"}
