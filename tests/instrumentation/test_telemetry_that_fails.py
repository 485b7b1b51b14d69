"""Samplers, span processors and policies that raise, or ask a model themselves: to the program as without us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

import spanwarden
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import client, conversation, run_loop
from instrumentation.samplers import OwnSampler
from instrumentation.seen import attribute
from scripted_model import asked, said, scripted_model

LOOP = (asked(("call_1", "bash", {"command": "ls"}), reasoning_content="I look around."), said("Done."))
STEPS = ("chat", "reasoning", "execute_tool", "invoke_agent")
NAMES = ["invoke_agent", "chat gpt-5", "reasoning", "execute_tool bash", "chat gpt-5"]


class FailsAtEnd(SpanProcessor):
    """Notes every span, and raises for those whose name begins with some word."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)
        if span.name.startswith(self.name):
            raise LookupError(span.name)


class FailsAtStart(SpanProcessor):
    """Raises for spans of some name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        if span.name.startswith(self.name):
            raise LookupError(span.name)


class FailingSampler(OwnSampler):
    """Raises for spans of some name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def look(self, name: str, attributes: Any) -> None:  # noqa: ARG002 - whatever they are
        if name.startswith(self.name):
            raise LookupError(name)


def run() -> str:
    """A loop with reasoning and a tool."""
    with scripted_model(*LOOP) as model:
        return run_loop(client(model.url), conversation("What is here?"))


def run_under_a_span() -> str:
    """The same inside of a trace of the program's own."""
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False, trace.TraceFlags(1)))):
        return run()


@pytest.mark.parametrize("step", [*STEPS, ""])
@pytest.mark.parametrize("loop", [run, run_under_a_span])
def test_a_processor_that_fails_at_the_end_of_a_span_harms_neither_the_program_nor_other_spans(
    instrument: Instrument, step: str, loop: Callable[[], str]
) -> None:
    failing, provider = FailsAtEnd(step), TracerProvider()
    provider.add_span_processor(failing)
    instrumented = instrument(provider=provider)

    assert loop() == "Done."
    instrumented.instrumentor.uninstrument()

    expected = NAMES if loop is run else NAMES[1:]
    assert sorted(span.name for span in failing.ended) == sorted(expected)
    for span in failing.ended:
        if span.name.startswith("chat"):
            assert attribute(span, "gen_ai.input.messages")
            assert attribute(span, "gen_ai.output.messages")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("loop", [run, run_under_a_span])
@pytest.mark.parametrize("at_start", [True, False], ids=["on_start", "sampler"])
def test_one_that_fails_at_the_start_of_a_span_harms_neither_the_program_nor_other_spans(
    instrument: Instrument, step: str, loop: Callable[[], str], at_start: bool
) -> None:
    provider = TracerProvider() if at_start else TracerProvider(sampler=FailingSampler(step))
    if at_start:
        provider.add_span_processor(FailsAtStart(step))
    instrumented = instrument(provider=provider)

    assert loop() == "Done."

    names = [span.name for span in instrumented.seen()]
    assert not [name for name in names if name.startswith(step)]
    if step in ("reasoning", "execute_tool"):
        expected = [name for name in (NAMES if loop is run else NAMES[1:]) if not name.startswith(step)]
        assert sorted(names) == sorted(expected)
        assert all(attribute(span, "gen_ai.output.messages") for span in instrumented.seen().named("chat"))


def test_a_run_whose_first_call_cannot_be_recorded_is_over_at_once(instrument: Instrument) -> None:
    instrumented = instrument(sampler=FailingSampler("chat"))

    assert run() == "Done."

    assert len(instrumented.instrumentor.recorder.roots) == 0


def test_blocks_that_a_program_announces_bear_a_failing_processor(instrument: Instrument) -> None:
    failing, provider = FailsAtEnd(""), TracerProvider()
    provider.add_span_processor(failing)
    instrument(provider=provider)

    with spanwarden.agent("coder"), spanwarden.tool("bash", {"command": "ls"}) as call:
        call.result = "a.txt"

    assert [span.name for span in failing.ended] == ["execute_tool bash", "invoke_agent coder"]


def test_taking_the_instrumentation_off_bears_a_failing_processor(instrument: Instrument) -> None:
    failing, provider = FailsAtEnd("invoke_agent"), TracerProvider()
    provider.add_span_processor(failing)
    instrumented = instrument(provider=provider)
    with scripted_model(LOOP[0], LOOP[0]) as model:
        for _ in range(2):
            create: Any = client(model.url).chat.completions.create
            create(model="gpt-5", messages=conversation("Go."), tools=[{"type": "function", "function": {"name": "a"}}])

    instrumented.instrumentor.uninstrument()

    assert [span.name for span in failing.ended].count("invoke_agent") == 2


class AsksAModel:
    """A judge that asks a model about whatever it gets, up to a bound that no test should reach."""

    def __init__(self, url: str) -> None:
        self.asked = 0
        self._client = client(url)

    def ask(self) -> None:
        self.asked += 1
        if self.asked <= 20:
            self._client.chat.completions.create(model="judge", messages=conversation("Is this right?"))


class JudgingProcessor(SpanProcessor):
    """Asks about every span, when it begins or when it ends."""

    def __init__(self, judge: AsksAModel, *, at_start: bool) -> None:
        self._judge = judge
        self._at_start = at_start

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        if self._at_start:
            self._judge.ask()

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - the SDK's signature
        if not self._at_start:
            self._judge.ask()


@pytest.mark.parametrize("at_start", [True, False])
def test_a_processor_that_asks_a_model_is_not_asked_about_its_own_call(instrument: Instrument, at_start: bool) -> None:
    with scripted_model(*LOOP, *[said("Yes.")] * 30) as model, scripted_model(*[said("Yes.")] * 30) as judges:
        judge, provider = AsksAModel(judges.url), TracerProvider()
        provider.add_span_processor(JudgingProcessor(judge, at_start=at_start))
        instrumented = instrument(provider=provider)

        assert run_loop(client(model.url), conversation("Go.")) == "Done."

    assert judge.asked == len(NAMES)
    assert [span.name for span in instrumented.seen()] == NAMES


def test_a_policy_that_asks_a_model_is_not_asked_about_its_own_call(instrument: Instrument) -> None:
    with scripted_model(said("Hello.")) as model, scripted_model(*[said("Yes.")] * 30) as judges:
        judge = AsksAModel(judges.url)

        def policy(_attribute: str, value: Any) -> Any:
            judge.ask()
            return value

        instrumented = instrument(policy=policy)
        client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))

    assert judge.asked == 2
    assert [span.name for span in instrumented.seen()] == ["chat gpt-5"]


def test_a_call_after_one_that_was_judged_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Hello.")) as model:
        for _ in range(2):
            client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))

    assert len(instrumented.seen()) == 2
