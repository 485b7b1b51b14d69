"""Delivery: joined, split, sent again, and never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_sink import Sink, running_sink
from spanwarden_processor.exporters.file import FileExporter, read_requests
from spanwarden_processor.exporters.otlp_grpc import OtlpGrpcExporter
from spanwarden_processor.forward import Forwarder
from spanwarden_processor.otlp.slices import span_keys
from spanwarden_processor.otlp.split import without_spans
from spanwarden_processor.spool import Incoming, Spool
from spanwarden_processor.telemetry import Counters
from spanwarden_processor.types import Scored

MIB = 1024 * 1024


def request_with(*names: str) -> bytes:
    """A request with one span of each name."""
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for name in names:
        scope.spans.add(name=name, trace_id=b"t" * 16, span_id=name.encode().ljust(8, b"0")[:8])
    return bytes(message.SerializeToString())


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", 16 * MIB, without_spans)
    yield opened
    opened.close()


def keep_scored(spool: Spool, *requests: bytes) -> None:
    spool.put([Incoming(request, span_keys(request, 1)) for request in requests])
    spool.patch([(held.record_id, Scored(b"")) for held in spool.unscored(0, 1000, 100 * MIB)])


@contextmanager
def forwarding(spool: Spool, sink: Sink, max_bytes: int = 4 * MIB) -> Iterator[Counters]:
    counters = Counters()
    exporter = OtlpGrpcExporter(sink.url, 5, counters)
    forwarder = Forwarder(spool, exporter, max_bytes, counters)
    thread = threading.Thread(target=forwarder.run)
    thread.start()
    try:
        yield counters
    finally:
        forwarder.stop()
        thread.join()
        exporter.close()


def names(sink: Sink) -> list[str]:
    return [span.name for span in sink.spans()]


def test_records_arrive_in_order_and_leave_the_spool(spool: Spool) -> None:
    keep_scored(spool, request_with("a", "b"), request_with("c"))

    with running_sink() as sink, forwarding(spool, sink):
        assert sink.wait_for(lambda: len(names(sink)) == 3)
        settled = wait_until_empty(spool)

    assert names(sink) == ["a", "b", "c"]
    assert settled
    assert spool.ledger().forwarded == 3


def wait_until_empty(spool: Spool) -> bool:
    for _ in range(100):
        seen = spool.commits.value
        if spool.ledger().held == 0:
            return True
        spool.commits.wait(seen, 1)
    return False


def test_small_requests_are_joined_and_large_ones_are_split_at_the_limit(spool: Spool) -> None:
    keep_scored(spool, *(request_with(f"span-{number:04}") for number in range(200)))

    with running_sink() as sink, forwarding(spool, sink, max_bytes=2048):
        assert sink.wait_for(lambda: len(names(sink)) == 200)

    assert max(len(request) for request in sink.requests) <= 2048
    assert len(sink.requests) < 40


def test_a_backend_that_is_away_gets_everything_when_it_comes_back(spool: Spool) -> None:
    keep_scored(spool, request_with("a", "b"))

    with running_sink() as sink:
        failures = iter([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
        sink.refuse = lambda _: next(failures, None)
        with forwarding(spool, sink) as counters:
            assert sink.wait_for(lambda: len(names(sink)) == 2)

    assert names(sink) == ["a", "b"]
    assert counters.sample()["exporter_retries"] == 2


def test_a_span_that_the_backend_refuses_for_good_does_not_take_its_neighbours_along(spool: Spool) -> None:
    keep_scored(spool, request_with("a", "bad", "c"), request_with("d", "e"))

    with running_sink() as sink:
        sink.refuse = lambda request: grpc.StatusCode.INVALID_ARGUMENT if b"bad" in request else None
        with forwarding(spool, sink):
            assert wait_until_empty(spool)

    assert sorted(names(sink)) == ["a", "c", "d", "e"]
    assert [
        ExportTraceServiceRequest.FromString(r).resource_spans[0].scope_spans[0].spans[0].name for r in spool.refused()
    ] == ["bad"]
    assert (spool.ledger().forwarded, spool.ledger().refused) == (4, 1)


def test_missing_credentials_keep_the_spans_until_they_are_mended(spool: Spool) -> None:
    keep_scored(spool, request_with("a"))

    with running_sink() as sink:
        failures = iter([grpc.StatusCode.UNAUTHENTICATED])
        sink.refuse = lambda _: next(failures, None)
        with forwarding(spool, sink):
            assert sink.wait_for(lambda: names(sink) == ["a"])

    assert spool.ledger().refused == 0


def test_a_file_holds_every_request_and_heals_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "spans.otlp"
    exporter = FileExporter(path)
    exporter.export(b"first")
    exporter.close()
    with path.open("ab") as torn:
        torn.write(b"\x00\x00\x00\x09half")

    again = FileExporter(path)
    again.export(b"second")
    again.close()

    assert list(read_requests(path)) == [b"first", b"second"]
