"""What the processor bears: single spans, small spans, and how long an acknowledgement takes.

`python -m tests.bench.rates [--seconds N] [--json]`. The acknowledgement is compared with what the disk itself takes
for the same bytes, appended and flushed in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice

import grpc
from tests.bench.candidates import Candidate, cpu_seconds, family, spanwarden
from tests.bench.payload import templates, unique_requests, unique_singles
from tests.bench.pipeline import turn
from tests.otlp_sink import METHOD

from spanwarden_processor.testing import request_for, span

SINGLE_IN_FLIGHT = 64
SMALL_SPANS_EACH = 100
SMALL_REQUESTS_PER_SECOND = 100
STEADY_REQUESTS_PER_SECOND = 100

Row = dict[str, object]


def singles(seconds: float) -> Row:
    """One span a request, 64 in flight: requests a second."""
    requests = unique_singles(templates())
    with spanwarden() as candidate, _channel(candidate) as channel:
        export = channel.unary_unary(METHOD)
        waiting: list[grpc.Future] = []
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            waiting.append(export.future(next(requests), timeout=60, wait_for_ready=True))
            if len(waiting) == SINGLE_IN_FLIGHT:
                waiting.pop(0).result()
                done += 1
        for each in waiting:
            each.result()
        rate = (done + len(waiting)) / (time.perf_counter() - began)
    return {"what": "one span a request, 64 in flight", "value": round(rate), "unit": "requests/s"}


def small_spans(seconds: float) -> Row:
    """Spans of 465 bytes that are not about GenAI, 10,000 a second: share of one core."""
    batch = [small_request(number) for number in range(round(seconds * SMALL_REQUESTS_PER_SECOND))]
    with spanwarden() as candidate:
        taken = turn(candidate, batch, SMALL_REQUESTS_PER_SECOND)
    share = 100 * taken.cpu_seconds / taken.seconds
    return {"what": "small spans, 10,000/s", "value": round(share, 1), "unit": "% of one core"}


def acknowledgements(seconds: float) -> list[Row]:
    """10,000 spans a second, 100 a request: time until acknowledged, beside append + fdatasync of the same bytes."""
    requests = list(islice(unique_requests(templates()), round(seconds * STEADY_REQUESTS_PER_SECOND)))
    with spanwarden() as candidate, _channel(candidate) as channel:
        export = channel.unary_unary(METHOD)
        began, processes = cpu_seconds(family(candidate.process)), family(candidate.process)
        taken = _paced(requests, lambda request: export(request, timeout=60))
        share = 100 * (cpu_seconds(processes) - began) / seconds
    with tempfile.NamedTemporaryFile(dir=os.environ.get("SPANWARDEN_BENCH_DIR")) as file:
        alone = _paced(requests, lambda request: _append(file.fileno(), request))
    ours, disk = _percentiles(taken), _percentiles(alone)
    return [
        {"what": "acknowledgement, p50 / p99", "value": ours, "unit": "ms"},
        {"what": "append + fdatasync, p50 / p99", "value": disk, "unit": "ms"},
        {"what": "ratio of the p99", "value": round(ours[1] / disk[1], 1), "unit": "x"},
        {"what": "CPU at 10,000 spans/s", "value": round(share), "unit": "% of one core"},
    ]


def _paced(requests: list[bytes], act: Callable[[bytes], object]) -> list[float]:
    times = []
    began = time.perf_counter()
    for number, request in enumerate(requests):
        time.sleep(max(0, began + number / STEADY_REQUESTS_PER_SECOND - time.perf_counter()))
        sent = time.perf_counter()
        act(request)
        times.append(1000 * (time.perf_counter() - sent))
    return times


def _append(descriptor: int, request: bytes) -> None:
    os.write(descriptor, request)
    os.fdatasync(descriptor)


def _percentiles(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=100)
    return round(cuts[49], 2), round(cuts[98], 2)


def _channel(candidate: Candidate) -> grpc.Channel:
    return grpc.insecure_channel(candidate.address, (("grpc.max_send_message_length", -1),))


def small_request(number: int) -> bytes:
    """A request of small spans; no two numbers share one."""
    spans = []
    for index in range(SMALL_SPANS_EACH):
        small = span("GET /cart", {f"key.{each}": f"value {each} of a span" for each in range(10)}, number=index + 1)
        small.trace_id = (number * SMALL_SPANS_EACH + index + 1).to_bytes(16, "big")
        spans.append(small)
    return request_for(*spans, scope="shop")


def run(seconds: float) -> list[Row]:
    """All rows."""
    return [singles(seconds), small_spans(seconds), *acknowledgements(seconds)]


def as_text(rows: list[Row]) -> str:
    """The table for a terminal."""
    return "\n".join(f"{row['what']!s:36} {row['value']!s:>16} {row['unit']}" for row in rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.seconds)
    sys.stdout.write((json.dumps(rows) if arguments.json else as_text(rows)) + "\n")


if __name__ == "__main__":
    main()
