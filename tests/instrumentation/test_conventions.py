"""Every span keeps the rules of the GenAI semantic conventions: names, kinds, required attributes, JSON shapes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

import spanwarden
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import async_client, client, conversation, run_async_loop, run_loop
from instrumentation.seen import Seen, attribute, content
from scripted_model import asked, refusal, said, scripted_model
from scripted_responses import called, response, thought
from scripted_responses import message as spoken

NAMED_BY: Final[Mapping[str, str]] = {
    "chat": "gen_ai.request.model",
    "execute_tool": "gen_ai.tool.name",
    "invoke_agent": "gen_ai.agent.name",
    "embeddings": "gen_ai.request.model",
    "text_completion": "gen_ai.request.model",
    "fetch_response": "gen_ai.no_such_name",
}
KINDS: Final = {
    "chat": SpanKind.CLIENT,
    "embeddings": SpanKind.CLIENT,
    "text_completion": SpanKind.CLIENT,
    "fetch_response": SpanKind.CLIENT,
    "execute_tool": SpanKind.INTERNAL,
    "invoke_agent": SpanKind.INTERNAL,
}
PRESENT: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": ("gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port", "openai.api.type"),
    "text_completion": ("gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"),
    "embeddings": (
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "server.address",
        "gen_ai.embeddings.dimension.count",
    ),
    "fetch_response": ("gen_ai.provider.name", "gen_ai.response.id", "gen_ai.response.status", "openai.api.type"),
    "execute_tool": ("gen_ai.tool.name", "gen_ai.tool.type"),
    "invoke_agent": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
}
ANSWERED: Final = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
)
REQUIRED_OF_PART: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("content",),
    "reasoning": ("content",),
    "tool_call": ("name",),
    "tool_call_response": ("response",),
    "blob": ("modality", "content"),
    "file": ("modality", "file_id"),
    "uri": ("modality", "uri"),
    "server_tool_call": ("name", "server_tool_call"),
    "compaction": (),
    "approval": ("decision", "source"),
    "time_travel_call": (),
}

RUN: Final = {
    "id": "run_1",
    "object": "thread.run",
    "thread_id": "thread_1",
    "assistant_id": "a",
    "model": "gpt-5-2026",
}
MESSAGE: Final = {
    "id": "msg_1",
    "role": "assistant",
    "run_id": "run_1",
    "content": [{"type": "text", "text": {"value": "Done."}}],
}

pytestmark = pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")


def _many_things(instrumented: Instrumented) -> Seen:
    """Loops, errors, own steps and pictures, all in one."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    answers = (
        asked(("call_1", "bash", {"command": "ls"}), reasoning_content="I look."),
        said("Done.", refusal="Not that."),
        said("A dot."),
        said("As an agent."),
        refusal(429, "slow down"),
        said("Streamed.", reasoning="Slowly."),
        response(
            thought("In short.", encrypted="x"),
            called("call_9", "bash", {"command": "ls"}),
            {"type": "mcp_call", "id": "c", "name": "send", "arguments": "{}", "server_label": "m", "output": "ok"},
            {"type": "compaction", "id": "c", "encrypted_content": "y"},
            {"type": "time_travel_call", "id": "c", "year": 1985},
        ),
        response(spoken("Fetched."), response_id="resp_2"),
        {"model": "embed", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}},
        {**said("x"), "choices": [{"index": 0, "text": "upon a time", "finish_reason": "stop"}]},
        {**RUN, "status": "completed", "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
        {**RUN, "status": "completed"},
        {"object": "list", "data": [MESSAGE], "has_more": False},
    )
    with scripted_model(*answers) as model:
        user = client(model.url)
        run_loop(user, conversation("Go."))
        run_loop(user, [{"role": "user", "content": [{"type": "text", "text": "What?"}, picture]}])
        with spanwarden.agent("coder"), spanwarden.tool("search", {"query": "x"}) as search:
            search.result = {"hits": 3}
            run_loop(user, conversation("Go on."))
            spanwarden.reasoning("That was it.")
        with contextlib.suppress(openai.RateLimitError):
            run_loop(user, conversation("And now?"))
        _other_apis(user)
    seen = instrumented.seen()
    assert len(seen) == 24
    return seen


def _other_apis(user: openai.OpenAI) -> None:
    """Everything that is not a plain chat completion."""
    list(user.chat.completions.create(model="gpt-5", messages=conversation("Stream."), stream=True))
    approval: Any = {"type": "mcp_approval_response", "approval_request_id": "c", "approve": True}
    user.responses.create(model="gpt-5", input=[{"role": "user", "content": "Go."}, approval], instructions="Careful.")
    user.responses.retrieve("resp_2")
    user.embeddings.create(model="embed", input="text", encoding_format="float")
    user.completions.create(model="davinci", prompt="Once")
    threads: Any = user.beta.threads
    threads.runs.create("thread_1", assistant_id="asst_1", model="gpt-5")
    threads.runs.retrieve("run_1", thread_id="thread_1")
    threads.messages.list("thread_1")


