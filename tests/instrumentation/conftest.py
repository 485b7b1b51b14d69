"""Our instrumentation on a provider of its own, for one test at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from instrumentation.conventions import faults_of
from instrumentation.instrumented import Instrument, Instrumented
from spanwarden import SpanwardenInstrumentor
from spanwarden.content import VARIABLE
from spanwarden.names import SCOPE
from spanwarden.policy import ContentPolicy


@pytest.fixture
def instrument(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrument]:
    """Give a function that instruments with a content mode, and a sampler or a provider; undone after the test.

    Every span of ours that a test leaves, whatever the test is about, has to keep the conventions.
    """
    instrumentor = SpanwardenInstrumentor()
    providers: list[TracerProvider] = []
    exporters: list[InMemorySpanExporter] = []

    def start(
        content: str | None = "SPAN_ONLY",
        sampler: Sampler = ALWAYS_ON,
        policy: ContentPolicy | None = None,
        provider: TracerProvider | None = None,
    ) -> Instrumented:
        monkeypatch.delenv(VARIABLE, raising=False)
        if content is not None:
            monkeypatch.setenv(VARIABLE, content)
        spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        provider = provider or TracerProvider(sampler=sampler, resource=Resource({"service.name": "tested"}))
        provider.add_span_processor(SimpleSpanProcessor(spans))
        logger_provider = LoggerProvider(resource=Resource({"service.name": "tested"}))
        logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
        providers.append(provider)
        exporters.append(spans)
        metrics = InMemoryMetricReader()
        meter_provider = MeterProvider([metrics], shutdown_on_exit=False)
        instrumentor.instrument(
            tracer_provider=provider,
            logger_provider=logger_provider,
            meter_provider=meter_provider,
            content_policy=policy,
        )
        return Instrumented(instrumentor, provider, spans, logs, metrics)

    yield start
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    for provider in providers:
        provider.shutdown()
    faults = [fault for exporter in exporters for fault in _faults(exporter)]
    assert not faults, "\n".join(faults)


def _faults(exporter: InMemorySpanExporter) -> list[str]:
    finished = exporter.get_finished_spans()
    ours = [span for span in finished if span.instrumentation_scope and span.instrumentation_scope.name == SCOPE]
    return [fault for span in ours for fault in faults_of(span)]


@pytest.fixture
def instrumented(instrument: Instrument) -> Instrumented:
    """Our instrumentation with content on spans."""
    return instrument()
