"""What a long session costs: 200 model calls, each repeating all before it, with new text in each.

`python -m tests.bench.history [--calls N] [--json]`. Each call's request is scored in this process; beside it the same
bytes are read once: parsed as protobuf, their messages as JSON, and hashed. What counts is how much a further KiB of
history adds to a call, in the first half of the session and in the second, over what it adds to reading.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import xxhash
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.bench.payload import sampled_text, sampled_words
from tests.bench.stages import pipeline

from spanwarden_processor.testing import Message, calls, chat_span, request_for, returns, user

CALLS = 200
ROUNDS = 5
MESSAGES = "gen_ai.input.messages"

Row = dict[str, object]


class Growth(NamedTuple):
    """What a KiB more of history adds to a call, in microseconds of CPU: early and late in the session."""

    first_half_us: float
    second_half_us: float


def session(count: int) -> list[bytes]:
    """The requests of one session, a call each; the n-th holds the text of n turns, each about a KiB."""
    dice, words = random.Random(20_26), sampled_words()
    history: list[Message] = [user(sampled_text(dice, words, 80))]
    requests = []
    for turn in range(count):
        answer = calls("bash", {"command": f"sed -n '1,80p' src/part_{turn}.py"}, f"call_{turn}")
        requests.append(request_for(chat_span(list(history), answer, number=turn + 1)))
        history += [answer, returns(sampled_text(dice, words, 110), f"call_{turn}")]
    return requests


def measure(count: int = CALLS, rounds: int = ROUNDS) -> tuple[Growth, Growth]:
    """Growth of scoring and of reading, from the least of some rounds for each call."""
    requests = session(count)
    scoring = [_times(requests, _scorer()) for _ in range(rounds)]
    reading = [_times(requests, _read) for _ in range(rounds)]
    return _growth(requests, scoring), _growth(requests, reading)


def _scorer() -> Callable[[bytes], object]:
    fresh = pipeline()
    return lambda request: fresh.score(request, 1)


def _read(request: bytes) -> None:
    xxhash.xxh3_64_intdigest(request)
    for resource in ExportTraceServiceRequest.FromString(request).resource_spans:
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            for attribute in span.attributes:
                if attribute.key == MESSAGES:
                    orjson.loads(attribute.value.string_value)


def _times(requests: list[bytes], act: Callable[[bytes], Any]) -> list[float]:
    times = []
    for request in requests:
        began = time.process_time()
        act(request)
        times.append(1e6 * (time.process_time() - began))
    return times


def _growth(requests: list[bytes], rounds: list[list[float]]) -> Growth:
    least = [min(each) for each in zip(*rounds, strict=True)]
    kib = [len(request) / 1024 for request in requests]
    middle = len(requests) // 2
    return Growth(_slope(kib[:middle], least[:middle]), _slope(kib[middle:], least[middle:]))


def _slope(sizes: list[float], times: list[float]) -> float:
    return statistics.linear_regression(sizes, times).slope


def run(count: int = CALLS) -> list[Row]:
    """All rows."""
    scoring, reading = measure(count)
    named = f"session of {count} calls, a KiB more of history"
    return [
        {"what": f"{named}: first half", "value": round(scoring.first_half_us, 2), "unit": "us"},
        {"what": f"{named}: second half", "value": round(scoring.second_half_us, 2), "unit": "us"},
        {"what": "reading and hashing it once", "value": round(reading.second_half_us, 2), "unit": "us"},
        {"what": "ratio", "value": round(scoring.second_half_us / reading.second_half_us, 2), "unit": "x"},
    ]


def as_text(rows: list[Row]) -> str:
    """The table for a terminal."""
    return "\n".join(f"{row['what']!s:60} {row['value']!s:>10} {row['unit']}" for row in rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.calls)
    sys.stdout.write((json.dumps(rows) if arguments.json else as_text(rows)) + "\n")


if __name__ == "__main__":
    main()
