"""Spans fail open: owner and scorer are killed while spans come in, and no acknowledged span is lost."""

from __future__ import annotations

import functools
import os
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_sink import METHOD, Sink, running_sink
from processor_process import ProcessorProcess, running_processor
from spanwarden_processor.testing import calls, chat_span, request_for, returns, user

SPANS = 20_000
SPANS_EACH = 50
SENDERS = 8


def request_number(number: int) -> bytes:
    """A request of chat spans, each in a trace of its own."""
    spans = []
    for index in range(SPANS_EACH):
        span = chat_span([user(f"task {number}"), returns("ok", "c0")], calls("bash", {"command": "ls"}, f"c{index}"))
        span.trace_id = (number * SPANS_EACH + index + 1).to_bytes(16, "big")
        span.span_id = (number * SPANS_EACH + index + 1).to_bytes(8, "big")
        spans.append(span)
    return request_for(*spans)


def send_until_acknowledged(address: str, request: bytes, stopped: threading.Event) -> None:
    while not stopped.is_set():
        with grpc.insecure_channel(address) as channel:
            try:
                channel.unary_unary(METHOD)(request, timeout=10, wait_for_ready=True)
            except grpc.RpcError:
                continue
            return


def kill_owner(processor: ProcessorProcess) -> None:
    processor.kill()
    processor.start()


def kill_scorer(processor: ProcessorProcess) -> None:
    pids = next(filter(None, (processor.scorer_pids() for _ in range(10_000))))
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_both(processor: ProcessorProcess) -> None:
    kill_scorer(processor)
    kill_owner(processor)


def has_arrived(sink: Sink, spans: float) -> bool:
    return sink.arrived_spans >= spans


def identity_holds(processor: ProcessorProcess) -> bool:
    metrics = processor.metrics()

    def spans(name: str) -> float:
        return metrics[f"spanwarden_{name}"]

    went_in = spans("accepted_spans_total") + spans("generated_spans_total")
    return went_in == spans("forwarded_spans_total") + spans("held_spans") + spans("refused_spans_total")


@pytest.mark.parametrize("kill", [kill_owner, kill_scorer, kill_both])
def test_every_acknowledged_span_arrives_with_one_content_whoever_is_killed(
    tmp_path: Path, kill: Callable[[ProcessorProcess], None]
) -> None:
    dice = random.Random(kill.__name__)
    requests = [request_number(number) for number in range(SPANS // SPANS_EACH)]
    stopped = threading.Event()
    with running_sink() as sink, running_processor(sink.url, tmp_path) as processor:
        with ThreadPoolExecutor(SENDERS) as senders:
            sent = [senders.submit(send_until_acknowledged, processor.address, each, stopped) for each in requests]
            try:
                for share in sorted(dice.uniform(0.05, 0.9) for _ in range(4)):
                    assert sink.wait_for(functools.partial(has_arrived, sink, share * SPANS))
                    kill(processor)
                    assert identity_holds(processor)
                for each in sent:
                    each.result(120)
            finally:
                stopped.set()
        assert sink.wait_for(lambda: sink.arrived_spans >= SPANS, 60)
        assert sink.wait_for(lambda: len(contents_by_span(sink.requests)) == SPANS, 60)
        holds_at_the_end = identity_holds(processor)
        contents = contents_by_span(sink.requests)

    assert {len(versions) for versions in contents.values()} == {1}
    assert holds_at_the_end


def contents_by_span(requests: list[bytes]) -> dict[bytes, set[bytes]]:
    contents = defaultdict(set)
    for span in spans_of(requests):
        contents[span[0]].add(span[1])
    return contents


def spans_of(requests: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for request in requests:
        for resource in ExportTraceServiceRequest.FromString(request).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield span.trace_id + span.span_id, span.SerializeToString()
