"""What goes out at once is no more than receivers take, whatever the SDK put into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import client, conversation, run_loop
from instrumentation.seen import attribute, content
from otlp_sink import running_sink
from scripted_model import said, scripted_model
from spanwarden.exporting import parts_of, send_in_parts

RECEIVERS_LIMIT = 4 * 1024 * 1024
TEXT = "x" * 300_000


class FakeExporter(HttpExporter):
    """Stands for an exporter of OTLP: keeps what it is given, and fails where it is told to."""

    def __init__(self, *failing: int) -> None:
        super().__init__("http://127.0.0.1:9/v1/traces")
        self.batches: list[Sequence[Any]] = []
        self._failing = failing

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        self.batches.append(spans)
        failed = len(self.batches) in self._failing
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS


class FakeLogExporter(OTLPLogExporter):
    """Stands for an exporter of log records: keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9/v1/logs")
        self.batches: list[Sequence[Any]] = []

    def export(self, batch: Sequence[Any]) -> Any:
        self.batches.append(batch)


def _provider(exporter: Any) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _make(provider: TracerProvider, count: int, text: str = TEXT) -> None:
    for number in range(count):
        provider.get_tracer("a").start_span(str(number), attributes={"text": text}).end()
    assert provider.force_flush()


def _names(batches: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[span.name for span in batch] for batch in batches]


def test_a_large_batch_goes_out_in_parts_that_a_real_receiver_takes(instrument: Instrument) -> None:
    with running_sink(largest_bytes=RECEIVERS_LIMIT) as sink:
        provider = _provider(OTLPSpanExporter(sink.url, insecure=True))
        instrument(provider=provider)
        _make(provider, 40)
        provider.shutdown()

    assert [int(span.name) for span in sink.spans()] == list(range(40))
    assert max(map(len, sink.requests)) < RECEIVERS_LIMIT


def test_a_batch_that_is_not_large_goes_out_whole(instrument: Instrument) -> None:
    exporter = FakeExporter()
    provider = _provider(exporter)
    instrument(provider=provider)
    _make(provider, 9)

    assert _names(exporter.batches) == [[str(number) for number in range(9)]]


def test_one_part_that_fails_holds_none_of_the_others_up(instrument: Instrument) -> None:
    exporter = FakeExporter(2)
    instrument(provider=_provider(exporter))
    spans = InMemorySpanExporter()
    source = _provider(spans)
    _make(source, 30)

    assert exporter.export(spans.get_finished_spans()) is SpanExportResult.FAILURE
    assert [name for names in _names(exporter.batches) for name in names] == [str(number) for number in range(30)]


def test_log_records_go_out_in_parts_too(instrumented: Instrumented) -> None:
    instrumented.instrumentor.uninstrument()
    exporter = FakeLogExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    send_in_parts(provider)
    for _ in range(30):
        provider.get_logger("a").emit(body={"parts": [TEXT]}, attributes={"number": 1})
    provider.force_flush()

    assert [len(batch) for batch in exporter.batches] == [11, 11, 8]


def test_the_exporter_stays_what_it_is_and_is_given_back(instrument: Instrument) -> None:
    exporter = FakeExporter()
    instrumented = instrument(provider=_provider(exporter))
    assert type(exporter) is FakeExporter
    assert "export" in vars(exporter)
    instrumented.instrumentor.uninstrument()

    assert "export" not in vars(exporter)


def test_an_exporter_of_another_kind_is_left_alone(instrument: Instrument) -> None:
    exporter = InMemorySpanExporter()
    instrument(provider=_provider(exporter))

    assert "export" not in vars(exporter)


@pytest.mark.parametrize("text", ["x", "é", "漢", "🙂"])
def test_parts_are_the_batch_in_order_and_small_enough_in_every_script(text: str) -> None:
    spans = InMemorySpanExporter()
    _make(_provider(spans), 20, text * 250_000)
    batch = spans.get_finished_spans()
    parts = parts_of(batch)

    assert [span for part in parts for span in part] == list(batch)
    assert max(encode_spans(part).ByteSize() for part in parts) < RECEIVERS_LIMIT


def test_one_span_alone_is_small_enough_in_every_script(instrument: Instrument) -> None:
    instrumented = instrument()
    with scripted_model(said("🙂" * 2_000_000)) as model:
        run_loop(client(model.url), conversation(*["🙂" * 200_000] * 6), tools=())

    span = instrumented.seen().one("chat")
    assert attribute(span, "spanwarden.truncated") is True
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"].endswith("🙂")
    assert encode_spans([span]).ByteSize() < RECEIVERS_LIMIT
