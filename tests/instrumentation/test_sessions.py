"""Which session a request continues, told from the outside: by the ids on the spans."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import get_current_span

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, Messages, client, conversation, results, run_loop
from instrumentation.seen import attribute, content
from scripted_model import asked, said, scripted_model
from spanwarden.guard import Counts
from spanwarden.messages import AskedCall
from spanwarden.sessions import Limits, Sessions


def _ask(openai: OpenAI, messages: Messages) -> Any:
    message = openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
    messages.append(message)
    return message


def _sessions(instrumented: Instrumented) -> list[str]:
    return [attribute(span, "spanwarden.session.id") for span in instrumented.seen().named("chat")]


def test_equal_first_messages_are_two_sessions(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Hello.")) as model:
        for _ in range(2):
            run_loop(client(model.url), conversation("Hello?"))

    first, second = _sessions(instrumented)
    assert first != second


def test_equal_call_ids_in_turn_are_two_sessions(instrumented: Instrumented) -> None:
    script = (asked(("call_1", "bash", {"command": "ls"})), said("Done."))
    with scripted_model(*script, *script) as model:
        for _ in range(2):
            run_loop(client(model.url), conversation("Go."))

    first, again, second, again_second = _sessions(instrumented)
    assert first == again != second == again_second
    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])] * 2


def test_equal_call_ids_side_by_side_in_threads_are_two_sessions(instrumented: Instrumented) -> None:
    call = asked(("call_1", "bash", {"command": "ls"}))
    with (
        scripted_model(call, call, said("Done."), said("Done.")) as model,
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(1) as other,
    ):
        openai, talks = client(model.url), (conversation("Go."), conversation("Go."))
        for _ in range(2):
            for worker, messages in zip((one, other), talks, strict=True):
                message = worker.submit(_ask, openai, messages).result()
                messages.extend(results(message) if message.tool_calls else [])

    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])] * 2


def test_a_session_goes_on_in_another_thread(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        for _ in range(2):
            with ThreadPoolExecutor(1) as worker:
                message = worker.submit(_ask, openai, messages).result()
            messages.extend(results(message) if message.tool_calls else [])

    assert len(set(_sessions(instrumented))) == 1


def test_messages_kept_as_plain_dictionaries_join(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        message = _ask(openai, messages)
        messages[-1] = json.loads(message.model_dump_json(exclude_none=True))
        messages.extend(results(message))
        _ask(openai, messages)

    assert len(set(_sessions(instrumented))) == 1


def test_arguments_that_the_program_writes_anew_still_join(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls", "timeout": 5})), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        message = _ask(openai, messages)
        rewritten = json.loads(message.model_dump_json(exclude_none=True))
        rewritten["tool_calls"][0]["function"]["arguments"] = '{"timeout":5,"command":"ls"}'
        messages[-1] = rewritten
        messages.extend(results(message))
        _ask(openai, messages)

    seen = instrumented.seen()
    assert len(set(_sessions(instrumented))) == 1
    arguments = attribute(seen.one("execute_tool"), "gen_ai.tool.call.arguments")
    assert arguments == '{"command": "ls", "timeout": 5}', "as the model wrote them"


def test_a_call_id_in_a_fixed_example_does_not_join(instrumented: Instrumented) -> None:
    example = [
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "bash", "arguments": '{"command":"date"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "today"},
    ]
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), said("Done."), said("Hello.")) as model:
        run_loop(client(model.url), conversation("Go."))
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(_ask, client(model.url), [*conversation("Show me."), *example]).result()

    first, _, third = _sessions(instrumented)
    assert first != third


def test_a_shortened_history_still_joins(instrumented: Instrumented) -> None:
    with scripted_model(said("One."), said("Two."), said("Three.")) as model:
        openai, messages = client(model.url), conversation("First?")
        for question in ("Second?", "Third?"):
            _ask(openai, messages)
            messages.append({"role": "user", "content": question})
        del messages[1:3]
        _ask(openai, messages)

    assert len(set(_sessions(instrumented))) == 1


def test_results_that_come_in_two_requests_are_each_inferred_once(instrumented: Instrumented) -> None:
    calls = (("call_1", "bash", {"command": "ls"}), ("call_2", "bash", {"command": "pwd"}))
    with scripted_model(asked(*calls), said("One more?"), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        first, second = results(_ask(openai, messages))
        messages.append(first)
        _ask(openai, messages)
        messages.append(second)
        _ask(openai, messages)

    ids = instrumented.seen().values("gen_ai.tool.call.id")
    assert ids == ["call_1", "call_2"]


class _EveryOtherRoot(Sampler):
    """Drops the first trace, keeps the second, and so on; children follow their parents."""

    def __init__(self) -> None:
        self.roots = 0

    def should_sample(self, parent_context: Any, *arguments: Any, **named: Any) -> SamplingResult:
        parent = get_current_span(parent_context).get_span_context()
        if not parent.is_valid:
            self.roots += 1
        keep = parent.trace_flags.sampled if parent.is_valid else self.roots % 2 == 0
        return (ALWAYS_ON if keep else ALWAYS_OFF).should_sample(parent_context, *arguments, **named)

    def get_description(self) -> str:
        return "every other root"


def test_a_run_is_sampled_as_a_whole_or_not_at_all(instrument: Instrument) -> None:
    instrumented = instrument(sampler=_EveryOtherRoot())
    script = [asked((f"call_{number}", "bash", {"command": "ls"})) for number in range(3)]
    with scripted_model(*script, said("Done."), *script, said("Done.")) as model:
        for _ in range(2):
            run_loop(client(model.url), conversation("Go."))

    steps = ["chat gpt-5", *["execute_tool bash", "chat gpt-5"] * 3]
    assert instrumented.seen().trees() == [("invoke_agent", steps)]


def test_what_is_remembered_is_bounded_and_counted() -> None:
    counts = Counts()
    sessions = Sessions(counts, Limits(calls=10, answers=10, open_calls=5, open_characters=1000))
    session = sessions.start()
    for number in range(100):
        sessions.asked(session, [AskedCall(f"call_{number}", "bash", "function", "{}")], 0, ())
        sessions.answered(session, {"role": "assistant", "content": f"answer {number}"}, None)

    assert (counts.joins_evicted, counts.calls_evicted, len(session.pending)) == (180, 95, 5)


def test_arguments_of_open_calls_are_bounded_by_their_length() -> None:
    counts = Counts()
    sessions = Sessions(counts, Limits(open_characters=1000))
    session = sessions.start()
    for number in range(10):
        sessions.asked(session, [AskedCall(f"call_{number}", "write", "function", "x" * 300)], 0, ())

    assert list(session.pending) == ["call_7", "call_8", "call_9"]
    assert counts.calls_evicted == 7


@pytest.mark.parametrize("kind", ["custom", "function"])
def test_custom_tools_are_steps_too(instrumented: Instrumented, kind: str) -> None:
    answer = asked(("call_1", "patch", {"text": "+1"}))
    if kind == "custom":
        answer["choices"][0]["message"]["tool_calls"] = [
            {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": "+1"}}
        ]
    with scripted_model(answer, said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        _ask(openai, messages)
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": "patched"})
        _ask(openai, messages)

    span = instrumented.seen().one("execute_tool patch")
    expected = "+1" if kind == "custom" else '{"text": "+1"}'
    assert attribute(span, "gen_ai.tool.call.arguments") == expected
    assert content(instrumented.seen().named("chat")[1], "gen_ai.input.messages")[2]["parts"][0]["name"] == "patch"


def test_the_older_functions_join_and_end_their_run(instrumented: Instrumented) -> None:
    answer = said("")
    answer["choices"][0].update(
        message={
            "role": "assistant",
            "content": None,
            "function_call": {"name": "bash", "arguments": '{"command":"ls"}'},
        },
        finish_reason="function_call",
    )
    with scripted_model(answer, said("Done.")) as model:
        create: Any = client(model.url).chat.completions.create
        messages, functions = conversation("Go."), [tool["function"] for tool in TOOLS]
        messages.append(create(model="gpt-5", messages=messages, functions=functions).choices[0].message)
        messages.append({"role": "function", "name": "bash", "content": "a.txt"})
        create(model="gpt-5", messages=messages, functions=functions)

    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "chat gpt-5"])]
    sent = content(instrumented.seen().named("chat")[1], "gen_ai.input.messages")
    assert sent[2]["parts"] == [{"type": "tool_call", "name": "bash", "arguments": {"command": "ls"}}]
    assert sent[3]["parts"] == [{"type": "tool_call_response", "response": "a.txt"}]
