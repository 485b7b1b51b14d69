"""Conversations over a web socket, the Realtime API and Responses: the tree of chat completions, ended once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from openai.resources.responses import Responses

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import async_client, client
from instrumentation.seen import attribute, content
from scripted_responses import called, message, response, response_events, thought
from scripted_socket import Event, scripted_socket
from spanwarden import live

TOOLS: list[Any] = [{"type": "function", "name": "bash", "description": "run", "parameters": {"type": "object"}}]
ASK: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]}
SPOKEN = {"type": "output_audio", "transcript": "Done, I said."}
SPEECH = {**message(""), "id": "msg_2", "content": [SPOKEN]}
GREETING: list[Event] = [{"type": "session.created", "session": {"type": "realtime", "model": "gpt-realtime"}}]
TREE = [("invoke_agent", ["chat gpt-realtime", "execute_tool bash", "chat gpt-realtime"])]
RESPONSES_TREE = [("invoke_agent", [("chat gpt-5", ["reasoning"]), "execute_tool bash", "chat gpt-5"])]
DETAILS = {"input_token_details": {"cached_tokens": 3}, "output_token_details": {}}
USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18, **DETAILS}


def _client(url: str) -> Any:
    return client(url, websocket_base_url=url.replace("http", "ws", 1))


def _async_client(url: str) -> Any:
    return async_client(url, websocket_base_url=url.replace("http", "ws", 1))


def _realtime_of(user: Any) -> Any:
    """The Realtime API of a client; older ones have it under `beta`."""
    return user.realtime if hasattr(user, "realtime") else user.beta.realtime


def _live(*items: Event, response_id: str = "resp_1", status: str = "completed") -> list[Event]:
    """The events of a response of the Realtime API: those of Responses, with another last one."""
    whole = response(*items, response_id=response_id, status=status, usage=USAGE)
    *events, last = response_events(whole)
    return [*({**event, "response_id": response_id} for event in events), {**last, "type": "response.done"}]


LOOP = (_live(called("call_1", "bash", {"command": "ls"})), _live(SPEECH, response_id="resp_2"))


def _result(item: Any) -> Any:
    return {"type": "function_call_output", "call_id": item.call_id, "output": f"ran {item.arguments}"}


def _realtime(url: str) -> None:
    with _realtime_of(_client(url)).connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "tools": TOOLS, "instructions": "Be careful."})
        connection.conversation.item.create(item=ASK)
        connection.response.create()
        for event in connection:
            if event.type == "response.done":
                item: Any = (event.response.output or [])[0]
                if item.type != "function_call":
                    return
                connection.conversation.item.create(item=_result(item))
                connection.response.create()


def _realtime_entered(url: str) -> None:
    connection = _realtime_of(_client(url)).connect(model="gpt-realtime").enter()
    connection.send({"type": "session.update", "session": {"type": "realtime", "tools": TOOLS}})
    connection.send({"type": "conversation.item.create", "item": ASK})
    for result in (_result, None):
        connection.send({"type": "response.create"})
        while (event := connection.parse_event(connection.recv_bytes())).type != "response.done":
            pass
        if result is not None:
            connection.conversation.item.create(item=result((event.response.output or [])[0]))
    connection.close()


def _asynchronous_realtime(url: str) -> None:
    async def run() -> None:
        async with _async_client(url) as user, _realtime_of(user).connect(model="gpt-realtime") as connection:
            await connection.session.update(session={"type": "realtime", "tools": TOOLS})
            await connection.conversation.item.create(item=ASK)
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    item: Any = (event.response.output or [])[0]
                    if item.type != "function_call":
                        return
                    await connection.conversation.item.create(item=_result(item))
                    await connection.response.create()

    asyncio.run(run())


@pytest.mark.parametrize("loop", [_realtime, _realtime_entered, _asynchronous_realtime])
def test_a_realtime_loop_leaves_the_tree_of_chat_completions(
    instrumented: Instrumented, loop: Callable[[str], None]
) -> None:
    with scripted_socket(*LOOP, greeting=GREETING) as socket:
        loop(socket.url)

    seen = instrumented.seen()
    assert seen.trees() == TREE
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert attribute(seen.one("execute_tool"), "gen_ai.tool.call.result") == 'ran {"command": "ls"}'
    first, last = seen.named("chat")
    assert content(first, "gen_ai.input.messages")[0]["parts"] == [{"type": "text", "content": "Go."}]
    assert content(last, "gen_ai.output.messages")[0]["parts"] == [{"type": "text", "content": "Done, I said."}]
    assert [each["role"] for each in content(last, "gen_ai.input.messages")] == ["user", "assistant", "tool"]
    assert attribute(first, "gen_ai.usage.cache_read.input_tokens") == 3
    assert attribute(first, "server.address") == "127.0.0.1"
    assert attribute(first, "openai.api.type") == "realtime"
    assert instrumented.instrumentor.counts.faults == 0


def test_the_session_of_a_connection_says_what_the_model_was_told(instrumented: Instrumented) -> None:
    with scripted_socket(*LOOP, greeting=GREETING) as socket:
        _realtime(socket.url)

    first = instrumented.seen().named("chat")[0]
    assert content(first, "gen_ai.system_instructions") == [{"type": "text", "content": "Be careful."}]
    assert content(first, "gen_ai.tool.definitions")[0]["name"] == "bash"


def test_what_the_server_begins_by_itself_is_recorded_with_what_was_spoken(instrumented: Instrumented) -> None:
    item = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    heard = {"item_id": "item_1", "content_index": 0, "transcript": "Delete it all."}
    spoken = [
        {"type": "conversation.item.added", "item": item},
        {"type": "conversation.item.input_audio_transcription.completed", **heard},
    ]
    with (
        scripted_socket(greeting=[*GREETING, *spoken, *_live(SPEECH)]) as socket,
        _realtime_of(_client(socket.url)).connect(model="gpt-realtime") as connection,
    ):
        for event in connection:
            if event.type == "response.done":
                break

    span = instrumented.seen().one("chat")
    assert content(span, "gen_ai.input.messages")[0]["parts"] == [{"type": "text", "content": "Delete it all."}]
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [{"type": "text", "content": "Done, I said."}]


def test_a_connection_that_is_closed_half_way_keeps_what_came(instrumented: Instrumented) -> None:
    events = _live(message("Once upon a time"))
    with scripted_socket(events[:5], greeting=GREETING) as socket:
        with _realtime_of(_client(socket.url)).connect(model="gpt-realtime") as connection:
            connection.response.create()
            for event in connection:
                if event.type == "response.output_text.delta":
                    break
        span = instrumented.seen().one("chat")

    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "Once upo"


def test_an_error_for_a_response_ends_its_span(instrumented: Instrumented) -> None:
    error = {"type": "invalid_request_error", "code": "bad_item", "message": "no"}
    refused = [{"type": "error", "error": error}]
    with (
        scripted_socket(refused, _live(SPEECH), greeting=GREETING) as socket,
        _realtime_of(_client(socket.url)).connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        while connection.recv().type != "error":
            pass
        span = instrumented.seen().one("chat")
        connection.response.create()
        while connection.recv().type != "response.done":
            pass

    assert attribute(span, "error.type") == "bad_item"
    assert len(instrumented.seen().named("chat")) == 2


def test_a_connection_stays_the_clients_own(instrument: Instrument) -> None:
    instrumented = instrument()
    with (
        scripted_socket(greeting=GREETING) as socket,
        _realtime_of(_client(socket.url)).connect(model="gpt-realtime") as connection,
    ):
        assert type(connection).__name__ == "RealtimeConnection"
        assert connection.recv().type == "session.created"
        connection.close(code=1000, reason="enough")
    manager = type(_realtime_of(_client(socket.url)).connect(model="gpt-realtime"))
    entering = manager.__dict__["enter"]
    instrumented.instrumentor.uninstrument()

    assert manager.__dict__["enter"] is entering.__wrapped__
    assert len(instrumented.seen()) == 0


def _response_loop(url: str) -> None:
    with _client(url).responses.connect() as connection:
        connection.response.create(model="gpt-5", input="Go.", tools=TOOLS)
        for event in connection:
            if event.type == "response.completed":
                item: Any = event.response.output[-1]
                if item.type != "function_call":
                    return
                connection.response.create(
                    model="gpt-5", input=[_result(item)], tools=TOOLS, previous_response_id=event.response.id
                )


def _asynchronous_response_loop(url: str) -> None:
    async def run() -> None:
        async with _async_client(url) as user, user.responses.connect() as connection:
            await connection.response.create(model="gpt-5", input="Go.", tools=TOOLS)
            async for event in connection:
                if event.type == "response.completed":
                    item: Any = event.response.output[-1]
                    if item.type != "function_call":
                        return
                    await connection.response.create(
                        model="gpt-5", input=[_result(item)], tools=TOOLS, previous_response_id=event.response.id
                    )

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(Responses, "connect"), reason="an older client")
@pytest.mark.parametrize("loop", [_response_loop, _asynchronous_response_loop])
def test_responses_by_socket_leave_the_tree_of_chat_completions(
    instrumented: Instrumented, loop: Callable[[str], None]
) -> None:
    asked = response(thought("I look."), called("call_1", "bash", {"command": "ls"}))
    answers = (response_events(asked), response_events(response(message("Done."), response_id="resp_2")))
    with scripted_socket(*answers) as socket:
        loop(socket.url)

    seen = instrumented.seen()
    assert seen.trees() == RESPONSES_TREE
    assert seen.values("spanwarden.step") == [1, 2, 3, 4]
    assert attribute(seen.named("chat")[0], "openai.api.type") == "responses"
    assert content(seen.named("chat")[1], "gen_ai.output.messages")[0]["parts"][0]["content"] == "Done."
    assert instrumented.instrumentor.counts.faults == 0


def test_a_long_live_conversation_is_bounded(instrumented: Instrumented, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ITEMS_CHARACTERS_LIMIT", 2_000)
    with (
        scripted_socket(_live(SPEECH), greeting=GREETING) as socket,
        _realtime_of(_client(socket.url)).connect(model="gpt-realtime") as connection,
    ):
        for number in range(30):
            text: Any = {"type": "input_text", "text": f"{number} " + "x" * 400}
            connection.conversation.item.create(item={"type": "message", "role": "user", "content": [text]})
        connection.response.create()
        while connection.recv().type != "response.done":
            pass

    parts = [each["parts"][0] for each in content(instrumented.seen().one("chat"), "gen_ai.input.messages")]
    assert [part["content"].split()[0] for part in parts] == ["26", "27", "28", "29"]
