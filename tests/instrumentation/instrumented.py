"""What a test gets: our instrumentor at work on a provider with in-memory exporters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from instrumentation.seen import Seen
from spanwarden import SpanwardenInstrumentor


@dataclass
class Instrumented:
    """The instrumentor at work, and what came out so far."""

    instrumentor: SpanwardenInstrumentor
    provider: TracerProvider
    spans: InMemorySpanExporter
    logs: InMemoryLogRecordExporter
    metrics: InMemoryMetricReader

    def measurements(self) -> dict[str, Any]:
        """Every metric that was measured, by name."""
        data = self.metrics.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def measured(self) -> dict[str, list[Any]]:
        """The data points of every metric that has some, by name."""
        return {name: list(metric.data.data_points) for name, metric in self.measurements().items()}

    def seen(self) -> Seen:
        """The spans that have ended."""
        return Seen(self.spans.get_finished_spans())


Instrument = Callable[..., Instrumented]
"""Instrument with a content mode, and a sampler or a provider."""
