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

from instrumentation.instrumented import Instrument, Instrumented
from spanwarden import SpanwardenInstrumentor
from spanwarden.content import VARIABLE
from spanwarden.policy import ContentPolicy


@pytest.fixture
def instrument(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrument]:
    """Give a function that instruments with a content mode, and a sampler or a provider; undone after the test."""
    instrumentor = SpanwardenInstrumentor()
    providers: list[TracerProvider] = []

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


@pytest.fixture
def instrumented(instrument: Instrument) -> Instrumented:
    """Our instrumentation with content on spans."""
    return instrument()
