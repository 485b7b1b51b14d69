"""Whole span trees of hand-written loops over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from instrumentation.instrumented import Instrumented
from instrumentation.loops import TOOLS, async_client, client, conversation, http_package, run_async_loop, run_loop
from instrumentation.seen import attribute, content
from scripted_model import asked, said, scripted_model

TWO_TOOLS = (
    asked(
        ("call_1", "bash", {"command": "ls"}),
        ("call_2", "read_file", {"path": "a.txt"}),
        reasoning_content="I look around first.",
    ),
    said("There is one file."),
)
STEPS: list[Any] = [("chat gpt-5", ["reasoning"]), "execute_tool bash", "execute_tool read_file", "chat gpt-5"]
TWO_TOOL_TREE = [("invoke_agent", STEPS)]


def test_a_two_tool_loop_becomes_one_tree(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    assert instrumented.seen().trees() == TWO_TOOL_TREE


def test_an_asynchronous_loop_becomes_the_same_tree(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        asyncio.run(_run_async(model.url))

    assert instrumented.seen().trees() == TWO_TOOL_TREE


async def _run_async(url: str) -> None:
    async with async_client(url) as openai:
        await run_async_loop(openai, conversation("What is here?"))


def test_steps_count_from_one_without_gaps_within_one_session(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    seen = instrumented.seen()
    assert seen.values("spanwarden.step") == [1, 2, 3, 4, 5]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert len(seen.values("spanwarden.session.id")) == len(seen)


def test_the_model_call_carries_what_the_conventions_ask_for(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        openai = client(model.url)
        openai.chat.completions.create(
            model="gpt-5",
            messages=conversation("What is here?"),
            tools=TOOLS,
            temperature=0,
            max_completion_tokens=50,
            stop="END",
            seed=3,
            reasoning_effort="low",
            response_format={"type": "json_object"},
        )

    span = instrumented.seen().one("chat")
    port = attribute(span, "server.port")
    chosen = {key: value for key, value in (span.attributes or {}).items() if not key.endswith((".messages", "s.id"))}
    assert f"http://127.0.0.1:{port}/v1" == model.url
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert chosen == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "server.address": "127.0.0.1",
        "server.port": port,
        "openai.api.type": "chat_completions",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.seed": 3,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "scripted-2026",
        "gen_ai.response.finish_reasons": ("tool_call",),
        "openai.response.service_tier": "default",
        "openai.response.system_fingerprint": "fp_1",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "gen_ai.tool.definitions": attribute(span, "gen_ai.tool.definitions"),
        "spanwarden.session.id": attribute(span, "spanwarden.session.id"),
        "spanwarden.step": 1,
    }


def test_messages_come_in_the_shape_of_the_conventions(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    first, second = instrumented.seen().named("chat")
    calls = [
        {"type": "tool_call", "name": "bash", "arguments": {"command": "ls"}, "id": "call_1"},
        {"type": "tool_call", "name": "read_file", "arguments": {"path": "a.txt"}, "id": "call_2"},
    ]
    reasoning = {"type": "reasoning", "content": "I look around first."}
    asked_for = {"role": "assistant", "parts": [reasoning, *calls]}
    assert content(first, "gen_ai.output.messages") == [{**asked_for, "finish_reason": "tool_call"}]
    assert content(second, "gen_ai.input.messages") == [
        {"role": "system", "parts": [{"type": "text", "content": "Be careful."}]},
        {"role": "user", "parts": [{"type": "text", "content": "What is here?"}]},
        asked_for,
        _response("call_1", 'ran {"command": "ls"}'),
        _response("call_2", 'ran {"path": "a.txt"}'),
    ]


def _response(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": text}]}


def test_a_tool_span_says_what_was_asked_and_what_came_back(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    span = instrumented.seen().one("execute_tool bash")
    assert span.kind == SpanKind.INTERNAL
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bash",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.description": "run bash",
        "gen_ai.tool.call.arguments": '{"command": "ls"}',
        "gen_ai.tool.call.result": 'ran {"command": "ls"}',
        "spanwarden.session.id": attribute(span, "spanwarden.session.id"),
        "spanwarden.step": 3,
        "spanwarden.inferred": True,
    }


def test_a_tool_span_lies_between_the_answer_that_asked_and_the_request_with_its_result(
    instrumented: Instrumented,
) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    seen = instrumented.seen()
    first, second = seen.named("chat")
    for tool in seen.named("execute_tool"):
        assert (tool.start_time, tool.end_time) == (first.end_time, second.start_time)


def test_the_root_spans_the_run_and_sums_it_up(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    seen = instrumented.seen()
    root, chats = seen.one("invoke_agent"), seen.named("chat")
    assert (root.kind, root.start_time, root.end_time) == (
        SpanKind.INTERNAL,
        chats[0].start_time,
        chats[1].end_time,
    )
    assert dict(root.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 22,
        "gen_ai.usage.output_tokens": 14,
        "gen_ai.response.finish_reasons": ("stop",),
        "spanwarden.session.id": attribute(root, "spanwarden.session.id"),
        "spanwarden.inferred": True,
    }


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "Because."},
        {"reasoning": "Because."},
        {"reasoning_content": "Because.", "reasoning": "Because."},
    ],
)
def test_reasoning_is_a_span_in_every_spelling(instrumented: Instrumented, message: dict[str, str]) -> None:
    with scripted_model(said("Yes.", **message)) as model:
        run_loop(client(model.url), conversation("Why?"))

    seen = instrumented.seen()
    span, chat = seen.one("reasoning"), seen.one("chat")
    assert (span.start_time, span.end_time, span.kind) == (chat.start_time, chat.end_time, SpanKind.INTERNAL)
    assert dict(span.attributes or {}) == {
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"reasoning","content":"Because."}]}]',
        "spanwarden.reasoning.kind": "raw",
        "spanwarden.session.id": attribute(chat, "spanwarden.session.id"),
        "spanwarden.step": 2,
        "spanwarden.inferred": True,
    }


def test_a_later_user_turn_is_a_new_trace_linked_to_the_earlier_in_the_same_session(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS, asked(("call_3", "bash", {"command": "pwd"})), said("Here.")) as model:
        openai, messages = client(model.url), conversation("What is here?")
        run_loop(openai, messages)
        messages.append({"role": "user", "content": "And where is that?"})
        run_loop(openai, messages)

    seen = instrumented.seen()
    first, second = seen.named("invoke_agent")
    assert first.context.trace_id != second.context.trace_id
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert seen.values("spanwarden.step") == list(range(1, 9))


def test_a_current_span_is_the_parent_and_no_root_is_made(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model, instrumented.provider.get_tracer("user").start_as_current_span("request"):
        run_loop(client(model.url), conversation("What is here?"))

    assert instrumented.seen().trees() == [("request", STEPS)]


def test_turns_under_spans_of_the_caller_are_one_session_and_linked(instrumented: Instrumented) -> None:
    tracer = instrumented.provider.get_tracer("user")
    with scripted_model(said("One."), said("Two.")) as model:
        openai, messages = client(model.url), conversation("First?")
        with tracer.start_as_current_span("request"):
            run_loop(openai, messages)
        messages.append({"role": "user", "content": "Second?"})
        with tracer.start_as_current_span("request"):
            run_loop(openai, messages)

    seen = instrumented.seen()
    first, second = seen.named("request")
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert [link.context.span_id for link in seen.named("chat")[1].links] == [first.context.span_id]
    assert second.links == ()


def test_a_conversation_without_tools_gets_no_root(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Well.")) as model:
        openai, messages = client(model.url), conversation("Hello?")
        run_loop(openai, messages, tools=())
        messages.append({"role": "user", "content": "How are you?"})
        run_loop(openai, messages, tools=())

    first, second = instrumented.seen().named("chat")
    assert instrumented.seen().trees() == ["chat gpt-5", "chat gpt-5"]
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert attribute(first, "spanwarden.session.id") == attribute(second, "spanwarden.session.id")


@pytest.mark.usefixtures("instrumented")
def test_the_root_is_never_current_for_the_caller() -> None:
    with scripted_model(*TWO_TOOLS) as model:
        client(model.url).chat.completions.create(model="gpt-5", messages=conversation("What?"), tools=TOOLS)

        assert not get_current_span().get_span_context().is_valid


def test_what_the_client_itself_does_belongs_under_the_model_call(instrumented: Instrumented) -> None:
    tracer, http = instrumented.provider.get_tracer("http"), http_package()
    with scripted_model(said("Hello.")) as model:

        class Transport(http.HTTPTransport):  # type: ignore[misc,name-defined]  # of the package that the client uses
            def handle_request(self, request: Any) -> Any:
                with tracer.start_as_current_span("POST"):
                    return super().handle_request(request)

        run_loop(client(model.url, http_client=http.Client(transport=Transport())), conversation("Hello?"))

    assert instrumented.seen().trees() == [("invoke_agent", [("chat gpt-5", ["POST"])])]
