"""What the instrumentation adds to a model call, over a parsed answer: `python -m tests.bench.instrumentation`.

One call brings 2.3 kB of messages, 0.65 kB of tools and the results of two tools, and is answered by 1 kB with
reasoning and two tool calls: four spans, with full content 7 kB of attributes. The variants take turns within one
run, and time is CPU time, so that a busy machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from openai.types.chat import ChatCompletion
from opentelemetry import trace
from opentelemetry._logs import NoOpLogger
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from spanwarden import client, names
from spanwarden.content import ContentMode, Place
from spanwarden.recorder import new_recorder

FLOOR_RECORDED_US = 100.0
FLOOR_NOT_RECORDED_US = 8.0


class Row(NamedTuple):
    """One variant: the median of its rounds, and what it adds to the call without instrumentation."""

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


def _request() -> dict[str, Any]:
    calls = [_tool_call(number) for number in (1, 2)]
    return {
        "model": "gpt-5",
        "temperature": 0.2,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": "Run it in the project's directory and return what it prints. " * 2,
                    "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
                },
            }
            for name in ("bash", "python")
        ],
        "messages": [
            {"role": "system", "content": "You are a careful engineer. " * 16},
            {"role": "user", "content": "Find out why the nightly build fails, and repair it. " * 6},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "call_1", "content": "src/main.py:10: undefined name\n" * 20},
            {"role": "tool", "tool_call_id": "call_2", "content": "3 failed, 17 passed in 4.20s\n" * 20},
        ],
    }


def _tool_call(number: int) -> dict[str, Any]:
    arguments = json.dumps({"command": f"cd project && make target-{number} && tail -n 40 build.log"})
    return {"id": f"call_{number}", "type": "function", "function": {"name": "bash", "arguments": arguments}}


def _answer() -> ChatCompletion:
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "The build stops in the type check, so I look at the newest change first. " * 9,
        "tool_calls": [_tool_call(1), _tool_call(2)],
    }
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5-2026",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 700, "completion_tokens": 200, "total_tokens": 900},
        }
    )


def _nothing() -> None:
    """Do nothing before the answer."""


def _stub(answer: ChatCompletion, before: Callable[[], None] = _nothing) -> Any:
    """A module like the client's whose `create` returns an answer that is already parsed."""

    class Completions:
        _client: Any = None

        def create(self, **_: Any) -> ChatCompletion:
            before()
            return answer

    class AsyncCompletions:
        _client: Any = None

        async def create(self, **_: Any) -> ChatCompletion:
            before()
            return answer

    class Client:
        base_url = SimpleNamespace(host="127.0.0.1", port=8080, scheme="http")

    Completions._client = AsyncCompletions._client = Client()
    return SimpleNamespace(Completions=Completions, AsyncCompletions=AsyncCompletions)


def _instrumented(
    answer: ChatCompletion, sampler: Sampler, place: Place, processor: SpanProcessor | None = None
) -> tuple[Any, _CallsOnly]:
    ended = _CallsOnly()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(processor or ended)
    recorder = new_recorder(
        provider.get_tracer(names.SCOPE), NoOpLogger(names.SCOPE), NoOpMeter(names.SCOPE), ContentMode(place)
    )
    stub = _stub(answer)
    client.wrap(recorder.calls, client.TARGETS[0], stub)
    return stub, ended


def _sdk_alone(answer: ChatCompletion) -> Any:
    """A module whose `create` only makes the spans that ours makes, with the same attributes and nothing else."""
    recorded = InMemorySpanExporter()
    stub, _ = _instrumented(answer, ALWAYS_ON, "span", SimpleSpanProcessor(recorded))
    for _call in range(2):
        stub.Completions().create(**_request())
    spans = [(span.name, span.kind, dict(span.attributes or {})) for span in recorded.get_finished_spans()[-4:]]
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(_CallsOnly())
    tracer = provider.get_tracer(names.SCOPE)
    context = trace.set_span_in_context(tracer.start_span("invoke_agent"))

    def make_spans() -> None:
        for name, kind, attributes in spans:
            tracer.start_span(name, context, kind, attributes, None, 1).end(2)

    return _stub(answer, make_spans)


def _per_call_us(create: Callable[..., Any], request: dict[str, Any], calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        create(**request)
    return (time.thread_time() - started) / calls * 1e6


async def _per_async_call_us(create: Callable[..., Any], request: dict[str, Any], calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        await create(**request)
    return (time.thread_time() - started) / calls * 1e6


def measure(rounds: int = 30, calls: int = 200) -> list[Row]:
    """Measure every variant in turn, `rounds` times."""
    request, answer = _request(), _answer()
    full, ended = _instrumented(answer, ALWAYS_ON, "span")
    variants: dict[str, tuple[Any, float | None]] = {
        "no instrumentation": (_stub(answer), None),
        "not recorded": (_instrumented(answer, ALWAYS_OFF, "span")[0], FLOOR_NOT_RECORDED_US),
        "the SDK alone, the same spans": (_sdk_alone(answer), None),
        "recorded, no content": (_instrumented(answer, ALWAYS_ON, "none")[0], None),
        "recorded, full content": (full, FLOOR_RECORDED_US),
    }
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for variant, (stub, _bound) in variants.items():
            samples.setdefault(variant, []).append(_per_call_us(stub.Completions().create, request, calls))
            asynchronous = asyncio.run(_per_async_call_us(stub.AsyncCompletions().create, request, calls))
            samples.setdefault(f"{variant}, async", []).append(asynchronous)
    spans_per_call = ended.ended / (2 * rounds * calls)
    if round(spans_per_call) != 4:
        raise RuntimeError(f"a call made {spans_per_call:.2f} spans; the measurement is about four")
    return _rows(variants, {variant: statistics.median(times) for variant, times in samples.items()})


def _rows(variants: dict[str, tuple[Any, float | None]], medians: dict[str, float]) -> list[Row]:
    rows = []
    for ending in ("", ", async"):
        base = medians[f"no instrumentation{ending}"]
        for variant, (_stub_module, bound) in variants.items():
            time_us = medians[variant + ending]
            rows.append(Row(variant + ending, round(time_us, 2), round(time_us - base, 2), bound))
    return rows


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Microseconds that the instrumentation adds to a model call.")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    rows = measure(options.rounds)
    if options.json:
        sys.stdout.write(json.dumps([row._asdict() for row in rows]) + "\n")
        return
    sys.stdout.write(f"{'variant':38} {'us a call':>10} {'added':>8} {'bound':>8}\n")
    for row in rows:
        bound = "" if row.bound_us is None else f"{row.bound_us:.0f}"
        sys.stdout.write(f"{row.variant:38} {row.call_us:10.2f} {row.added_us:8.2f} {bound:>8}\n")


if __name__ == "__main__":
    main()
