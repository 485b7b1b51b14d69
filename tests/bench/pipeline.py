"""CPU per span and spans a second of the processor, beside a raw-bytes proxy and a Collector that only passes through.

`python -m tests.bench.pipeline [--rounds N] [--requests N] [--json]`. One run starts all of them and lets them take
turns, so that a busy machine slows all alike; the ratio of each round to its own baseline is what counts. CPU is
measured at a steady 10,000 spans a second, which each of them sustains; the highest rate is a turn of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import NamedTuple

import grpc
from tests.bench import null_backend
from tests.bench.candidates import (
    COLLECTOR,
    PROXY,
    TRANSFORM,
    Candidate,
    collector,
    collector_binary,
    cpu_seconds,
    family,
    proxy,
    spanwarden,
    transform_processor,
)
from tests.bench.payload import SPANS_EACH, describe, templates, unique_requests
from tests.otlp_sink import METHOD

from spanwarden_processor.otlp.slices import span_count

IN_FLIGHT = 8
STEADY_REQUESTS_PER_SECOND = 100
WARM_UP_REQUESTS = 20


class Measurement(NamedTuple):
    """One turn of one candidate."""

    cpu_us_per_span: float
    spans_per_second: float
    resident_mib: float


class Turn(NamedTuple):
    """What one batch of requests took."""

    cpu_seconds: float
    seconds: float


def measure(candidate: Candidate, requests: Iterator[bytes], count: int, *, slow: bool) -> Measurement:
    """Send requests steadily, then as fast as they are taken. A slow one would not keep up with the steady rate."""
    steady = turn(candidate, list(islice(requests, count)), None if slow else STEADY_REQUESTS_PER_SECOND)
    fastest = turn(candidate, list(islice(requests, count)), None)
    spans = count * SPANS_EACH
    resident = sum(process.memory_info().rss for process in family(candidate.process)) / 2**20
    return Measurement(1e6 * steady.cpu_seconds / spans, spans / fastest.seconds, resident)


def turn(candidate: Candidate, batch: list[bytes], per_second: float | None, in_flight: int = IN_FLIGHT) -> Turn:
    """Send a batch and wait until the backend has every span of it."""
    with (
        grpc.insecure_channel(candidate.backend) as backend,
        grpc.insecure_channel(candidate.address, (("grpc.max_send_message_length", -1),)) as channel,
    ):
        expected = null_backend.count(backend) + sum(map(span_count, batch))
        processes = family(candidate.process)
        cpu, began = cpu_seconds(processes), time.perf_counter()
        send(channel, batch, per_second, in_flight)
        null_backend.wait_for(backend, expected)
        return Turn(cpu_seconds(processes) - cpu, time.perf_counter() - began)


def send(channel: grpc.Channel, batch: list[bytes], per_second: float | None, in_flight: int) -> None:
    export = channel.unary_unary(METHOD)
    waiting: list[grpc.Future] = []
    began = time.perf_counter()
    for number, request in enumerate(batch):
        if per_second:
            time.sleep(max(0, began + number / per_second - time.perf_counter()))
        if len(waiting) == in_flight:
            waiting.pop(0).result()
        waiting.append(export.future(request, timeout=120, wait_for_ready=True))
    for each in waiting:
        each.result()


def run(rounds: int, requests: int) -> dict[str, list[Measurement]]:
    """Let every candidate take its turn in each round. The Collector with patterns gets fewer requests: it is slow."""
    stream = unique_requests(templates())
    results: dict[str, list[Measurement]] = {}
    with ExitStack() as stack:
        candidates = [stack.enter_context(proxy()), stack.enter_context(spanwarden())]
        if binary := collector_binary():
            candidates.append(stack.enter_context(collector(COLLECTOR, binary, "")))
            candidates.append(stack.enter_context(collector(TRANSFORM, binary, transform_processor())))
        for candidate in candidates:
            turn(candidate, list(islice(stream, WARM_UP_REQUESTS)), None)
        for _ in range(rounds):
            for candidate in candidates:
                slow = candidate.name == TRANSFORM
                measured = measure(candidate, stream, requests // 20 if slow else requests, slow=slow)
                results.setdefault(candidate.name, []).append(measured)
    return results


def table(results: dict[str, list[Measurement]]) -> list[dict[str, object]]:
    """A row a candidate: medians, and the median of the rounds' ratios to each baseline."""
    rows = []
    for name, measured in results.items():
        row: dict[str, object] = {
            "candidate": name,
            "cpu_us_per_span": round(statistics.median(each.cpu_us_per_span for each in measured), 1),
            "spans_per_second": round(statistics.median(each.spans_per_second for each in measured)),
            "resident_mib": round(measured[-1].resident_mib),
        }
        for key, baseline in (("times_proxy", PROXY), ("times_collector", COLLECTOR)):
            pairs = zip(measured, results.get(baseline, []), strict=False)
            ratios = [mine.cpu_us_per_span / theirs.cpu_us_per_span for mine, theirs in pairs]
            row[key] = round(statistics.median(ratios), 2) if ratios else None
        rows.append(row)
    return rows


def as_text(rows: list[dict[str, object]], rounds: int) -> str:
    """The table for a terminal."""
    lines = [f"{describe()}; CPU of all processes of a candidate; medians of {rounds} rounds", ""]
    lines.append(f"{'':28} {'us CPU/span':>12} {'spans/s':>9} {'MiB':>6} {'x proxy':>8} {'x collector':>12}")
    lines += [
        f"{row['candidate']:28} {row['cpu_us_per_span']:>12} {row['spans_per_second']:>9} {row['resident_mib']:>6} "
        f"{row['times_proxy']!s:>8} {row['times_collector']!s:>12}"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300, help="requests a turn")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = table(run(arguments.rounds, arguments.requests))
    text = json.dumps({"payload": describe(), "pipeline": rows}) if arguments.json else as_text(rows, arguments.rounds)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
