"""A model call that another instrumentation traces gets only step spans, under its span, in either order of loading.

The other instrumentation here is a stand-in: it wraps `create` with wrapt, makes a `chat` span current and puts its
open invocation into the context, as the OpenTelemetry GenAI packages do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import wrapt
from openai.resources.chat.completions import Completions
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation, unwrap
from opentelemetry.sdk.trace import TracerProvider

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, Messages, client, conversation, results, run_loop
from instrumentation.seen import Seen, attribute, content
from scripted_model import asked, said, scripted_model
from spanwarden.foreign import ForeignTools
from spanwarden.names import FOREIGN_INFERENCE_KEY

LOOP = (asked(("call_1", "bash", {"command": "ls"}), reasoning_content="I look."), said("Done."))
STEPS_ONLY = [("chat theirs", ["reasoning"]), ("chat theirs", ["execute_tool bash"])]


@pytest.fixture(autouse=True)
def _clean_class() -> Iterator[None]:
    """Put the client's own function back: some of these orders leave wrappers behind that nobody can take off."""
    original = Completions.__dict__["create"]
    yield
    Completions.create = original  # type: ignore[method-assign]


@contextmanager
def _other_instrumentation(provider: Callable[[], trace.TracerProvider]) -> Iterator[None]:
    def create(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        tracer = provider().get_tracer("opentelemetry.instrumentation.genai.openai")
        with tracer.start_as_current_span("chat theirs"):
            token = context.attach(context.set_value(FOREIGN_INFERENCE_KEY, object()))
            try:
                return wrapped(*args, **kwargs)
            finally:
                context.detach(token)

    wrapt.wrap_function_wrapper(Completions, "create", create)
    try:
        yield
    finally:
        unwrap(Completions, "create")


def _run() -> None:
    with scripted_model(*LOOP) as model:
        run_loop(client(model.url), conversation("Go."))


def _is_steps_only(seen: Seen) -> None:
    assert seen.trees() == STEPS_ONLY
    assert seen.values("spanwarden.step") == [1, 2]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert attribute(seen.one("execute_tool"), "gen_ai.tool.call.result") == 'ran {"command": "ls"}'


def test_one_that_was_loaded_after_us_gets_only_our_steps(instrumented: Instrumented) -> None:
    with _other_instrumentation(lambda: instrumented.provider):
        _run()

    _is_steps_only(instrumented.seen())


def test_one_that_was_loaded_before_us_gets_only_our_steps(instrument: Instrument) -> None:
    ours: list[Instrumented] = []
    with _other_instrumentation(lambda: ours[0].provider):
        ours.append(instrument())
        _run()
        ours[0].instrumentor.uninstrument()

    _is_steps_only(ours[0].seen())


def test_one_that_is_removed_before_us_leaves_us_at_work(instrument: Instrument) -> None:
    ours: list[Instrumented] = []
    with _other_instrumentation(lambda: ours[0].provider):
        ours.append(instrument())
    _run()

    steps = [("chat gpt-5", ["reasoning"]), "execute_tool bash", "chat gpt-5"]
    assert ours[0].seen().trees() == [("invoke_agent", steps)]


def test_one_that_comes_and_goes_leaves_us_at_work_until_we_go(instrumented: Instrumented) -> None:
    with _other_instrumentation(lambda: instrumented.provider):
        pass
    _run()
    instrumented.instrumentor.uninstrument()
    _run()

    steps = [("chat gpt-5", ["reasoning"]), "execute_tool bash", "chat gpt-5"]
    assert instrumented.seen().trees() == [("invoke_agent", steps)]


def test_one_that_stays_after_us_stays_at_work(instrumented: Instrumented) -> None:
    with _other_instrumentation(lambda: instrumented.provider):
        instrumented.instrumentor.uninstrument()
        _run()

    assert instrumented.seen().trees() == ["chat theirs", "chat theirs"]


def _run_with_tool_spans(instrumented: Instrumented, name: str, attributes: dict[str, str]) -> Seen:
    """One tool call, of which somebody else makes a span as well."""
    tracer = instrumented.provider.get_tracer("some.framework")
    with scripted_model(*LOOP) as model, tracer.start_as_current_span("their run"):
        messages = conversation("Go.")
        message = _ask(model.url, messages)
        with tracer.start_as_current_span(name, attributes=attributes):
            messages += [message, *results(message)]
        _ask(model.url, messages)
    return instrumented.seen()


def _ask(url: str, messages: Messages) -> Any:
    return client(url).chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message


def test_a_tool_that_a_framework_makes_a_span_of_is_not_inferred_again(instrumented: Instrumented) -> None:
    theirs = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call_1"}
    seen = _run_with_tool_spans(instrumented, "execute_tool theirs", theirs)

    assert [span.name for span in seen.named("execute_tool")] == ["execute_tool theirs"]
    assert seen.values("spanwarden.step") == [1, 2, 3]
    answered = content(seen.named("chat")[1], "gen_ai.input.messages")[-1]
    assert answered["parts"][0]["response"] == 'ran {"command": "ls"}'


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call_2"},
        {"gen_ai.operation.name": "chat", "gen_ai.tool.call.id": "call_1"},
    ],
    ids=["without an id", "of another call", "of another operation"],
)
def test_a_span_that_is_not_of_this_tool_call_does_not_stand_for_it(
    instrumented: Instrumented, attributes: dict[str, str]
) -> None:
    seen = _run_with_tool_spans(instrumented, "theirs", attributes)

    assert attribute(seen.one("execute_tool bash"), "gen_ai.tool.call.id") == "call_1"


def test_a_provider_is_watched_once_however_often_we_come_and_go(instrument: Instrument) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    for _ in range(3):
        instrumented = instrument(provider=provider)
        theirs = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "call_1"}
        assert len(_run_with_tool_spans(instrumented, "execute_tool theirs", theirs).named("execute_tool")) == 1
        instrumented.instrumentor.uninstrument()

    watching = [one for one in provider._active_span_processor._span_processors if isinstance(one, ForeignTools)]
    assert len(watching) == 1


def test_nothing_is_recorded_where_instrumentation_is_suppressed(instrumented: Instrumented) -> None:
    with suppress_instrumentation():
        _run()

    assert len(instrumented.seen()) == 0