def test_names_and_kinds_follow_the_operation(instrumented: Instrumented) -> None:
    for span in _many_things(instrumented):
        operation = attribute(span, "gen_ai.operation.name")
        if operation is None:
            assert (span.name, span.kind) == ("reasoning", SpanKind.INTERNAL)
            continue
        what = attribute(span, NAMED_BY[operation])
        assert span.name == (f"{operation} {what}" if what else operation)
        assert span.kind == KINDS[operation]


def test_required_and_recommended_attributes_are_there(instrumented: Instrumented) -> None:
    for span in _many_things(instrumented):
        operation = attribute(span, "gen_ai.operation.name")
        failed = span.status.status_code == StatusCode.ERROR
        inferred = operation in ("chat", "text_completion") and not failed
        streamed = bool(attribute(span, "gen_ai.request.stream"))
        answered = (*ANSWERED, "gen_ai.response.time_to_first_chunk") if streamed else ANSWERED
        wanted = PRESENT.get(operation, ()) + (answered if inferred else ())
        assert [key for key in wanted if attribute(span, key) is None] == []
        assert attribute(span, "spanwarden.session.id")
        assert (attribute(span, "spanwarden.step") is None) is (operation == "invoke_agent")


def test_only_failed_spans_have_an_error_type_and_none_has_status_ok(instrumented: Instrumented) -> None:
    for span in _many_things(instrumented):
        assert span.status.status_code != StatusCode.OK
        assert (span.status.status_code == StatusCode.ERROR) is (attribute(span, "error.type") is not None)


def test_messages_have_roles_and_parts_with_what_their_type_needs(instrumented: Instrumented) -> None:
    for span in _many_things(instrumented):
        for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
            for message in content(span, key) if attribute(span, key) else ():
                assert message["role"] in ("system", "user", "assistant", "tool")
                for part in message["parts"]:
                    assert set(REQUIRED_OF_PART[part["type"]]) <= set(part)


def test_tool_definitions_have_type_and_name(instrumented: Instrumented) -> None:
    (first, *_) = _many_things(instrumented).named("chat")
    for definition in content(first, "gen_ai.tool.definitions"):
        assert definition["type"] == "function"
        assert definition["name"] in ("bash", "read_file")


def test_no_attribute_of_ours_is_outside_of_our_prefix(instrumented: Instrumented) -> None:
    prefixes = ("gen_ai.", "openai.", "server.", "error.", "http.", "spanwarden.")
    for span in _many_things(instrumented):
        assert [key for key in span.attributes or {} if not key.startswith(prefixes)] == []


def _by_session(seen: Seen) -> dict[str, list[ReadableSpan]]:
    sessions: dict[str, list[ReadableSpan]] = {}
    for span in seen:
        sessions.setdefault(attribute(span, "spanwarden.session.id"), []).append(span)
    return sessions


def _assert_whole_sessions(instrumented: Instrumented, count: int) -> None:
    sessions = _by_session(instrumented.seen())
    assert len(sessions) == count
    for spans in sessions.values():
        steps = sorted(attribute(span, "spanwarden.step") for span in spans if span.name != "invoke_agent")
        assert steps == [1, 2, 3, 4]
        assert len({span.context.trace_id for span in spans}) == 1
    assert instrumented.instrumentor.counts.faults == 0


LOOPS = 24
SAME_LOOP = (asked(("call_1", "bash", {"command": "ls"}), reasoning_content="I look."), said("Done."))


@pytest.mark.parametrize("workers", [1, 8])
def test_loops_in_threads_keep_whole_sessions_even_with_equal_call_ids(instrument: Instrument, workers: int) -> None:
    instrumented = instrument()
    with scripted_model(by_results=SAME_LOOP) as model, ThreadPoolExecutor(workers) as pool:
        user = client(model.url)
        list(pool.map(lambda _: run_loop(user, conversation("Go.")), range(LOOPS)))

    _assert_whole_sessions(instrumented, LOOPS)


def test_loops_in_tasks_keep_whole_sessions_even_with_equal_call_ids(instrumented: Instrumented) -> None:
    async def run_all(url: str) -> None:
        async with async_client(url) as user, asyncio.TaskGroup() as group:
            for _ in range(LOOPS):
                group.create_task(run_async_loop(user, conversation("Go.")))

    with scripted_model(by_results=SAME_LOOP) as model:
        asyncio.run(run_all(model.url))

    _assert_whole_sessions(instrumented, LOOPS)
