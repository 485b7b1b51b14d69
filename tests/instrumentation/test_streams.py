"""Streamed answers: the same spans as whole ones, ended exactly once however the program treats the stream."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode
from pydantic import BaseModel

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import (
    TOOLS,
    async_client,
    client,
    connection_errors,
    conversation,
    helpers,
    results,
    run_async_loop,
    run_loop,
)
from instrumentation.seen import Seen, attribute, content
from scripted_model import asked, chat_chunks, said, scripted, scripted_model
from spanwarden.gathering import ChatGathering
from spanwarden.guard import Counts
from spanwarden.streams import Ending, Following, OpenStreams

LOOP = (
    asked(
        ("call_1", "bash", {"command": "ls"}),
        ("call_2", "read_file", {"path": "a.txt"}),
        reasoning_content="I look around first.",
    ),
    said("There is one file."),
)
TREE = [
    (
        "invoke_agent",
        [("chat gpt-5", ["reasoning"]), "execute_tool bash", "execute_tool read_file", "chat gpt-5"],
    )
]
STRICT_TOOLS = [{**tool, "function": {**tool["function"], "strict": True}} for tool in TOOLS]
STREAMED: dict[str, Any] = {"model": "gpt-5", "stream": True, "stream_options": {"include_usage": True}}


def _start(url: str, **more: Any) -> Any:
    return client(url).chat.completions.create(messages=conversation("Hello?"), **{**STREAMED, **more})


def _texts(span: Any) -> list[str]:
    return [part.get("content") for part in content(span, "gen_ai.output.messages")[0]["parts"]]


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _run_streamed(url: str, messages: list[Any]) -> None:
    openai_client = client(url)
    while True:
        with helpers(openai_client).stream(
            model="gpt-5", messages=messages, tools=TOOLS, stream_options={"include_usage": True}
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return
        messages.extend(results(message))


def _without_times(seen: Seen) -> list[Any]:
    changing = {
        "server.port",
        "spanwarden.session.id",
        "spanwarden.inferred",
        "gen_ai.request.stream",
        "gen_ai.response.time_to_first_chunk",
    }
    kept = [
        (span.name, {key: value for key, value in (span.attributes or {}).items() if key not in changing})
        for span in seen
    ]
    return sorted(kept, key=lambda one: one[1].get("spanwarden.step", 0))


def test_a_streamed_loop_leaves_the_same_tree_and_content_as_one_that_is_not(instrument: Instrument) -> None:
    whole = instrument()
    with scripted_model(*LOOP) as model:
        run_loop(client(model.url), conversation("Go."))
    expected = whole.seen()
    whole.instrumentor.uninstrument()
    streamed = instrument()
    with scripted_model(*LOOP) as model:
        _run_streamed(model.url, conversation("Go."))

    seen = streamed.seen()
    assert seen.trees() == expected.trees() == TREE
    kept = [
        {key: value for key, value in attributes.items() if not key.startswith("openai.response.")}
        for _, attributes in _without_times(expected)
    ]
    assert [attributes for _, attributes in _without_times(seen)] == kept


def test_the_span_says_that_it_was_streamed_and_when_the_first_chunk_came(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        list(_start(model.url))

    span = instrumented.seen().one("chat")
    assert attribute(span, "gen_ai.request.stream") is True
    duration = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    assert 0 < attribute(span, "gen_ai.response.time_to_first_chunk") <= duration
    assert attribute(span, "gen_ai.usage.output_tokens") == 7


def test_the_stream_stays_the_clients_own(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model, _start(model.url) as stream:
        assert type(stream) is openai.Stream
        assert stream.response.status_code == 200
        first = next(stream)
        assert isinstance(first, ChatCompletionChunk)
        assert [chunk.choices[0].delta.content for chunk in stream if chunk.choices] == ["there.", None]
    pickle.dumps(stream.response.request.url)

    assert len(instrumented.seen()) == 1


def test_no_chunk_is_read_ahead(instrumented: Instrumented) -> None:
    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model:
        stream = _start(model.url)
        assert next(stream).choices[0].delta.content == "Hello "
        assert len(instrumented.seen()) == 0
        gate.set()
        list(stream)

    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]


def test_streamed_reasoning_has_the_times_of_its_own_deltas(instrumented: Instrumented) -> None:
    gate = threading.Event()
    answer = said("So be it.", reasoning_content="One two")
    with scripted_model(scripted(answer, gates={2: gate})) as model:
        stream = _start(model.url)
        next(stream), next(stream)
        read_ns = time.time_ns()
        gate.set()
        list(stream)

    reasoning = instrumented.seen().one("reasoning")
    chat = instrumented.seen().one("chat")
    assert (chat.start_time or 0) < (reasoning.start_time or 0) <= (reasoning.end_time or 0) <= read_ns
    assert read_ns < (chat.end_time or 0)
    assert attribute(reasoning, "spanwarden.inferred") is None


def _break_off(stream: Any) -> None:
    for _ in stream:
        break
    stream.close()


def _leave_the_block(stream: Any) -> None:
    with stream:
        next(stream)


@pytest.mark.parametrize("stop", [_break_off, _leave_the_block])
def test_a_stream_that_is_left_early_ends_its_span_with_what_came(
    instrumented: Instrumented, stop: Callable[[Any], None]
) -> None:
    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model:
        stream = _start(model.url)
        stop(stream)
        span = instrumented.seen().one("chat")
        gate.set()

    assert _texts(span) == ["Hello "]
    assert span.status.status_code == StatusCode.UNSET
    assert attribute(span, "gen_ai.response.finish_reasons") == ("error",)
    stream.close()
    assert len(instrumented.seen()) == 1


def test_a_helper_stream_that_is_left_early_ends_its_span_with_what_came(instrumented: Instrumented) -> None:
    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model:
        with helpers(client(model.url)).stream(model="gpt-5", messages=conversation("Hi")) as stream:
            next(stream)
        assert _texts(instrumented.seen().one("chat")) == ["Hello "]
        gate.set()


def test_an_abandoned_stream_ends_its_span_when_it_is_collected(instrumented: Instrumented) -> None:
    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model, client(model.url) as user:
        stream = user.chat.completions.create(messages=conversation("Hello?"), **STREAMED)
        next(stream)
        del stream
        gc.collect()
        _eventually(lambda: len(instrumented.seen()) == 1)
        gate.set()

    assert _texts(instrumented.seen().one("chat")) == ["Hello "]


class _FakeStream:
    """Stands for a stream of a client that closes nothing when it is collected."""

    def __init__(self) -> None:
        self._iterator = iter([1, 2])

    def __next__(self) -> int:
        return next(self._iterator)


def test_a_stream_that_nothing_closes_ends_once_when_it_is_collected() -> None:
    endings: list[Ending] = []
    streams, stream = OpenStreams(), _FakeStream()
    streams.follow(stream, Following(ChatGathering(), endings.append, Counts()))
    assert next(stream) == 1
    del stream
    gc.collect()

    _eventually(lambda: len(endings) == 1)
    streams.stop()
    assert len(endings) == 1
    assert endings[0].broken_off


def test_a_stream_that_is_never_read_ends_with_the_instrumentation(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        stream = _start(model.url)
        assert len(instrumented.seen()) == 0
        instrumented.instrumentor.uninstrument()
        assert len(instrumented.seen()) == 1
        assert [chunk.choices[0].delta.content for chunk in stream if chunk.choices] == ["Hello ", "there.", None]

    assert len(instrumented.seen()) == 1


def test_a_connection_that_breaks_is_the_callers_error_and_keeps_what_came(instrumented: Instrumented) -> None:
    with scripted_model(scripted(said("Hello there."), cut_before=1)) as model:
        stream = _start(model.url)
        with pytest.raises(connection_errors()) as raised:
            list(stream)

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == type(raised.value).__name__
    assert span.status.status_code == StatusCode.ERROR
    assert _texts(span) == ["Hello "]


def test_an_error_inside_of_a_stream_is_the_callers_error(instrumented: Instrumented) -> None:
    events = [*chat_chunks(said("Hello there."))[:1], {"error": {"message": "overloaded", "type": "server_error"}}]
    with scripted_model(scripted(said(""), events=events)) as model, pytest.raises(openai.APIError, match="overloaded"):
        list(_start(model.url))

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == "APIError"
    assert _texts(span) == ["Hello "]


def test_a_stream_may_be_read_in_another_thread(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        stream = _start(model.url)
        reader = threading.Thread(target=list, args=(stream,))
        reader.start()
        reader.join()

    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]
    assert not trace.get_current_span().get_span_context().is_valid


def test_an_asynchronous_stream_leaves_the_same_tree(instrumented: Instrumented) -> None:
    async def run(url: str) -> None:
        messages = conversation("Go.")
        async with async_client(url) as user:
            while True:
                async with helpers(user).stream(model="gpt-5", messages=messages, tools=STRICT_TOOLS) as stream:
                    message = (await stream.get_final_completion()).choices[0].message
                messages.append(message)
                if not message.tool_calls:
                    return
                messages.extend(results(message))

    with scripted_model(*LOOP) as model:
        asyncio.run(run(model.url))

    assert instrumented.seen().trees() == TREE


def test_an_asynchronous_stream_may_be_read_in_another_task(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async def run(url: str) -> None:
        async with async_client(url) as user:
            stream = await user.chat.completions.create(messages=conversation("Hello?"), **STREAMED)
            assert type(stream) is openai.AsyncStream
            await asyncio.create_task(read(stream))

    with scripted_model(said("Hello there.")) as model:
        asyncio.run(run(model.url))

    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]
    assert not caplog.records


def test_a_cancelled_reader_ends_the_span_with_what_came(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(url: str, gate: threading.Event) -> None:
        async with async_client(url) as user:
            stream = await user.chat.completions.create(messages=conversation("Hello?"), **STREAMED)
            await stream.__anext__()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.__anext__(), 0.05)
            gate.set()

    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model:
        asyncio.run(run(model.url, gate))

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == "CancelledError"
    assert _texts(span) == ["Hello "]
    assert not caplog.records


def test_an_asynchronous_stream_that_is_closed_early_ends_its_span(instrumented: Instrumented) -> None:
    async def run(url: str, gate: threading.Event) -> None:
        async with async_client(url) as user:
            stream = await user.chat.completions.create(messages=conversation("Hello?"), **STREAMED)
            async with stream:
                await stream.__anext__()
            assert len(instrumented.seen()) == 1
            gate.set()

    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={1: gate})) as model:
        asyncio.run(run(model.url, gate))

    assert _texts(instrumented.seen().one("chat")) == ["Hello "]


def test_a_raw_streamed_response_is_recorded_as_it_is_read(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        create = client(model.url).chat.completions.with_raw_response.create
        raw = create(messages=conversation("Hello?"), **STREAMED)
        assert len(instrumented.seen()) == 0
        chunks = list(raw.parse())

    assert chunks[0].choices[0].delta.content == "Hello "
    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("way", ["json", "text", "read", "iter_lines", "iter_bytes"])
def test_a_streaming_response_is_recorded_in_every_way_to_read_it(
    instrumented: Instrumented, way: str, compressed: bool
) -> None:
    with scripted_model(scripted(said("Hello there."), compressed=compressed)) as model:
        create = client(model.url).chat.completions.with_streaming_response.create
        with create(model="gpt-5", messages=conversation("Hello?")) as response:
            read = getattr(response, way)()
            assert "Hello there." in str(list(read) if way.startswith("iter") else read)

    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]


def test_the_lines_of_a_streamed_response_are_recorded(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        create = client(model.url).chat.completions.with_streaming_response.create
        with create(messages=conversation("Hello?"), **STREAMED) as response:
            lines = [line for line in response.iter_lines() if line]

    assert lines[-1] == "data: [DONE]"
    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]


def test_an_asynchronous_streaming_response_is_recorded(instrumented: Instrumented) -> None:
    async def run(url: str) -> None:
        async with async_client(url) as user:
            create = user.chat.completions.with_streaming_response.create
            async with create(model="gpt-5", messages=conversation("Hello?")) as response:
                assert (await response.parse()).choices[0].message.content == "Hello there."

    with scripted_model(said("Hello there.")) as model:
        asyncio.run(run(model.url))

    assert _texts(instrumented.seen().one("chat")) == ["Hello there."]


def test_a_streaming_response_that_is_not_read_ends_with_its_block(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello there.")) as model:
        create = client(model.url).chat.completions.with_streaming_response.create
        with create(model="gpt-5", messages=conversation("Hello?")):
            pass

    span = instrumented.seen().one("chat")
    assert attribute(span, "gen_ai.output.messages") is None
    assert span.status.status_code == StatusCode.UNSET


class _Weather(BaseModel):
    city: str


def test_a_parsed_answer_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(said('{"city": "Graz"}')) as model:
        completion = helpers(client(model.url)).parse(
            model="gpt-5", messages=conversation("Where?"), response_format=_Weather
        )

    assert completion.choices[0].message.parsed == _Weather(city="Graz")
    span = instrumented.seen().one("chat")
    assert _texts(span) == ['{"city": "Graz"}']
    assert attribute(span, "gen_ai.output.type") == "json"


def test_an_answer_that_does_not_parse_is_the_callers_error_and_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(said('{"town": 1}')) as model, pytest.raises(ValueError, match="city"):
        helpers(client(model.url)).parse(model="gpt-5", messages=conversation("Where?"), response_format=_Weather)

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == "ValidationError"
    assert _texts(span) == ['{"town": 1}']


def test_chunks_that_cannot_be_read_reach_the_program(instrumented: Instrumented) -> None:
    odd = [{"choices": 7}, {"choices": [None]}, {"choices": [{"delta": {"tool_calls": [{"function": None}]}}]}]
    with scripted_model(scripted(said(""), events=odd)) as model:
        assert len(list(_start(model.url))) == 3

    assert len(instrumented.seen()) == 1
    assert instrumented.instrumentor.counts.faults == 0


def test_a_streamed_run_that_is_not_sampled_stays_so(instrument: Instrument) -> None:
    instrumented = instrument(sampler=ALWAYS_OFF)
    with scripted_model(*LOOP) as model:
        _run_streamed(model.url, conversation("Go."))

    assert len(instrumented.seen()) == 0
    assert instrumented.instrumentor.counts.faults == 0


def test_an_asynchronous_loop_that_does_not_stream_is_unchanged(instrumented: Instrumented) -> None:
    async def run(url: str) -> None:
        async with async_client(url) as user:
            await run_async_loop(user, conversation("Go."))

    with scripted_model(*LOOP) as model:
        asyncio.run(run(model.url))

    assert instrumented.seen().trees() == TREE


def test_a_stream_that_begins_as_the_instrumentation_ends_has_a_span_and_leaves_no_thread(
    instrumented: Instrumented,
) -> None:
    gate = threading.Event()
    with scripted_model(scripted(said("Hello there."), gates={0: gate})) as model:
        begun, uninstrument = threading.Event(), instrumented.instrumentor.uninstrument

        def stop_then_let_go(_response: Any) -> None:
            begun.set()
            uninstrument()

        hooks = {"response": [stop_then_let_go]}
        user = client(model.url)
        user._client.event_hooks = hooks
        stream: Any = user.chat.completions.create(messages=conversation("Hello?"), **STREAMED)
        assert begun.is_set()
        assert len(instrumented.seen()) == 1
        gate.set()
        assert [chunk.choices[0].delta.content for chunk in stream if chunk.choices] == ["Hello ", "there.", None]

    assert len(instrumented.seen()) == 1
    assert "spanwarden-streams" not in [thread.name for thread in threading.enumerate()]


def test_many_first_streams_at_once_need_one_thread(instrumented: Instrumented) -> None:
    many = 20
    barrier = threading.Barrier(many)

    def read(url: str) -> None:
        barrier.wait()
        list(_start(url))

    with scripted_model(*[said("Hello there.")] * many) as model:
        readers = [threading.Thread(target=read, args=(model.url,)) for _ in range(many)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

    assert len(instrumented.seen()) == many
    assert [thread.name for thread in threading.enumerate()].count("spanwarden-streams") <= 1
