"""Where the scorer's time goes, stage by stage: `python -m tests.bench.stages [--requests N]`.

The pipeline runs in this process on the payload of the other measurements: first alone, for the time a span takes,
then under a profiler, for the shares. The profiler makes calls dearer than they are, so only the shares are told.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Iterable
from itertools import islice

from tests.bench.payload import SPANS_EACH, templates, unique_requests

from spanwarden_processor.allocator import TimedCollection
from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.scorers.rules import rule_scorers
from spanwarden_processor.scoring_settings import ScoringSettings

WARM = 10
"""Requests that are not measured."""

STAGES = {
    "decode: bytes to spans": (("pipeline.py", "_read"), ("slices.py", "span_slices"), ("forged.py", "__call__")),
    "normalize: spans to steps": (("normalize.py", "normalize"),),
    "assemble: what is new": (("assemble.py", "feed"),),
    "admit: indexes of the session": (("session.py", "admit"),),
    "  of it: effects of tool calls": (("tools.py", "effects_of_call"),),
    "rules": (("cascade.py", "_ask"),),
    "annotate and patch": (("report.py", "judged"), ("report.py", "scored")),
}


def pipeline(warm_with: Iterable[bytes] = ()) -> Pipeline:
    """The shipped rules with default settings. What is compiled at first use is compiled by the requests before."""
    settings = ScoringSettings(seed=1, fingerprint_key=b"k" * 16, monitor="spanwarden/bench")
    made = Pipeline(rule_scorers(), settings, ())
    for number, request in enumerate(warm_with):
        made.score(request, number)
    return made


def microseconds_per_span(requests: list[bytes]) -> float:
    """CPU of scoring, without pipe, spool and gRPC."""
    scoring, requests = pipeline(requests[:WARM]), requests[WARM:]
    TimedCollection()  # as in the scorer process
    began = time.process_time()
    for number, request in enumerate(requests):
        scoring.score(request, number)
    return 1e6 * (time.process_time() - began) / (len(requests) * SPANS_EACH)


def shares(requests: list[bytes]) -> dict[str, float]:
    """Each stage's share of all time, 0..1. Stages within others are counted in both."""
    scoring, requests = pipeline(requests[:WARM]), requests[WARM:]
    profile = cProfile.Profile()
    profile.enable()
    for number, request in enumerate(requests):
        scoring.score(request, number)
    profile.disable()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined] # not in the stub
    cumulative = {(path.rsplit("/", 1)[-1], name): row[3] for (path, _, name), row in found.items()}
    whole = cumulative["pipeline.py", "score"]
    return {stage: sum(cumulative.get(each, 0.0) for each in parts) / whole for stage, parts in STAGES.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    requests = list(islice(unique_requests(templates()), arguments.requests))
    sys.stdout.write(f"{microseconds_per_span(requests):.0f} us of CPU a span, in the scorer alone\n\n")
    for stage, share in shares(requests).items():
        sys.stdout.write(f"{stage:34} {100 * share:5.1f} %\n")


if __name__ == "__main__":
    main()
