"""Ten minutes of load: memory, what is taken and passed on, what waits, what was passed on unjudged.

`python -m tests.bench.sustained [--minutes N] [--json]`. 10,000 spans a second are offered, 100 a request; a request
that is refused for now is sent again a second later, as OTLP's clients do. Memory is that of all processes without
pages of files: the spool is a mapped file, of which the kernel keeps in memory what it has room for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import urllib.request
from typing import NamedTuple

import grpc
import psutil
from tests.bench.candidates import Candidate, family, spanwarden
from tests.bench.payload import SPANS_EACH, templates, unique_requests
from tests.otlp_sink import METHOD
from tests.processor_process import free_port

MINUTES = 10.0
REQUESTS_PER_SECOND = 100
IN_FLIGHT = 8
RETRY_SECONDS = 1.0
SAMPLES = 40
WARM_UP_SHARE = 0.25

Row = dict[str, object]


class Sample(NamedTuple):
    """Memory at a time since the beginning."""

    minutes: float
    mib: float


class Load:
    """Sends requests at their rate, or slower where the other side does not take them so fast."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._export = channel.unary_unary(METHOD)
        self._requests = unique_requests(templates())
        self._waiting: list[tuple[bytes, grpc.Future]] = []
        self.refused = 0

    def send(self, seconds: float) -> None:
        due = time.monotonic()
        until = due + seconds
        while (now := time.monotonic()) < until:
            time.sleep(max(0.0, due - now))
            due = max(due, now) + 1 / REQUESTS_PER_SECOND
            if len(self._waiting) == IN_FLIGHT:
                self.finish(1)
            self._submit(next(self._requests))

    def finish(self, count: int | None = None) -> None:
        """Wait for the oldest calls, or for all; what was refused is sent again."""
        for _ in range(len(self._waiting) if count is None else count):
            request, call = self._waiting.pop(0)
            while call.exception() is not None:
                if call.code() is not grpc.StatusCode.UNAVAILABLE:
                    call.result()
                self.refused += 1
                time.sleep(RETRY_SECONDS)
                call = self._export.future(request, timeout=60)

    def _submit(self, request: bytes) -> None:
        self._waiting.append((request, self._export.future(request, timeout=60, wait_for_ready=True)))


def run(minutes: float) -> list[Row]:
    """All rows."""
    admin = f"127.0.0.1:{free_port()}"
    with spanwarden(admin) as candidate, grpc.insecure_channel(candidate.address, _UNLIMITED) as channel:
        load = Load(channel)
        began, samples = time.monotonic(), []
        for _ in range(SAMPLES):
            load.send(60 * minutes / SAMPLES)
            samples.append(Sample((time.monotonic() - began) / 60, _own_mib(candidate)))
        load.finish()
        seconds = time.monotonic() - began
        counted = _metrics(admin)
    return [*_memory_rows(samples), *_span_rows(counted, load.refused, seconds)]


def _memory_rows(samples: list[Sample]) -> list[Row]:
    quarters = [round(samples[len(samples) * quarter // 4 - 1].mib) for quarter in (1, 2, 3, 4)]
    settled = samples[round(len(samples) * WARM_UP_SHARE) :]
    growth = statistics.linear_regression([each.minutes for each in settled], [each.mib for each in settled]).slope
    minutes = round(samples[-1].minutes, 1)
    return [
        {"what": f"memory at 1/4, 1/2, 3/4, end of {minutes:g} min", "value": quarters, "unit": "MiB"},
        {"what": "its growth after the first quarter", "value": round(growth, 1), "unit": "MiB/min"},
    ]


def _span_rows(counted: dict[str, float], refused: int, seconds: float) -> list[Row]:
    unjudged = sum(value for name, value in counted.items() if "verdicts_total" in name and 'status="error"' in name)
    offered = REQUESTS_PER_SECOND * SPANS_EACH
    delivered = counted["spanwarden_forwarded_spans_total"]
    return [
        {"what": f"delivered, of {offered} offered", "value": round(delivered / seconds), "unit": "spans/s"},
        {"what": "waiting at the end", "value": round(counted["spanwarden_held_spans"]), "unit": "spans"},
        {"what": "passed on unjudged", "value": round(unjudged), "unit": "spans"},
        {"what": "told to come again, for the spool was full", "value": refused, "unit": "requests"},
    ]


def _own_mib(candidate: Candidate) -> float:
    """Resident memory of all processes that is no page of a file."""
    infos = [process.memory_info() for process in family(candidate.process) if process.status() != psutil.STATUS_ZOMBIE]
    return sum(float(info.rss - info.shared) for info in infos) / 2**20


def _metrics(admin: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


_UNLIMITED = (("grpc.max_send_message_length", -1),)


def as_text(rows: list[Row]) -> str:
    """The table for a terminal."""
    return "\n".join(f"{row['what']!s:48} {row['value']!s:>24} {row['unit']}" for row in rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.minutes)
    sys.stdout.write((json.dumps(rows) if arguments.json else as_text(rows)) + "\n")


if __name__ == "__main__":
    main()
