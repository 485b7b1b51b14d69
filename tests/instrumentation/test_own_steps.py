"""Steps that a program announces: `spanwarden.tool`, `spanwarden.agent`, `spanwarden.reasoning`."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import spanwarden
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, async_client, client, conversation, results, run_loop
from instrumentation.seen import attribute
from scripted_model import asked, said, scripted_model

ONE_TOOL = (asked(("call_1", "bash", {"command": "ls"})), said("Done."))


@spanwarden.tool
def bash(command: str) -> str:
    """Run a command, or so it says."""
    return f"ran {command}"


@spanwarden.tool("bash")
async def bash_later(command: str) -> str:
    """Run a command in its own time."""
    await asyncio.sleep(0)
    return f"ran {command}"


def _loop(openai: Any, tool: Any) -> None:
    messages = conversation("Go.")
    while True:
        message = openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return
        for call in message.tool_calls:
            result = tool(call)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def test_a_decorated_tool_is_observed_and_not_inferred_again(instrumented: Instrumented) -> None:
    with scripted_model(*ONE_TOOL) as model:
        _loop(client(model.url), lambda call: bash(**json.loads(call.function.arguments)))

    seen = instrumented.seen()
    span = seen.one("execute_tool")
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])]
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bash",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.description": "run bash",
        "gen_ai.tool.call.arguments": '{"command": "ls"}',
        "gen_ai.tool.call.result": "ran ls",
        "spanwarden.session.id": attribute(seen.one("invoke_agent"), "spanwarden.session.id"),
        "spanwarden.step": 2,
    }


def test_a_decorated_coroutine_is_the_same(instrumented: Instrumented) -> None:
    async def loop(url: str) -> None:
        async with async_client(url) as openai:
            messages = conversation("Go.")
            answer = await openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
            messages.append(answer.choices[0].message)
            assert await bash_later("ls") == "ran ls"
            messages.extend(results(answer.choices[0].message))
            await openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)

    with scripted_model(*ONE_TOOL) as model:
        asyncio.run(loop(model.url))

    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])]


def test_a_call_id_ties_a_tool_block_to_the_call(instrumented: Instrumented) -> None:
    def tool(call: Any) -> str:
        with spanwarden.tool("shell", call_id=call.id) as execution:
            execution.result = "done"
        return "done"

    with scripted_model(*ONE_TOOL) as model:
        _loop(client(model.url), tool)

    span = instrumented.seen().one("execute_tool")
    assert (span.name, attribute(span, "gen_ai.tool.call.id")) == ("execute_tool shell", "call_1")


def test_a_tool_that_nobody_asked_for_is_a_step_of_the_session_at_hand(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model:
        run_loop(client(model.url), conversation("Hello?"))
        bash("pwd")

    seen = instrumented.seen()
    span = seen.one("execute_tool")
    assert attribute(span, "gen_ai.tool.call.arguments") == '{"command":"pwd"}'
    assert attribute(span, "spanwarden.session.id") == attribute(seen.one("chat"), "spanwarden.session.id")
    assert seen.values("spanwarden.step") == [1, 2]


def test_the_error_of_a_tool_passes_through_and_is_recorded(instrumented: Instrumented) -> None:
    @spanwarden.tool
    def fails() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        fails()

    span = instrumented.seen().one("execute_tool fails")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "nothing there")
    assert attribute(span, "error.type") == "LookupError"


def test_what_a_tool_does_belongs_under_it(instrumented: Instrumented) -> None:
    tracer = instrumented.provider.get_tracer("user")
    with spanwarden.tool("search", {"query": "x"}), tracer.start_as_current_span("GET"):
        pass

    assert instrumented.seen().trees() == [("execute_tool search", ["GET"])]


def test_an_agent_inside_a_tool_is_under_the_tool_in_a_session_of_its_own(instrumented: Instrumented) -> None:
    inner = (asked(("call_9", "read_file", {"path": "b"})), said("Read."))
    with scripted_model(ONE_TOOL[0], *inner, ONE_TOOL[1]) as model:
        openai = client(model.url)

        def delegate(call: Any) -> str:
            with spanwarden.tool(call.function.name, call_id=call.id):
                return run_loop(openai, conversation("Read b."))

        _loop(openai, delegate)

    seen = instrumented.seen()
    inner_steps = ["chat gpt-5", "execute_tool read_file", "chat gpt-5"]
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", ("execute_tool bash", inner_steps), "chat gpt-5"])]
    assert len(set(seen.values("spanwarden.session.id"))) == 2


def test_an_agent_block_is_the_root_of_its_run(instrumented: Instrumented) -> None:
    with scripted_model(*ONE_TOOL) as model, spanwarden.agent("coder"):
        run_loop(client(model.url), conversation("Go."))

    seen = instrumented.seen()
    root = seen.one("invoke_agent")
    assert seen.trees() == [("invoke_agent coder", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])]
    assert attribute(seen.one("execute_tool"), "gen_ai.agent.name") == "coder"
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert dict(root.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "coder",
        "gen_ai.usage.input_tokens": 22,
        "gen_ai.usage.output_tokens": 14,
        "gen_ai.response.finish_reasons": ("stop",),
        "spanwarden.session.id": attribute(root, "spanwarden.session.id"),
    }


def test_calls_in_an_agent_block_are_one_session_even_without_shared_messages(instrumented: Instrumented) -> None:
    with scripted_model(said("One."), said("Two.")) as model, spanwarden.agent():
        for question in ("First?", "Second?"):
            run_loop(client(model.url), conversation(question))

    assert len(set(instrumented.seen().values("spanwarden.session.id"))) == 1
    assert instrumented.seen().values("spanwarden.step") == [1, 2]


def test_a_conversation_id_joins_runs_and_goes_on_counting(instrumented: Instrumented) -> None:
    with scripted_model(said("One."), said("Two.")) as model:
        for question in ("First?", "Second?"):
            with spanwarden.agent("coder", conversation_id="ticket-7"):
                run_loop(client(model.url), conversation(question))

    seen = instrumented.seen()
    assert set(seen.values("spanwarden.session.id")) == set(seen.values("gen_ai.conversation.id")) == {"ticket-7"}
    assert seen.values("spanwarden.step") == [1, 2]


def test_the_error_that_ends_an_agent_block_passes_through_and_is_recorded(instrumented: Instrumented) -> None:
    with pytest.raises(LookupError), spanwarden.agent("coder"):
        raise LookupError

    root = instrumented.seen().one("invoke_agent coder")
    assert attribute(root, "error.type") == "LookupError"
    assert attribute(root, "spanwarden.session.id")


def test_reasoning_that_the_program_came_by_is_a_step(instrumented: Instrumented) -> None:
    with scripted_model(said("<think>Hm.</think>Yes.")) as model, spanwarden.agent():
        run_loop(client(model.url), conversation("Really?"))
        spanwarden.reasoning("Hm.", kind="summary")

    span = instrumented.seen().one("reasoning")
    assert (attribute(span, "spanwarden.step"), attribute(span, "spanwarden.reasoning.kind")) == (2, "summary")
    assert attribute(span, "spanwarden.inferred") is None
    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "reasoning"])]


def test_a_block_around_a_yield_that_ends_elsewhere_leaves_no_complaint(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream() -> AsyncIterator[str]:
        with spanwarden.tool("stream"):
            yield "part"

    def step(generator: Any) -> None:
        with pytest.raises((StopIteration, StopAsyncIteration)):
            generator.__anext__().send(None)

    generator = stream()
    contextvars.copy_context().run(step, generator)
    contextvars.copy_context().run(step, generator)

    assert not caplog.records
    assert instrumented.seen().one("execute_tool stream").status.status_code == StatusCode.UNSET
    assert not trace.get_current_span().get_span_context().is_valid


def test_without_content_the_steps_say_that_they_happened_and_no_more(instrument: Instrument) -> None:
    instrumented = instrument(content=None)
    with spanwarden.agent("coder"):
        bash("cat secret.txt")
        spanwarden.reasoning("It is in secret.txt.")

    seen = instrumented.seen()
    assert seen.trees() == [("invoke_agent coder", ["execute_tool bash", "reasoning"])]
    assert all("secret" not in span.to_json() for span in seen)


def test_a_decorated_tool_keeps_its_name_and_signature() -> None:
    assert bash.__name__ == "bash"
    assert bash.__doc__ == "Run a command, or so it says."
    assert asyncio.iscoroutinefunction(bash_later)


def test_wrong_arguments_of_a_tool_raise_what_they_raise_without_us(instrumented: Instrumented) -> None:
    with pytest.raises(TypeError, match="command"):
        bash()  # type: ignore[call-arg]

    assert instrumented.instrumentor.counts.faults == 0


def test_a_tool_that_runs_in_a_worker_thread_finds_its_call(instrumented: Instrumented) -> None:
    with scripted_model(*ONE_TOOL) as model, ThreadPoolExecutor(1) as worker:
        worker.submit(bash, "warm up").result()
        _loop(client(model.url), lambda call: worker.submit(bash, **json.loads(call.function.arguments)).result())

    _warm_up, run = instrumented.seen().trees()
    assert run == ("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])


def test_a_tool_in_a_later_trace_is_not_put_into_the_earlier_session(instrumented: Instrumented) -> None:
    tracer = instrumented.provider.get_tracer("user")
    with scripted_model(said("Hello.")) as model:
        with tracer.start_as_current_span("request of one user"):
            run_loop(client(model.url), conversation("Hello?"))
        with tracer.start_as_current_span("request of another"):
            bash("pwd")

    seen = instrumented.seen()
    assert len(set(seen.values("spanwarden.session.id"))) == 2
