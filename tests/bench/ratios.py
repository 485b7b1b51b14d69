"""Costs as ratios, which hold on a busy machine too: `python -m tests.bench.ratios [--rounds N] [--json]`, a minute.

The processor and a raw-bytes proxy take turns with the same requests, so that whatever slows one slows the other; the
median of the rounds' ratios of CPU is told. A long session is compared with reading its bytes once, and what the
instrumentation adds to a call with what OpenTelemetry's SDK takes for the same spans.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

from tests.bench import history, instrumentation
from tests.bench.candidates import Candidate, proxy, spanwarden
from tests.bench.payload import templates, unique_requests, unique_singles
from tests.bench.pipeline import turn
from tests.bench.rates import SINGLE_IN_FLIGHT, SMALL_REQUESTS_PER_SECOND, small_request

ROUNDS = 5
CALLS = {
    "chat: recorded, full content": "chat",
    "responses: recorded, full content": "responses",
    "10 messages: recorded, full content": "10 messages",
    "200 messages: not recorded": "chat",
    "streamed chunk: recorded, full content": "chat",
}
"""Rows of the instrumentation, and the case whose spans the SDK makes to compare them with."""


class Load(NamedTuple):
    """Requests to send: where they come from, how many a round, how many a second (None: as fast as they are taken)."""

    name: str
    requests: Iterator[bytes]
    count: int
    per_second: float | None
    in_flight: int


def loads() -> list[Load]:
    """Spans of agents, small spans that are none of ours, and one span a request."""
    made = templates()
    far = 1 << 20  # no span of one load is a repeat of another's
    return [
        Load("spans of agents, 100 a request", unique_requests(made, far), 40, 50, 8),
        Load("small spans, 100 a request", map(small_request, count()), 100, SMALL_REQUESTS_PER_SECOND, 8),
        Load("one span a request, 64 in flight", unique_singles(made), 1500, None, SINGLE_IN_FLIGHT),
    ]


def measure(rounds: int) -> dict[str, float]:
    """The processor's CPU over the proxy's for each load, and a long session's over reading it once."""
    sent = loads()
    ratios: dict[str, list[float]] = {load.name: [] for load in sent}
    with proxy() as baseline, spanwarden() as processor:
        for load in sent:
            _ratio(processor, baseline, load)  # warms up
        for _ in range(rounds):
            for load in sent:
                ratios[load.name].append(_ratio(processor, baseline, load))
    scoring, reading = history.measure()
    return {
        **{name: statistics.median(each) for name, each in ratios.items()},
        "a KiB more of history, over reading it once": scoring.second_half_us / reading.second_half_us,
        "the same, late in a session over early": scoring.second_half_us / scoring.first_half_us,
        **_of_instrumentation(rounds * 3),
    }


def _of_instrumentation(rounds: int) -> dict[str, float]:
    added = {row.variant: row.added_us for row in instrumentation.measure(rounds)}
    return {
        f"{row}, over the SDK alone": added[row] / added[f"{case}: the SDK alone, the same spans"]
        for row, case in CALLS.items()
    }


def _ratio(processor: Candidate, baseline: Candidate, load: Load) -> float:
    theirs, ours = (
        turn(each, list(islice(load.requests, load.count)), load.per_second, load.in_flight).cpu_seconds
        for each in (baseline, processor)
    )
    return ours / theirs


def as_text(ratios: dict[str, float]) -> str:
    """The table for a terminal."""
    return "\n".join(f"{name:56} {ratio:6.2f} x" for name, ratio in ratios.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ratios = measure(arguments.rounds)
    sys.stdout.write((json.dumps(ratios) if arguments.json else as_text(ratios)) + "\n")


if __name__ == "__main__":
    main()
