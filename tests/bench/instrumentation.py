"""What the instrumentation adds to a model call, over a parsed answer: `python -m tests.bench.instrumentation`.

A chat call brings 2.3 kB of messages, 0.65 kB of tools and the results of two tools, and is answered by 1 kB with
reasoning and two tool calls: four spans, with full content 7 kB of attributes. The variants take turns within one
run, and time is CPU time, so that a busy machine changes little. OpenTelemetry's own package for the same client is
measured beside ours: `make bench` installs it into a directory of its own, because it would trace the tests too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry._logs import NoOpLogger
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from tests.bench.model_calls import (
    Case,
    EndlessLoop,
    chat_case,
    client_of,
    history_case,
    responses_case,
    streamed_case,
)

from spanwarden import client, names
from spanwarden.content import VARIABLE, ContentMode, Place
from spanwarden.recorder import new_recorder

FLOOR_RECORDED_US = 100.0
FLOOR_NOT_RECORDED_US = 8.0
FLOOR_CHUNK_US = 5.0
OFFICIAL = "opentelemetry.instrumentation.genai.openai"
HISTORIES = (1, 10, 200)
FILLING_CALLS = 12_000
"""Calls, of two call ids each, after which the tables of call ids are full and have grown for the last time."""
RETAINED_CALLS = 20_000
_OURS_ROW = ": recorded, full content"
_OFFICIAL_ROW = ": OpenTelemetry's package, content"

Create = Callable[..., Any]


class Row(NamedTuple):
    """One variant: the median of its rounds, what it adds to the call without instrumentation, and its floor."""

    variant: str
    call_us: float
    added_us: float
    bound_us: float | None


class _CallsOnly(SpanProcessor):
    """Counts ended spans. Exporting is the SDK's work in another thread and is not measured here."""

    def __init__(self) -> None:
        self.ended = 0

    def on_end(self, span: Any) -> None:  # noqa: ARG002 - the SDK's signature
        self.ended += 1


class _HearsStarts(_CallsOnly):
    """As a user's own that notes something on each span, so that the SDK has to make them all."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        pass


def _plain(case: Case, *, before: Callable[[], None] | None = None) -> Create:
    """`create` without instrumentation, which returns what is parsed already."""
    answer = case.answer

    def create(_self: Any, **_: Any) -> Any:
        if before is not None:
            before()
        return answer()

    return create


def _ours(case: Case, sampler: Sampler, place: Place, processor: SpanProcessor) -> tuple[Create, Create]:
    """`create` of both classes with our instrumentation around it."""
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    recorder = new_recorder(
        provider.get_tracer(names.SCOPE), NoOpLogger(names.SCOPE), NoOpMeter(names.SCOPE), ContentMode(place)
    )
    target = next(one for one in client.TARGETS if one.owner == case.owner.__name__ and "create" in one.methods)
    plain = _plain(case)

    async def create_async(_self: Any, **_: Any) -> Any:
        return plain(_self)

    name = target.owner
    owners = type(name, (), {"create": plain}), type(f"Async{name}", (), {"create": create_async})
    client.wrap(recorder.calls, target, type("Module", (), {name: owners[0], f"Async{name}": owners[1]}))
    for owner in owners:
        owner._client = client_of()  # type: ignore[attr-defined]  # as a resource has it
    return owners[0]().create, owners[1]().create  # type: ignore[attr-defined]


def _official(case: Case) -> Create | None:
    """`create` with OpenTelemetry's own package around it, content on; None where it is not installed."""
    if importlib.util.find_spec("opentelemetry.instrumentation.genai") is None:
        return None
    os.environ[VARIABLE] = "SPAN_ONLY"
    instrumentor: Any = importlib.import_module(OFFICIAL).OpenAIInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()  # the case before this one has been measured
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(_CallsOnly())
    owner: Any = case.owner
    original = owner.create
    owner.create = _plain(case)
    try:
        instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
        wrapped = owner.__dict__["create"]
    finally:
        owner.create = original
    resource = object.__new__(owner)
    resource._client = client_of()
    return lambda **request: wrapped.__get__(resource, owner)(**request)


def _sdk_alone(case: Case) -> Create:
    """`create` that only makes the spans that ours makes, with the same attributes and nothing else."""
    recorded = InMemorySpanExporter()
    create, _ = _ours(case, ALWAYS_ON, "span", SimpleSpanProcessor(recorded))
    create(**case.request)
    recorded.clear()  # the first call makes the run, whose span stays open, and has no tool results to take in
    create(**case.request)
    spans = [(span.name, span.kind, dict(span.attributes or {})) for span in recorded.get_finished_spans()]
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(_CallsOnly())
    tracer = provider.get_tracer(names.SCOPE)
    context = trace.set_span_in_context(tracer.start_span("invoke_agent"))

    def make_spans() -> None:
        for name, kind, attributes in spans:
            tracer.start_span(name, context, kind, attributes, None, 1).end(2)

    plain = _plain(case, before=make_spans)
    return lambda **request: plain(None, **request)


