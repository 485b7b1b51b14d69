"""CPU per span and spans a second of the processor, beside a raw-bytes proxy and a Collector that only passes through.

`python -m tests.bench.pipeline [--rounds N] [--requests N] [--json]`. One run starts all of them and lets them take
turns, so that a busy machine slows all alike; the ratio of each round to its own baseline is what counts. CPU is
measured at a steady 10,000 spans a second, which each of them sustains; the highest rate is a turn of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import grpc
import psutil
from tests.bench import null_backend
from tests.bench.payload import SPANS_EACH, describe, templates, unique_requests
from tests.otlp_sink import METHOD
from tests.processor_process import free_port

IN_FLIGHT = 8
STEADY_REQUESTS_PER_SECOND = 100
WARM_UP_REQUESTS = 20
COLLECTOR = "collector pass-through"
PROXY = "raw-bytes proxy"
FULL = "spanwarden, full pipeline"


class Candidate(NamedTuple):
    """Something that stands between senders and a backend: its name, its address, its backend, its processes."""

    name: str
    address: str
    backend: str
    process: subprocess.Popen[bytes]


class Measurement(NamedTuple):
    """One turn of one candidate."""

    cpu_us_per_span: float
    spans_per_second: float
    resident_mib: float


class Turn(NamedTuple):
    """What one batch of requests took."""

    cpu_seconds: float
    seconds: float


def measure(candidate: Candidate, requests: Iterator[bytes], count: int) -> Measurement:
    """Send requests steadily, then as fast as they are taken."""
    steady = _turn(candidate, list(islice(requests, count)), STEADY_REQUESTS_PER_SECOND)
    fastest = _turn(candidate, list(islice(requests, count)), None)
    spans = count * SPANS_EACH
    resident = sum(process.memory_info().rss for process in _family(candidate.process)) / 2**20
    return Measurement(1e6 * steady.cpu_seconds / spans, spans / fastest.seconds, resident)


def _turn(candidate: Candidate, batch: list[bytes], per_second: float | None) -> Turn:
    """Send a batch and wait until the backend has every span of it."""
    with (
        grpc.insecure_channel(candidate.backend) as backend,
        grpc.insecure_channel(candidate.address, (("grpc.max_send_message_length", -1),)) as channel,
    ):
        expected = null_backend.count(backend) + len(batch) * SPANS_EACH
        processes = _family(candidate.process)
        cpu, began = _cpu_seconds(processes), time.perf_counter()
        _send(channel, batch, per_second)
        null_backend.wait_for(backend, expected)
        return Turn(_cpu_seconds(processes) - cpu, time.perf_counter() - began)


def _send(channel: grpc.Channel, batch: list[bytes], per_second: float | None) -> None:
    export = channel.unary_unary(METHOD)
    waiting: list[grpc.Future] = []
    began = time.perf_counter()
    for number, request in enumerate(batch):
        if per_second:
            time.sleep(max(0, began + number / per_second - time.perf_counter()))
        if len(waiting) == IN_FLIGHT:
            waiting.pop(0).result()
        waiting.append(export.future(request, timeout=120, wait_for_ready=True))
    for each in waiting:
        each.result()


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    """CPU of processes, exact to the nanosecond: the kernel's clock of each (see clock_getcpuclockid)."""
    return sum(time.clock_gettime((~process.pid << 3) | 2) for process in processes)


@contextmanager
def _running(command: list[str], ready_address: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPANWARDEN_")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(ready_address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def _backend() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.null_backend", str(port)]
    with _running(command, f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@contextmanager
def _proxy() -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend:
        command = [sys.executable, "-m", "tests.bench.raw_proxy", str(port), backend]
        with _running(command, f"127.0.0.1:{port}") as process:
            yield Candidate(PROXY, f"127.0.0.1:{port}", backend, process)


@contextmanager
def _spanwarden() -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend, tempfile.TemporaryDirectory(dir=os.environ.get("SPANWARDEN_BENCH_DIR")) as data:
        command = [
            *(sys.executable, "-m", "spanwarden_processor", "serve", "--forward", f"http://{backend}"),
            *("--listen", f"127.0.0.1:{port}", "--admin", "none", "--data-dir", data),
        ]
        with _running(command, f"127.0.0.1:{port}") as process:
            yield Candidate(FULL, f"127.0.0.1:{port}", backend, process)


@contextmanager
def _collector(binary: Path) -> Iterator[Candidate]:
    port = free_port()
    with _backend() as backend, tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "pass-through.yaml")
        config.write_text(PASS_THROUGH.format(port=port, backend=backend))
        with _running([str(binary), "--config", str(config)], f"127.0.0.1:{port}") as process:
            yield Candidate(COLLECTOR, f"127.0.0.1:{port}", backend, process)


PASS_THROUGH = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}", max_recv_msg_size_mib: 64}}}}}}}}
exporters:
  otlp_grpc:
    endpoint: {backend}
    compression: none
    tls: {{insecure: true}}
    sending_queue: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
"""


def collector_binary() -> Path | None:
    """The Collector that `make backends` built, None where there is none."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(os.environ.get("SPANWARDEN_BACKENDS") or Path(cache, "spanwarden", "backends"))
    return next(iter(sorted(directory.glob("otelcol-*"))), None)


def run(rounds: int, requests: int) -> dict[str, list[Measurement]]:
    """Let every candidate take its turn in each round."""
    stream = unique_requests(templates())
    results: dict[str, list[Measurement]] = {}
    with ExitStack() as stack:
        candidates = [stack.enter_context(_proxy()), stack.enter_context(_spanwarden())]
        if binary := collector_binary():
            candidates.append(stack.enter_context(_collector(binary)))
        for candidate in candidates:
            measure(candidate, stream, WARM_UP_REQUESTS)
        for _ in range(rounds):
            for candidate in candidates:
                results.setdefault(candidate.name, []).append(measure(candidate, stream, requests))
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300, help="requests a turn")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = table(run(arguments.rounds, arguments.requests))
    if arguments.json:
        sys.stdout.write(json.dumps({"payload": describe(), "pipeline": rows}) + "\n")
        return
    sys.stdout.write(f"{describe()}; CPU of all processes of a candidate; medians of {arguments.rounds} rounds\n\n")
    sys.stdout.write(f"{'':28} {'us CPU/span':>12} {'spans/s':>9} {'MiB':>6} {'x proxy':>8} {'x collector':>12}\n")
    for row in rows:
        sys.stdout.write(
            f"{row['candidate']:28} {row['cpu_us_per_span']:>12} {row['spans_per_second']:>9} {row['resident_mib']:>6} "
            f"{row['times_proxy']!s:>8} {row['times_collector']!s:>12}\n"
        )


if __name__ == "__main__":
    main()
