"""The Responses API: the same trees as chat completions, and every item of every kind as a part."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import pytest
from openai.resources.responses import Responses
from openai.types.responses import Response
from opentelemetry.trace import StatusCode
from pydantic import BaseModel

from instrumentation.instrumented import Instrumented
from instrumentation.loops import accepts, async_client, client, connection_errors
from instrumentation.seen import attribute, content
from scripted_model import refusal, scripted, scripted_model
from scripted_responses import called, message, response, response_events, thought

TOOLS: list[Any] = [
    {
        "type": "function",
        "name": name,
        "description": f"run {name}",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
            "additionalProperties": False,
        },
    }
    for name, argument in (("bash", "command"), ("read_file", "path"))
]
KNOWS_CONVERSATIONS = pytest.mark.skipif(
    not accepts(Responses.create, "conversation"), reason="the installed client knows no conversations"
)
KNOWS_STREAMED_RETRIEVAL = pytest.mark.skipif(
    not accepts(Responses.retrieve, "stream"), reason="the installed client does not stream what it fetches"
)
KNOWS_STREAMING = pytest.mark.skipif(
    not hasattr(Responses, "stream"), reason="the installed client has no helper for streamed responses"
)
KNOWS_BACKGROUND = pytest.mark.skipif(
    not accepts(Responses.create, "background"), reason="the installed client knows no background responses"
)
LOOP = (
    response(
        thought("I look around first."),
        called("call_1", "bash", {"command": "ls"}),
        called("call_2", "read_file", {"path": "a.txt"}),
    ),
    response(message("There is one file."), response_id="resp_2"),
)
TREE = [
    (
        "invoke_agent",
        [("chat gpt-5", ["reasoning"]), "execute_tool bash", "execute_tool read_file", "chat gpt-5"],
    )
]


def _results(answer: Any) -> list[Any]:
    return [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"ran {item.arguments}"}
        for item in answer.output
        if item.type == "function_call"
    ]


def _loop(url: str) -> None:
    items: list[Any] = [{"role": "user", "content": "What is here?"}]
    while True:
        answer = client(url).responses.create(model="gpt-5", input=items, tools=TOOLS, instructions="Be careful.")
        results = _results(answer)
        if not results:
            return
        items += [*answer.output, *results]


def _chained_loop(url: str) -> None:
    given: Any = "What is here?"
    previous: Any = None
    while True:
        answer = client(url).responses.create(model="gpt-5", input=given, tools=TOOLS, previous_response_id=previous)
        given, previous = _results(answer), answer.id
        if not given:
            return


def _conversation_loop(url: str) -> None:
    given: Any = "What is here?"
    while given:
        answer = client(url).responses.create(model="gpt-5", input=given, tools=TOOLS, conversation="conv_7")
        given = _results(answer)


def _streamed_loop(url: str) -> None:
    items: list[Any] = [{"role": "user", "content": "What is here?"}]
    while True:
        with client(url).responses.stream(model="gpt-5", input=items, tools=TOOLS) as stream:
            answer = stream.get_final_response()
        results = _results(answer)
        if not results:
            return
        items += [*answer.output, *results]


def _plainly_streamed_loop(url: str) -> None:
    given: Any = "What is here?"
    previous: Any = None
    while True:
        for event in client(url).responses.create(
            model="gpt-5", input=given, tools=TOOLS, previous_response_id=previous, stream=True
        ):
            if event.type == "response.completed":
                given, previous = _results(event.response), event.response.id
        if not given:
            return


def _asynchronous_loop(url: str) -> None:
    async def run() -> None:
        items: list[Any] = [{"role": "user", "content": "What is here?"}]
        async with async_client(url) as user:
            while True:
                answer = await user.responses.create(model="gpt-5", input=items, tools=TOOLS)
                results = _results(answer)
                if not results:
                    return
                items += [*answer.output, *results]

    asyncio.run(run())


def _asynchronous_streamed_loop(url: str) -> None:
    async def run() -> None:
        items: list[Any] = [{"role": "user", "content": "What is here?"}]
        async with async_client(url) as user:
            while True:
                async with user.responses.stream(model="gpt-5", input=items, tools=TOOLS) as stream:
                    answer = await stream.get_final_response()
                results = _results(answer)
                if not results:
                    return
                items += [*answer.output, *results]

    asyncio.run(run())


@pytest.mark.parametrize(
    "loop",
    [
        _loop,
        _chained_loop,
        pytest.param(_conversation_loop, marks=KNOWS_CONVERSATIONS),
        pytest.param(_streamed_loop, marks=KNOWS_STREAMING),
        _plainly_streamed_loop,
        _asynchronous_loop,
        pytest.param(_asynchronous_streamed_loop, marks=KNOWS_STREAMING),
    ],
)
def test_every_way_to_write_the_loop_leaves_the_tree_of_chat_completions(instrumented: Instrumented, loop: Any) -> None:
    with scripted_model(*LOOP) as model:
        loop(model.url)

    seen = instrumented.seen()
    assert seen.trees() == TREE
    assert seen.values("spanwarden.step") == [1, 2, 3, 4, 5]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert attribute(seen.one("execute_tool bash"), "gen_ai.tool.call.result") == 'ran {"command": "ls"}'
    assert attribute(seen.one("execute_tool bash"), "gen_ai.tool.description") == "run bash"
    assert attribute(seen.one("reasoning"), "spanwarden.reasoning.kind") == "summary"
    assert instrumented.instrumentor.counts.faults == 0


def test_a_server_that_gives_every_answer_the_same_id_is_recorded_whole(instrumented: Instrumented) -> None:
    last = response(thought("Nothing more to see."), message("There is one file."))
    with scripted_model(LOOP[0], last) as model:
        _loop(model.url)

    steps = ["execute_tool bash", "execute_tool read_file", ("chat gpt-5", ["reasoning"])]
    assert instrumented.seen().trees() == [("invoke_agent", [("chat gpt-5", ["reasoning"]), *steps])]


@KNOWS_CONVERSATIONS
def test_the_providers_conversation_is_the_session(instrumented: Instrumented) -> None:
    with scripted_model(*LOOP) as model:
        _conversation_loop(model.url)

    seen = instrumented.seen()
    assert set(seen.values("spanwarden.session.id")) == {"conv_7"}
    of_operations = [span for span in seen if span.name != "reasoning"]
    assert [attribute(span, "gen_ai.conversation.id") for span in of_operations] == ["conv_7"] * 5


def test_a_later_turn_is_a_new_trace_of_the_same_session(instrumented: Instrumented) -> None:
    with scripted_model(*LOOP, response(message("Bye."), response_id="resp_3")) as model:
        _chained_loop(model.url)
        client(model.url).responses.create(model="gpt-5", input="Bye.", tools=TOOLS, previous_response_id="resp_2")

    seen = instrumented.seen()
    first, second = seen.named("invoke_agent")
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert second.links[0].context == first.context


def test_an_answer_in_words_is_known_again_by_its_item_and_by_its_text(instrumented: Instrumented) -> None:
    answers = [response(message(f"Answer {number}."), response_id=f"resp_{number}") for number in range(3)]
    with scripted_model(*answers) as model:
        items: list[Any] = [{"role": "user", "content": "One?"}]
        answer = client(model.url).responses.create(model="gpt-5", input=items)
        items += [*answer.output, {"role": "user", "content": "Two?"}]
        answer = client(model.url).responses.create(model="gpt-5", input=items)
        items += [{"role": "assistant", "content": answer.output_text}, {"role": "user", "content": "Three?"}]
        client(model.url).responses.create(model="gpt-5", input=items)

    assert len(set(instrumented.seen().values("spanwarden.session.id"))) == 1


@KNOWS_CONVERSATIONS
def test_the_model_call_carries_what_the_conventions_ask_for(instrumented: Instrumented) -> None:
    with scripted_model(response(message("Hello."))) as model:
        answer = client(model.url).responses.create(
            model="gpt-5",
            input="Hello?",
            instructions="Be careful.",
            temperature=0,
            max_output_tokens=50,
            previous_response_id="resp_0",
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_object"}},
            prompt={"id": "pmpt_1", "version": "3"},
        )

    assert type(answer) is Response
    span = instrumented.seen().one("chat")
    kept = {key: value for key, value in (span.attributes or {}).items() if key.startswith(("gen_ai.", "openai."))}
    assert kept == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.previous_response.id": "resp_0",
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "gen_ai.prompt.name": "pmpt_1",
        "gen_ai.prompt.version": "3",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": "scripted-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "openai.api.type": "responses",
        "openai.response.service_tier": "default",
        "gen_ai.system_instructions": '[{"type":"text","content":"Be careful."}]',
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]',
        "gen_ai.output.messages": attribute(span, "gen_ai.output.messages"),
    }
    assert content(span, "gen_ai.output.messages") == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello."}], "finish_reason": "stop"}
    ]


PNG = "data:image/png;base64,iVBORw0KGgo="
DIGEST = "sha256:4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6"
ITEMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "tool_call", "name": "f", "arguments": {"a": 1}, "id": "c"},
    ),
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "drop table a"},
        {"type": "tool_call", "name": "sql", "arguments": "drop table a", "id": "c"},
    ),
    (
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"], "timeout_ms": 5}},
        {"type": "tool_call", "name": "shell", "arguments": {"commands": ["ls"], "timeout_ms": 5}, "id": "c"},
    ),
    (
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {
            "type": "tool_call",
            "name": "local_shell",
            "arguments": {"type": "exec", "command": ["ls"], "env": {}},
            "id": "c",
        },
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "tool_call", "name": "apply_patch", "arguments": {"type": "delete_file", "path": "a"}, "id": "c"},
    ),
    (
        {"type": "computer_call", "call_id": "c", "action": {"type": "click", "x": 1, "y": 2}},
        {"type": "tool_call", "name": "computer", "arguments": {"type": "click", "x": 1, "y": 2}, "id": "c"},
    ),
    (
        {"type": "code_interpreter_call", "id": "c", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "code_interpreter",
            "server_tool_call": {
                "type": "code_interpreter_call",
                "code": "1+1",
                "output": [{"type": "logs", "logs": "2"}],
            },
        },
    ),
    (
        {"type": "web_search_call", "id": "c", "action": {"type": "search", "query": "q"}, "status": "completed"},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "web_search",
            "server_tool_call": {
                "type": "web_search_call",
                "action": {"type": "search", "query": "q"},
                "status": "completed",
            },
        },
    ),
    (
        {"type": "file_search_call", "id": "c", "queries": ["q"], "results": [{"file_id": "f", "text": "t"}]},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "file_search",
            "server_tool_call": {
                "type": "file_search_call",
                "queries": ["q"],
                "output": [{"file_id": "f", "text": "t"}],
            },
        },
    ),
    (
        {"type": "mcp_call", "id": "c", "name": "send", "arguments": '{"to":"x"}', "server_label": "m", "output": "ok"},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "send",
            "server_tool_call": {
                "type": "mcp_call",
                "arguments": '{"to":"x"}',
                "server_label": "m",
                "output": "ok",
            },
        },
    ),
    (
        {"type": "mcp_list_tools", "id": "c", "server_label": "m", "tools": [{"name": "send"}]},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "mcp_list_tools",
            "server_tool_call": {"type": "mcp_list_tools", "server_label": "m", "output": [{"name": "send"}]},
        },
    ),
    (
        {"type": "mcp_approval_request", "id": "c", "name": "send", "arguments": "{}", "server_label": "m"},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "send",
            "server_tool_call": {"type": "mcp_approval_request", "arguments": "{}", "server_label": "m"},
        },
    ),
    (
        {"type": "image_generation_call", "id": "c", "status": "completed", "result": PNG},
        {
            "type": "server_tool_call",
            "id": "c",
            "name": "image_generation",
            "server_tool_call": {
                "type": "image_generation_call",
                "status": "completed",
                "output": {"mime_type": "image/png", "size": 8, "digest": DIGEST},
            },
        },
    ),
    (
        {"type": "compaction", "id": "c", "encrypted_content": "x" * 100},
        {"type": "compaction", "id": "c", "encrypted_size": 100},
    ),
    (
        {"type": "reasoning", "id": "c", "summary": [{"type": "summary_text", "text": "Because."}]},
        {"type": "reasoning", "content": "Because.", "kind": "summary"},
    ),
    (
        {"type": "reasoning", "id": "c", "summary": [], "content": [{"type": "reasoning_text", "text": "Raw."}]},
        {"type": "reasoning", "content": "Raw."},
    ),
    (
        {"type": "reasoning", "id": "c", "summary": [], "encrypted_content": "y" * 50},
        {"type": "reasoning", "content": "", "kind": "encrypted", "encrypted_size": 50},
    ),
    (
        {"type": "message", "id": "c", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"type": "text", "content": "No."},
    ),
    ({"type": "time_travel_call", "id": "c", "year": 1985}, {"type": "time_travel_call", "id": "c", "year": 1985}),
]
OUTPUTS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    (
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        "tool",
        {"type": "tool_call_response", "id": "c", "response": "done"},
    ),
    (
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        "tool",
        {"type": "tool_call_response", "id": "c", "response": "done"},
    ),
    (
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        "tool",
        {
            "type": "tool_call_response",
            "id": "c",
            "response": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
    ),
    (
        {"type": "local_shell_call_output", "id": "c", "output": '{"stdout": "a"}'},
        "tool",
        {"type": "tool_call_response", "id": "c", "response": '{"stdout": "a"}'},
    ),
    (
        {"type": "apply_patch_call_output", "call_id": "c", "status": "completed", "output": "patched"},
        "tool",
        {"type": "tool_call_response", "id": "c", "response": "patched"},
    ),
    (
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": PNG}},
        "tool",
        {
            "type": "tool_call_response",
            "id": "c",
            "response": {
                "type": "computer_screenshot",
                "image_url": {"mime_type": "image/png", "size": 8, "digest": DIGEST},
            },
        },
    ),
    (
        {"type": "mcp_approval_response", "approval_request_id": "c", "approve": False, "reason": "no"},
        "user",
        {"type": "approval", "id": "c", "decision": "denied", "source": "mcp_approval_response", "reason": "no"},
    ),
    ({"type": "item_reference", "id": "c"}, "assistant", {"type": "item_reference", "id": "c"}),
    (
        {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "auto"}]},
        "user",
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "size": 8,
            "digest": DIGEST,
            "content": "",
        },
    ),
    (
        {"role": "user", "content": [{"type": "input_file", "file_id": "f", "filename": "a.pdf"}]},
        "user",
        {"type": "file", "modality": "document", "file_id": "f", "name": "a.pdf"},
    ),
]


@pytest.mark.parametrize(("item", "part"), ITEMS, ids=[item["type"] for item, _ in ITEMS])
def test_every_output_item_is_a_part_and_again_when_it_is_sent_back(
    instrumented: Instrumented, item: dict[str, Any], part: dict[str, Any]
) -> None:
    with scripted_model(response(item), response(message("Done."), response_id="resp_2")) as model:
        answer = client(model.url).responses.create(model="gpt-5", input="Go.")
        client(model.url).responses.create(model="gpt-5", input=[{"role": "user", "content": "Go."}, *answer.output])

    first, second = instrumented.seen().named("chat")
    assert content(first, "gen_ai.output.messages")[0]["parts"] == [part]
    assert content(second, "gen_ai.input.messages")[1] == {"role": "assistant", "parts": [part]}
    assert instrumented.instrumentor.counts.faults == 0


@pytest.mark.parametrize("item", [item for item, _ in ITEMS], ids=[item["type"] for item, _ in ITEMS])
def test_every_output_item_is_a_part_of_a_stream_that_breaks(instrumented: Instrumented, item: dict[str, Any]) -> None:
    events = response_events(response(item))
    part = next(part for known, part in ITEMS if known is item)
    with scripted_model(scripted(response(item), events=events, cut_before=len(events) - 1)) as model:
        stream = client(model.url).responses.create(model="gpt-5", input="Go.", stream=True)
        with pytest.raises(connection_errors()) as raised:
            list(stream)

    span = instrumented.seen().one("chat")
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [part]
    assert attribute(span, "error.type") == type(raised.value).__name__


@pytest.mark.parametrize(("item", "role", "part"), OUTPUTS, ids=[str(item.get("type")) for item, _, _ in OUTPUTS])
def test_every_input_item_is_a_part(
    instrumented: Instrumented, item: dict[str, Any], role: str, part: dict[str, Any]
) -> None:
    with scripted_model(response(message("Done."))) as model:
        client(model.url).responses.create(model="gpt-5", input=[item])

    seen = instrumented.seen()
    assert content(seen.one("chat"), "gen_ai.input.messages") == [{"role": role, "parts": [part]}]


TOOL_ITEMS = [
    (call, output)
    for call, output in (
        (ITEMS[0][0], OUTPUTS[0][0]),
        (ITEMS[1][0], OUTPUTS[1][0]),
        (ITEMS[2][0], OUTPUTS[2][0]),
        (ITEMS[3][0], OUTPUTS[3][0]),
        (ITEMS[4][0], OUTPUTS[4][0]),
        (ITEMS[5][0], OUTPUTS[5][0]),
    )
]


@pytest.mark.parametrize(("call", "output"), TOOL_ITEMS, ids=[call["type"] for call, _ in TOOL_ITEMS])
def test_every_call_that_the_program_carries_out_is_a_tool_span(
    instrumented: Instrumented, call: dict[str, Any], output: dict[str, Any]
) -> None:
    with scripted_model(response(call), response(message("Done."), response_id="resp_2")) as model:
        user = client(model.url)
        user.responses.create(model="gpt-5", input="Go.", tools=TOOLS)
        user.responses.create(model="gpt-5", input=[output], tools=TOOLS, previous_response_id="resp_1")

    span = instrumented.seen().one("execute_tool")
    assert attribute(span, "gen_ai.tool.call.id") == "c"
    assert attribute(span, "gen_ai.tool.call.arguments")
    assert attribute(span, "gen_ai.tool.call.result")


def test_encrypted_reasoning_is_recorded_by_its_size_and_never_by_its_bytes(instrumented: Instrumented) -> None:
    with scripted_model(response(thought(encrypted="gAAAAsecret"), message("Done."))) as model:
        client(model.url).responses.create(model="gpt-5", input="Go.")

    seen = instrumented.seen()
    reasoning = seen.one("reasoning")
    assert attribute(reasoning, "spanwarden.reasoning.kind") == "encrypted"
    assert content(reasoning, "gen_ai.output.messages")[0]["parts"][0]["encrypted_size"] == 11
    assert all("gAAAAsecret" not in span.to_json() for span in seen)


def test_streamed_reasoning_has_the_times_of_its_own_deltas(instrumented: Instrumented) -> None:
    gate = threading.Event()
    answer = response(thought("I look around."), message("Done."))
    with scripted_model(scripted(answer, gates={7: gate})) as model:
        stream = client(model.url).responses.create(model="gpt-5", input="Go.", stream=True)
        for event in stream:
            if event.type == "response.output_item.done":
                gate.set()

    seen = instrumented.seen()
    reasoning, chat = seen.one("reasoning"), seen.one("chat")
    assert (chat.start_time or 0) < (reasoning.start_time or 0) < (reasoning.end_time or 0) < (chat.end_time or 0)
    assert attribute(reasoning, "spanwarden.inferred") is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "cancelled"}, "error"),
    ],
)
def test_an_incomplete_response_is_recorded_with_its_reason(
    instrumented: Instrumented, fields: dict[str, Any], reason: str
) -> None:
    with scripted_model(response(message("Half an"), **fields)) as model:
        client(model.url).responses.create(model="gpt-5", input="Go.")

    span = instrumented.seen().one("chat")
    assert attribute(span, "gen_ai.response.finish_reasons") == (reason,)
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "Half an"


def test_a_failed_response_is_an_error(instrumented: Instrumented) -> None:
    failed = response(status="failed", error={"code": "server_error", "message": "sorry"})
    with scripted_model(failed) as model:
        client(model.url).responses.create(model="gpt-5", input="Go.")

    span = instrumented.seen().one("chat")
    assert (span.status.status_code, attribute(span, "error.type")) == (StatusCode.ERROR, "server_error")


def test_a_stream_that_is_left_half_way_keeps_the_pieces_that_came(instrumented: Instrumented) -> None:
    gate = threading.Event()
    answer = response(thought("I look around."), message("Hello there."), called("c", "bash", {"command": "ls"}))
    events = response_events(answer)
    last_delta = max(number for number, event in enumerate(events) if event["type"].endswith("delta"))
    with scripted_model(scripted(answer, gates={last_delta: gate})) as model:
        with client(model.url).responses.create(model="gpt-5", input="Go.", stream=True) as stream:
            for event in stream:
                if event.type == "response.function_call_arguments.delta":
                    break
        seen = instrumented.seen()
        gate.set()

    span = seen.one("chat")
    assert content(span, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "I look around.", "kind": "summary"},
                {"type": "text", "content": "Hello there."},
                {"type": "tool_call", "name": "bash", "arguments": '{"comman', "id": "c"},
            ],
        }
    ]
    assert seen.trees() == [("chat gpt-5", ["reasoning"])]
    assert span.status.status_code == StatusCode.UNSET


@pytest.mark.parametrize(
    ("item", "delta", "part"),
    [
        (
            {"type": "shell_call", "id": "s", "call_id": "c", "action": {"commands": []}},
            {"type": "response.shell_call_command.delta", "command_index": 0},
            {"type": "tool_call", "name": "shell", "arguments": {"commands": ["rm -rf"]}, "id": "c"},
        ),
        (
            {"type": "custom_tool_call", "id": "s", "call_id": "c", "name": "sql", "input": ""},
            {"type": "response.custom_tool_call_input.delta"},
            {"type": "tool_call", "name": "sql", "arguments": "rm -rf", "id": "c"},
        ),
        (
            {"type": "mcp_call", "id": "c", "name": "send", "arguments": "", "server_label": "m"},
            {"type": "response.mcp_call_arguments.delta"},
            {
                "type": "server_tool_call",
                "id": "c",
                "name": "send",
                "server_tool_call": {"type": "mcp_call", "arguments": "rm -rf", "server_label": "m"},
            },
        ),
        (
            {"type": "code_interpreter_call", "id": "c", "code": ""},
            {"type": "response.code_interpreter_call_code.delta"},
            {
                "type": "server_tool_call",
                "id": "c",
                "name": "code_interpreter",
                "server_tool_call": {"type": "code_interpreter_call", "code": "rm -rf"},
            },
        ),
    ],
    ids=["shell", "custom", "mcp", "code"],
)
def test_a_call_that_breaks_off_keeps_the_pieces_of_it_that_came(
    instrumented: Instrumented, item: dict[str, Any], delta: dict[str, Any], part: dict[str, Any]
) -> None:
    begun = response(status="in_progress", usage=None)
    pieces = [{**delta, "output_index": 0, "item_id": "s", "delta": text} for text in ("rm ", "-rf")]
    events = [
        {"type": "response.created", "response": begun, "sequence_number": 0},
        {"type": "response.output_item.added", "item": item, "output_index": 0, "sequence_number": 1},
        *({**piece, "sequence_number": 2} for piece in pieces),
        {"type": "response.in_progress", "response": begun, "sequence_number": 9},
    ]
    with scripted_model(scripted(response(), events=events, cut_before=4)) as model:
        stream = client(model.url).responses.create(model="gpt-5", input="Go.", stream=True)
        with pytest.raises(connection_errors()):
            list(stream)

    span = instrumented.seen().one("chat")
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [part]
    assert attribute(span, "gen_ai.response.finish_reasons") == ("error",)


def test_an_error_event_of_a_stream_is_an_error(instrumented: Instrumented) -> None:
    begun = response_events(response(message("Hello.")))[:6]
    events = [*begun, {"type": "error", "code": "rate_limit_exceeded", "message": "slow", "sequence_number": 9}]
    with scripted_model(scripted(response(), events=events)) as model:
        list(client(model.url).responses.create(model="gpt-5", input="Go.", stream=True))

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == "rate_limit_exceeded"


@KNOWS_BACKGROUND
def test_a_background_response_is_one_run_however_often_it_is_fetched(instrumented: Instrumented) -> None:
    queued = response(status="queued", usage=None)
    working = response(status="in_progress", usage=None)
    with scripted_model(queued, working, LOOP[0], LOOP[0], LOOP[1]) as model:
        user = client(model.url)
        answer = user.responses.create(model="gpt-5", input="Go.", tools=TOOLS, background=True)
        for _ in range(3):
            answer = user.responses.retrieve(answer.id)
        user.responses.create(model="gpt-5", input=_results(answer), tools=TOOLS, previous_response_id=answer.id)

    seen = instrumented.seen()
    fetched = ["fetch_response", ("fetch_response", ["reasoning"]), "fetch_response"]
    tools = ["execute_tool bash", "execute_tool read_file", "chat gpt-5"]
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", *fetched, *tools])]
    statuses = [attribute(span, "gen_ai.response.status") for span in seen.named("fetch_response")]
    assert statuses == ["in_progress", "completed", "completed"]
    last = seen.named("fetch_response")[-1]
    assert attribute(last, "gen_ai.response.id") == "resp_1"
    assert attribute(last, "gen_ai.usage.input_tokens") is None
    assert attribute(seen.one("invoke_agent"), "gen_ai.usage.input_tokens") == 22, "once for each answer"
    assert len(content(last, "gen_ai.output.messages")[0]["parts"]) == 3


def test_a_response_that_is_fetched_by_another_process_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(LOOP[0]) as model:
        client(model.url).responses.retrieve("resp_1")

    assert instrumented.seen().trees() == [("fetch_response", ["reasoning"])]


@KNOWS_STREAMED_RETRIEVAL
def test_a_response_that_is_fetched_as_a_stream_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(LOOP[1]) as model:
        events = list(client(model.url).responses.retrieve("resp_2", stream=True, starting_after=2))

    assert events[-1].type == "response.completed"
    span = instrumented.seen().one("fetch_response")
    assert attribute(span, "gen_ai.request.stream_cursor") == "2"
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "There is one file."


class _Weather(BaseModel):
    city: str


def test_a_parsed_response_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(response(message('{"city": "Graz"}'))) as model:
        answer = client(model.url).responses.parse(model="gpt-5", input="Where?", text_format=_Weather)

    assert answer.output_parsed == _Weather(city="Graz")
    span = instrumented.seen().one("chat")
    assert attribute(span, "gen_ai.output.type") == "json"
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == '{"city": "Graz"}'


def test_raw_and_streaming_responses_are_recorded(instrumented: Instrumented) -> None:
    with scripted_model(*[response(message("Hello."))] * 3) as model:
        responses = client(model.url).responses
        assert responses.with_raw_response.create(model="gpt-5", input="1").parse().output_text == "Hello."
        with responses.with_streaming_response.create(model="gpt-5", input="2") as raw:
            assert raw.parse().output_text == "Hello."
        with responses.with_streaming_response.create(model="gpt-5", input="3", stream=True) as raw:
            assert any("response.completed" in line for line in raw.iter_lines())

    spoken = [content(span, "gen_ai.output.messages")[0]["parts"] for span in instrumented.seen().named("chat")]
    assert spoken == [[{"type": "text", "content": "Hello."}]] * 3


def test_a_generator_of_items_is_sent_and_recorded(instrumented: Instrumented) -> None:
    with scripted_model(response(message("Hello."))) as model:
        given: Any = ({"role": "user", "content": text} for text in ("Hello?", "Anyone?"))
        client(model.url).responses.create(model="gpt-5", input=given)

    assert len(model.requests[0]["input"]) == 2
    assert len(content(instrumented.seen().one("chat"), "gen_ai.input.messages")) == 2


def test_an_error_of_the_server_is_raised_unchanged_and_recorded(instrumented: Instrumented) -> None:
    with scripted_model(refusal(429, "slow down")) as model, pytest.raises(openai.RateLimitError, match="slow down"):
        client(model.url).responses.create(model="gpt-5", input="Hello?")

    assert attribute(instrumented.seen().one("chat"), "error.type") == "RateLimitError"


@pytest.mark.parametrize(
    "output", [7, [None], [{"type": 7}], [{"type": "function_call"}], [{"type": "reasoning", "summary": 3}]]
)
def test_a_malformed_response_reaches_the_program(instrumented: Instrumented, output: Any) -> None:
    with scripted_model({**response(), "output": output}) as model:
        client(model.url).responses.create(model="gpt-5", input="Hello?")

    assert instrumented.seen().one("chat").end_time is not None