def _per_call_us(create: Create, case: Case, calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        answer = create(**case.request)
        if case.reads:
            for _chunk in answer:
                pass
    return (time.thread_time() - started) / calls / case.units * 1e6


async def _per_async_call_us(create: Create, case: Case, calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        await create(**case.request)
    return (time.thread_time() - started) / calls * 1e6


def _variants(case: Case, recorded_us: float | None) -> dict[str, tuple[Create, float | None]]:
    plain = _plain(case)
    variants: dict[str, tuple[Create, float | None]] = {
        "no instrumentation": (lambda **request: plain(None, **request), None),
        "not recorded": (_ours(case, ALWAYS_OFF, "span", _CallsOnly())[0], FLOOR_NOT_RECORDED_US),
        "recorded, no content": (_ours(case, ALWAYS_ON, "none", _CallsOnly())[0], None),
        "recorded, full content": (_ours(case, ALWAYS_ON, "span", _CallsOnly())[0], recorded_us),
    }
    if not case.reads:
        variants["the SDK alone, the same spans"] = (_sdk_alone(case), None)
    if not case.reads and recorded_us is not None:
        create, _ = _ours(case, ALWAYS_ON, "span", _HearsStarts())
        variants["recorded, a processor hears of starts"] = (create, None)
    official = _official(case)
    if official is not None:
        variants["OpenTelemetry's package, content"] = (official, None)
    return variants


def measure(rounds: int = 30, calls: int = 100) -> list[Row]:
    """Measure every variant of every case in turn, `rounds` times."""
    cases = [(chat_case(), FLOOR_RECORDED_US), (responses_case(), FLOOR_RECORDED_US), (streamed_case(), FLOOR_CHUNK_US)]
    rows: list[Row] = []
    for case, bound in [*cases, *((history_case(messages), None) for messages in HISTORIES)]:
        rows += _measured(case, _variants(case, bound), rounds, max(calls // (case.units // 10 or 1), 2))
    return [*rows, *_asynchronous(rounds, calls)]


def _measured(case: Case, variants: dict[str, tuple[Create, float | None]], rounds: int, calls: int) -> list[Row]:
    samples: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, (create, _bound) in variants.items():
            samples[variant].append(_per_call_us(create, case, calls))
    medians = {variant: statistics.median(times) for variant, times in samples.items()}
    return _rows(case.name, medians, {variant: bound for variant, (_, bound) in variants.items()})


def _asynchronous(rounds: int, calls: int) -> list[Row]:
    """The chat call once more, through the asynchronous class."""
    case = chat_case()
    plain = _plain(case)

    async def without(**request: Any) -> Any:
        return plain(None, **request)

    variants: dict[str, tuple[Create, float | None]] = {
        "no instrumentation": (without, None),
        "not recorded": (_ours(case, ALWAYS_OFF, "span", _CallsOnly())[1], FLOOR_NOT_RECORDED_US),
        "recorded, full content": (_ours(case, ALWAYS_ON, "span", _CallsOnly())[1], FLOOR_RECORDED_US),
    }
    samples: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, (create, _bound) in variants.items():
            samples[variant].append(asyncio.run(_per_async_call_us(create, case, calls)))
    medians = {variant: statistics.median(times) for variant, times in samples.items()}
    return _rows("chat, async", medians, {variant: bound for variant, (_, bound) in variants.items()})


def _rows(case: str, medians: dict[str, float], bounds: dict[str, float | None]) -> list[Row]:
    base = medians["no instrumentation"]
    return [
        Row(f"{case}: {variant}", round(time_us, 2), round(time_us - base, 2), bounds[variant])
        for variant, time_us in medians.items()
    ]


def retained_bytes(calls: int = RETAINED_CALLS) -> float:
    """Bytes that a call leaves behind, once the tables that are bounded are full.

    No call id comes twice, but in the request that brings its result.
    """
    loop = EndlessLoop()
    create, _ = _ours(loop.case, ALWAYS_ON, "span", _CallsOnly())
    tracemalloc.start()
    try:
        sizes = []
        for count in (FILLING_CALLS, calls):
            for _call in range(count):
                create(**loop.next())
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return (sizes[1] - sizes[0]) / calls


def as_text(rows: list[Row]) -> str:
    """The rows as a table."""
    lines = [f"{'variant':52} {'us a call':>10} {'added':>8} {'bound':>8}"]
    for row in rows:
        bound = "" if row.bound_us is None else f"{row.bound_us:.0f}"
        lines.append(f"{row.variant:52} {row.call_us:10.2f} {row.added_us:8.2f} {bound:>8}")
    shares = shares_of_official(rows)
    lines += [f"{case}: {share:.2f} of what OpenTelemetry's package adds" for case, share in shares.items()]
    if not shares:
        lines.append("OpenTelemetry's own package was not measured: `make bench` installs it for the occasion")
    return "\n".join(lines)


def shares_of_official(rows: list[Row]) -> dict[str, float]:
    """What ours adds with full content, as a part of what OpenTelemetry's package adds, by case. The floor is half."""
    added = {row.variant: row.added_us for row in rows}
    cases = [variant.removesuffix(_OFFICIAL_ROW) for variant in added if variant.endswith(_OFFICIAL_ROW)]
    return {case: round(added[case + _OURS_ROW] / added[case + _OFFICIAL_ROW], 2) for case in cases}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Microseconds that the instrumentation adds to a model call.")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--retained", action="store_true", help="measure the memory that calls leave behind instead")
    parser.add_argument("--calls", type=int, default=RETAINED_CALLS, help="calls of --retained")
    options = parser.parse_args()
    if options.retained:
        sys.stdout.write(f"{retained_bytes(options.calls):.1f} bytes retained per call over {options.calls} calls\n")
        return
    rows = measure(options.rounds)
    sys.stdout.write((json.dumps([row._asdict() for row in rows]) if options.json else as_text(rows)) + "\n")


if __name__ == "__main__":
    main()
