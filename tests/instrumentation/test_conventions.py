"""Every operation, in every form in which it can go, keeps the rules of the GenAI semantic conventions.

What every span of every test has to keep is checked by `conventions.faults_of`, where the fixture is taken down; here
are the operations and forms, one by one, with what is recommended for answers of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import openai
import pytest
from openai.resources.responses import Responses
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

import spanwarden
from instrumentation.conventions import OPERATIONS, faults_of, message_faults
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import (
    TOOLS,
    accepts,
    async_client,
    client,
    connection_errors,
    conversation,
    helpers,
    run_async_loop,
    run_loop,
)
from instrumentation.seen import Seen, attribute
from scripted_model import asked, refusal, said, scripted, scripted_model
from scripted_responses import called, message, response, response_events, thought
from scripted_socket import scripted_socket

USER: Final[Any] = [{"role": "user", "content": "Go."}]
PICTURE: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
LINK: Final = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
APPROVAL: Final[Any] = {"type": "mcp_approval_response", "approval_request_id": "c", "approve": True}
FLAT: Final[Any] = [{"type": "function", **tool["function"], "strict": False} for tool in TOOLS]
LOOP: Final = (
    asked(("call_1", "bash", {"command": "ls"}), ("call_2", "read_file", {"path": "a"}), reasoning_content="I look."),
    said("Done."),
)
ITEMS: Final = response(
    thought("In short.", encrypted="x"),
    called("call_9", "bash", {"command": "ls"}),
    {"type": "mcp_call", "id": "c", "name": "send", "arguments": "{}", "server_label": "m", "output": "ok"},
    {"type": "web_search_call", "id": "w", "action": {"type": "search", "query": "q"}, "status": "completed"},
    {"type": "compaction", "id": "c", "encrypted_content": "y"},
    {"type": "time_travel_call", "id": "c", "year": 1985},
    message("I look."),
)
REFUSED: Final = {**message(""), "content": [{"type": "refusal", "refusal": "Not that."}]}
EMBEDDINGS: Final = {
    "object": "list",
    "model": "embed-2026",
    "data": [{"embedding": [0.5], "index": 0, "object": "embedding"}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
COMPLETION: Final = {**said("x"), "choices": [{"index": 0, "text": "upon a time", "finish_reason": "stop"}]}
PIECE: Final = {key: COMPLETION[key] for key in ("id", "object", "created", "model")}
PIECES: Final = [
    {**PIECE, "choices": [{"index": 0, "text": "upon a time", "finish_reason": "stop"}]},
    {**PIECE, "choices": [], "usage": COMPLETION["usage"]},
]
RUN: Final = {"id": "run_1", "object": "thread.run", "thread_id": "thread_1", "assistant_id": "a", "model": "gpt-2026"}
RUN_USAGE: Final = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
WANTED: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "bash", "arguments": json.dumps({"command": "ls"})},
}
WANTS: Final = {
    **RUN,
    "status": "requires_action",
    "usage": RUN_USAGE,
    "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [WANTED]}},
}
SPOKEN: Final = {
    "object": "list",
    "has_more": False,
    "data": [
        {
            "id": "msg_1",
            "role": "assistant",
            "run_id": "run_1",
            "content": [{"type": "text", "text": {"value": "Done."}}],
        }
    ],
}

pytestmark = pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")


def _chat(user: openai.OpenAI) -> None:
    run_loop(user, [{"role": "user", "content": [{"type": "text", "text": "What?"}, PICTURE, LINK]}])


def _asynchronous_chat(user: openai.OpenAI) -> None:
    async def run() -> None:
        async with async_client(str(user.base_url)) as asynchronous:
            await run_async_loop(asynchronous, conversation("Go."))

    asyncio.run(run())


def _streamed_chat(user: openai.OpenAI) -> None:
    usage: Any = {"include_usage": True}
    list(user.chat.completions.create(model="gpt-5", messages=USER, stream=True, stream_options=usage, n=2))


def _left_chat(user: openai.OpenAI) -> None:
    with user.chat.completions.create(model="gpt-5", messages=USER, stream=True) as stream:
        next(iter(stream))


def _broken_chat(user: openai.OpenAI) -> None:
    with contextlib.suppress(*connection_errors()):
        list(user.chat.completions.create(model="gpt-5", messages=USER, stream=True))


def _helped_chat(user: openai.OpenAI) -> None:
    with helpers(user).stream(model="gpt-5", messages=USER, stream_options={"include_usage": True}) as stream:
        stream.until_done()


def _failing_chat(user: openai.OpenAI) -> None:
    with contextlib.suppress(openai.RateLimitError):
        run_loop(user, conversation("Go."))


def _full_chat(user: openai.OpenAI) -> None:
    user.chat.completions.create(
        model="gpt-5",
        messages=USER,
        temperature=0,
        top_p=1,
        presence_penalty=0,
        frequency_penalty=1,
        seed=-3,
        stop=["END", "."],
        n=2,
        max_completion_tokens=5,
        reasoning_effort="low",
        service_tier="flex",
        modalities=["text", "audio"],
    )


def _responses(user: openai.OpenAI) -> None:
    user.responses.create(model="gpt-5", input=[*USER, APPROVAL], instructions="Careful.", tools=FLAT)


def _streamed_responses(user: openai.OpenAI) -> None:
    list(user.responses.create(model="gpt-5", input="Go.", stream=True))


def _broken_responses(user: openai.OpenAI) -> None:
    with contextlib.suppress(*connection_errors()):
        list(user.responses.create(model="gpt-5", input="Go.", stream=True))


def _failing_responses(user: openai.OpenAI) -> None:
    with contextlib.suppress(openai.RateLimitError):
        user.responses.create(model="gpt-5", input="Go.", previous_response_id="resp_0")


def _fetched(user: openai.OpenAI) -> None:
    with contextlib.suppress(openai.NotFoundError):
        user.responses.retrieve("resp_1")


def _fetched_as_a_stream(user: openai.OpenAI) -> None:
    list(user.responses.retrieve("resp_1", stream=True, starting_after=2))


def _embeddings(user: openai.OpenAI) -> None:
    with contextlib.suppress(openai.RateLimitError):
        user.embeddings.create(model="embed", input="text", encoding_format="float", dimensions=1)


def _completions(user: openai.OpenAI) -> None:
    user.completions.create(model="davinci", prompt="Once")


def _streamed_completions(user: openai.OpenAI) -> None:
    list(user.completions.create(model="davinci", prompt="Once", stream=True))


def _assistants(user: openai.OpenAI) -> None:
    threads: Any = user.beta.threads
    threads.runs.create("thread_1", assistant_id="asst_1", model="gpt-5")
    threads.runs.submit_tool_outputs("run_1", thread_id="thread_1", tool_outputs=[{"tool_call_id": "call_1"}])
    threads.runs.retrieve("run_1", thread_id="thread_1")
    threads.messages.list("thread_1")


def _announced(user: openai.OpenAI) -> None:
    with spanwarden.agent("coder", conversation_id="ticket_7"), spanwarden.tool("search", {"query": "x"}) as search:
        search.result = {"hits": 3}
        run_loop(user, conversation("Go on."))
        spanwarden.reasoning("That was it.")


def _failing_run(_user: openai.OpenAI) -> None:
    with contextlib.suppress(LookupError), spanwarden.agent("coder"), spanwarden.tool("search"):
        raise LookupError("nothing there")


class Form(NamedTuple):
    """A way to go: what the server answers, what the program does, and the spans that it leaves, in order.

    `complete` is false where an answer is broken off, or refused.
    """

    answers: Sequence[dict[str, Any]]
    act: Callable[[openai.OpenAI], None]
    operations: Sequence[str | None]
    complete: bool = True


AGENT, CHAT, TOOL = "invoke_agent", "chat", "execute_tool"
FORMS: Final = {
    "chat": Form(LOOP, _chat, (AGENT, CHAT, None, TOOL, TOOL, CHAT)),
    "chat, asynchronous": Form(LOOP, _asynchronous_chat, (AGENT, CHAT, None, TOOL, TOOL, CHAT)),
    "chat, everything asked for": Form((said("Done."),), _full_chat, (CHAT,)),
    "chat, refused by the model": Form((said("", refusal="Not that."),), _chat, (AGENT, CHAT)),
    "chat, older functions": Form(
        ({**said(""), "choices": [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "function_call"}]},),
        _chat,
        (AGENT, CHAT),
    ),
    "chat, streamed": Form((LOOP[0],), _streamed_chat, (CHAT, None)),
    "chat, streamed by the helper": Form((said("Hi.", reasoning="Short."),), _helped_chat, (CHAT, None)),
    "chat, refused in a stream": Form((said("", refusal="Not that."),), _streamed_chat, (CHAT,)),
    "chat, left early": Form((said("Once upon a time."),), _left_chat, (CHAT,), complete=False),
    "chat, broken off": Form((scripted(said("Once upon"), cut_before=1),), _broken_chat, (CHAT,), complete=False),
    "chat, failed": Form((refusal(429, "slow down"),), _failing_chat, (AGENT, CHAT), complete=False),
    "responses": Form((ITEMS,), _responses, (CHAT, None)),
    "responses, refused by the model": Form((response(REFUSED),), _responses, (AGENT, CHAT)),
    "responses, incomplete": Form(
        (response(message("Half"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),),
        _responses,
        (AGENT, CHAT),
    ),
    "responses, failed by the model": Form(
        (response(status="failed", error={"code": "server_error", "message": "no"}),), _responses, (AGENT, CHAT)
    ),
    "responses, streamed": Form((ITEMS,), _streamed_responses, (CHAT, None)),
    "responses, refused in a stream": Form((response(REFUSED),), _streamed_responses, (CHAT,)),
    "responses, broken off": Form(
        (scripted(ITEMS, events=response_events(ITEMS), cut_before=12),),
        _broken_responses,
        (CHAT, None),
        complete=False,
    ),
    "responses, failed": Form((refusal(429, "slow down"),), _failing_responses, (CHAT,), complete=False),
    "fetched": Form((ITEMS,), _fetched, ("fetch_response", None)),
    "fetched, not done": Form((response(status="queued", usage=None),), _fetched, ("fetch_response",), complete=False),
    "fetched, failed": Form((refusal(404, "no such response"),), _fetched, ("fetch_response",), complete=False),
    "embeddings": Form((EMBEDDINGS,), _embeddings, ("embeddings",)),
    "embeddings, failed": Form((refusal(429, "slow down"),), _embeddings, ("embeddings",), complete=False),
    "older completions": Form((COMPLETION,), _completions, ("text_completion",)),
    "older completions, streamed": Form(
        (scripted(COMPLETION, events=PIECES),), _streamed_completions, ("text_completion",)
    ),
    "assistants": Form(
        (WANTS, {**RUN, "status": "queued"}, {**RUN, "status": "completed", "usage": RUN_USAGE}, SPOKEN),
        _assistants,
        (AGENT, CHAT, TOOL, CHAT, "fetch_response", "fetch_response"),
        complete=False,
    ),
    "announced": Form(LOOP, _announced, (AGENT, TOOL, CHAT, None, TOOL, TOOL, CHAT, None)),
    "announced, failed": Form((), _failing_run, (AGENT, TOOL), complete=False),
}
KNOWS_STREAMED_RETRIEVAL = pytest.mark.skipif(
    not accepts(Responses.retrieve, "stream"), reason="the installed client does not stream what it fetches"
)
ANSWERED: Final = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
)
RECOMMENDED: Final = {
    "chat": ANSWERED,
    "text_completion": ANSWERED,
    "embeddings": (
        "gen_ai.embeddings.dimension.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
    ),
    "fetch_response": ("gen_ai.response.finish_reasons", "gen_ai.response.model", "gen_ai.response.status"),
    "execute_tool": ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
    "invoke_agent": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
}
"""What is recommended, or stands on a span where content is asked for, of whatever was answered in full."""


def _operations(seen: Seen) -> list[Any]:
    return [attribute(span, "gen_ai.operation.name") for span in seen]


def _lacking(span: ReadableSpan) -> list[str]:
    streamed = ("gen_ai.response.time_to_first_chunk",) if attribute(span, "gen_ai.request.stream") else ()
    operation = attribute(span, "gen_ai.operation.name")
    wanted = (*RECOMMENDED[operation], *streamed) if operation else ("gen_ai.output.messages",)
    return [f"{span.name} lacks {key}" for key in wanted if attribute(span, key) is None]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_operation_keeps_the_conventions_in_every_form(instrumented: Instrumented, form: Form) -> None:
    with scripted_model(*form.answers) as model:
        form.act(client(model.url))

    seen = instrumented.seen()
    assert sorted(map(str, _operations(seen))) == sorted(map(str, form.operations))
    assert [fault for span in seen for fault in faults_of(span)] == []
    if form.complete:
        assert [lack for span in seen for lack in _lacking(span)] == []


def test_the_forms_are_of_every_operation() -> None:
    assert {operation for form in FORMS.values() for operation in form.operations} == {*OPERATIONS, None}


@KNOWS_STREAMED_RETRIEVAL
def test_what_is_fetched_as_a_stream_keeps_the_conventions(instrumented: Instrumented) -> None:
    with scripted_model(response(message("Fetched."))) as model:
        _fetched_as_a_stream(client(model.url))

    (span,) = instrumented.seen()
    assert faults_of(span) == _lacking(span) == []


def test_a_live_conversation_keeps_the_conventions(instrumented: Instrumented) -> None:
    details = {"cached_tokens": 3, "text_tokens": 6, "audio_tokens": 5, "cached_tokens_details": {"audio_tokens": 2}}
    usage = {"input_tokens": 11, "output_tokens": 7, "input_token_details": details}
    whole = response(called("call_1", "bash", {"command": "ls"}), usage=usage, conversation_id="conv_1")
    *events, last = response_events(whole)
    with scripted_socket([*events, {**last, "type": "response.done"}]) as socket:
        user: Any = client(socket.url, websocket_base_url=socket.url.replace("http", "ws", 1))
        realtime = user.realtime if hasattr(user, "realtime") else user.beta.realtime
        with realtime.connect(model="gpt-realtime") as connection:
            connection.send({"type": "session.update", "session": {"tools": FLAT, "output_modalities": ["audio"]}})
            connection.send({"type": "response.create"})
            while connection.recv().type != "response.done":
                pass
    instrumented.instrumentor.uninstrument()

    seen = instrumented.seen()
    assert _operations(seen) == ["invoke_agent", "chat"]
    assert [fault for span in seen for fault in (*faults_of(span), *_lacking(span))] == []
    chat = seen.one("chat")
    assert attribute(chat, "gen_ai.usage.text.input_tokens") == 6
    assert attribute(chat, "gen_ai.usage.audio.cache_read.input_tokens") == 2
    assert attribute(chat, "gen_ai.output.type") == "speech"
    assert seen.values("gen_ai.conversation.id") == ["conv_1", "conv_1"]


@pytest.mark.parametrize("name", ["chat", "chat, streamed", "responses", "older completions"])
def test_events_carry_what_the_span_does_with_content_in_its_structure(instrument: Instrument, name: str) -> None:
    instrumented = instrument(content="SPAN_AND_EVENT")
    with scripted_model(*FORMS[name].answers) as model:
        FORMS[name].act(client(model.url))

    chats = [span for span in instrumented.seen() if span.kind == SpanKind.CLIENT]
    logs = [log.log_record for log in instrumented.logs.get_finished_logs()]
    assert [log.span_id for log in logs] == [span.context.span_id for span in chats]
    for log, span in zip(logs, chats, strict=True):
        assert (log.event_name, log.severity_number.value) == ("gen_ai.client.inference.operation.details", 5)
        kept: Any = log.attributes
        for key, value in (span.attributes or {}).items():
            same = json.loads(value) if key in ("gen_ai.input.messages", "gen_ai.output.messages") else value
            if not key.endswith(("definitions", "instructions")):
                assert json.dumps(kept[key]) == json.dumps(same)
        assert [fault for each in kept["gen_ai.output.messages"] for fault in message_faults(each)] == []


def _span(name: str, kind: SpanKind = SpanKind.CLIENT, **changed: Any) -> ReadableSpan:
    """A chat span as it should be, but for what is changed."""
    good: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "server.address": "localhost",
        "server.port": 443,
        "openai.api.type": "responses",
        "spanwarden.session.id": "s",
        "spanwarden.step": 1,
    }
    told = {key.replace("__", "."): value for key, value in changed.items()}
    kept = {key: value for key, value in {**good, **told}.items() if value is not None}
    span: Any = TracerProvider().get_tracer("").start_span(name, kind=kind, attributes=kept)
    if "error.type" in kept:
        span.set_status(Status(StatusCode.ERROR))
    return span  # type: ignore[no-any-return]


def _said(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"gen_ai__output__messages": json.dumps([{"role": "assistant", "parts": list(parts), **more}])}


BAD: Final = {
    "name": _span("chat"),
    "kind": _span("chat gpt-5", SpanKind.INTERNAL),
    "no operation": _span("chat gpt-5", gen_ai__operation__name=None),
    "no provider": _span("chat gpt-5", gen_ai__provider__name=None),
    "unknown provider": _span("chat gpt-5", gen_ai__provider__name="acme"),
    "no session": _span("chat gpt-5", spanwarden__session__id=None),
    "no step": _span("chat gpt-5", spanwarden__step=None),
    "type": _span("chat gpt-5", gen_ai__request__temperature=1),
    "old name": _span("chat gpt-5", gen_ai__usage__cache_creation__input_tokens=1),
    "never false": _span("chat gpt-5", gen_ai__request__stream=False),
    "reason": _span("chat gpt-5", gen_ai__response__finish_reasons=("tool_calls",)),
    "chunk": _span("chat gpt-5", gen_ai__response__time_to_first_chunk=0.5),
    "output": _span("chat gpt-5", gen_ai__output__type="json_object"),
    "part": _span("chat gpt-5", **_said({"type": "text"})),
    "result": _span("chat gpt-5", **_said({"type": "tool_call_response", "result": "old"})),
    "media": _span("chat gpt-5", **_said({"type": "uri", "uri": "a", "modality": "picture"})),
    "server": _span("chat gpt-5", **_said({"type": "server_tool_call", "name": "a", "server_tool_call": {}})),
    "message": _span("chat gpt-5", **_said(content="old")),
    "instructions": _span("chat gpt-5", gen_ai__system_instructions='"Be careful."'),
    "tools": _span("chat gpt-5", gen_ai__tool__definitions='[{"type": "function", "function": {}}]'),
}


def test_a_span_that_keeps_the_conventions_has_no_faults() -> None:
    assert faults_of(_span("chat gpt-5", **_said({"type": "text", "content": "Hi."}), error__type="E")) == []


@pytest.mark.parametrize("span", BAD.values(), ids=BAD)
def test_what_breaks_the_conventions_is_found(span: ReadableSpan) -> None:
    assert faults_of(span)


def test_no_attribute_of_ours_is_outside_of_our_prefix(instrumented: Instrumented) -> None:
    with scripted_model(*LOOP) as model:
        _chat(client(model.url))

    prefixes = ("gen_ai.", "openai.", "server.", "error.", "http.", "spanwarden.")
    for span in instrumented.seen():
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
