"""Answers that are huge, garbled or read by several: recorded as far as they go, and to the program as without us."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from pydantic import BaseModel

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, async_client, client, conversation, helpers, results
from instrumentation.seen import attribute, content
from scripted_model import asked, chat_chunks, said, scripted, scripted_model
from scripted_responses import called, message, response

RECEIVERS_LIMIT = 4 * 1024 * 1024
MIB = 1024 * 1024
TEXTS = [f"text {number} " for number in range(200)]


class Word(BaseModel):
    word: str


def _ask(user: OpenAI, **more: Any) -> Any:
    return user.chat.completions.create(model="gpt-5", messages=conversation("Go."), **more)


def _chat(user: OpenAI) -> None:
    answer = _ask(user, tools=TOOLS).choices[0].message
    _ask_again(user, answer, results(answer))


def _streamed_chat(user: OpenAI) -> None:
    with helpers(user).stream(model="gpt-5", messages=conversation("Go."), tools=TOOLS) as stream:
        answer = stream.get_final_completion().choices[0].message
    _ask_again(user, answer, results(answer))


def _ask_again(user: OpenAI, answer: Any, tool_results: list[Any]) -> None:
    messages = [*conversation("Go."), answer, *tool_results]
    user.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)


def _responses(user: OpenAI) -> None:
    call: Any = user.responses.create(model="gpt-5", input="Go.").output[0]
    result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    user.responses.create(model="gpt-5", input=[call, result])


@pytest.mark.parametrize("size", [1_000_000, 30_000_000])
@pytest.mark.parametrize(
    ("loop", "answers"),
    [
        (_chat, lambda command: (asked(("call_1", "bash", {"command": command})), said("Done."))),
        (_streamed_chat, lambda command: (asked(("call_1", "bash", {"command": command})), said("Done."))),
        (
            _responses,
            lambda command: (response(called("call_1", "bash", {"command": command})), response(message("x"))),
        ),
    ],
    ids=["chat", "streamed", "responses"],
)
def test_huge_arguments_are_recorded_within_the_limits(
    instrumented: Instrumented, loop: Callable[[OpenAI], None], answers: Callable[[str], Any], size: int
) -> None:
    with scripted_model(*answers("x" * size + " && rm -r build")) as model:
        loop(client(model.url))

    seen = instrumented.seen()
    tool = seen.one("execute_tool")
    assert content(tool, "gen_ai.tool.call.arguments")["command"].endswith("x && rm -r build")
    assert attribute(tool, "spanwarden.truncated") is True
    assert encode_spans(list(seen)).ByteSize() < RECEIVERS_LIMIT
    assert instrumented.instrumentor.counts.faults == 0


def _outcome(act: Callable[[], Any]) -> Any:
    """What comes of it: a value, or the type and text of an exception."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same with us and without
        return type(error).__name__, str(error)


def _answer(user: OpenAI) -> Any:
    return _ask(user).choices[0].message.content


def _streamed(user: OpenAI) -> Any:
    return [chunk.choices[0].delta.content for chunk in _ask(user, stream=True)]


def _raw(user: OpenAI) -> Any:
    return user.chat.completions.with_raw_response.create(model="gpt-5", messages=conversation("Go.")).text


def _streaming(user: OpenAI) -> Any:
    ask = user.chat.completions.with_streaming_response.create
    with ask(model="gpt-5", messages=conversation("Go."), stream=True) as answer:
        return list(answer.iter_lines())


GARBLED = json.dumps(said("Caf\u00e9."), ensure_ascii=False).encode("latin-1")
GARBLED_CHUNK = json.dumps(chat_chunks(said("Caf\u00e9."))[0], ensure_ascii=False).encode("latin-1")


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (_answer, GARBLED),
        (_raw, GARBLED),
        (_streamed, b"data: " + GARBLED_CHUNK + b"\n\ndata: [DONE]\n\n"),
        (_streaming, b"data: " + GARBLED_CHUNK + b"\n\ndata: [DONE]\n\n"),
        (_answer, b"\xff\xfe\x00"),
        (_answer, GARBLED[:-40]),
    ],
)
def test_an_answer_that_is_not_utf_8_is_to_the_program_as_without_us(
    instrumented: Instrumented, ask: Callable[[OpenAI], Any], body: bytes
) -> None:
    with scripted_model(*[scripted(said(""), body=body)] * 2) as model:
        with_us = _outcome(lambda: ask(client(model.url)))
        instrumented.instrumentor.uninstrument()
        assert with_us == _outcome(lambda: ask(client(model.url)))

    assert len(instrumented.seen().named("chat")) == 1
    encode_spans(list(instrumented.seen()))


def _parsed(user: OpenAI) -> Any:
    return helpers(user).parse(model="gpt-5", messages=conversation("Go."), response_format=Word)


def _raw_response(user: OpenAI) -> Any:
    return user.chat.completions.with_raw_response.create(model="gpt-5", messages=conversation("Go."))


def _open_stream(user: OpenAI) -> Any:
    return _ask(user, stream=True)


def _error(user: OpenAI) -> Any:
    return _outcome(lambda: _ask(user, tools=7))


@pytest.mark.parametrize(
    "ask", [_ask, _answer, _parsed, _raw_response, _open_stream, _error, lambda user: user, lambda user: user.chat]
)
def test_what_the_client_gives_pickles_as_without_us(instrument: Instrument, ask: Callable[[OpenAI], Any]) -> None:
    def pickled(url: str) -> Any:
        with contextlib.closing(client(url)) as user:
            given = ask(user)
            back = _outcome(lambda: pickle.loads(pickle.dumps(given)))
            return back if isinstance(back, tuple) else (type(back), back == given)

    with scripted_model(*[said('{"word": "yes"}')] * 2) as model:
        without_us = pickled(model.url)
        instrument()
        assert pickled(model.url) == without_us


@pytest.mark.parametrize("ask", [_streamed, _streaming])
def test_a_stream_of_more_than_64_mib_reaches_the_program_and_is_cut_for_the_record(
    instrumented: Instrumented, ask: Callable[[OpenAI], Any]
) -> None:
    head, last = chat_chunks(said("x"))[0], chat_chunks(said("x"))[1]
    piece = {**head, "choices": [{**head["choices"][0], "delta": {"content": "y" * MIB}}]}
    with scripted_model(scripted(said(""), events=[*[piece] * 66, last])) as model:
        given = ask(client(model.url))

    assert sum(len(each or "") for each in given) >= 66 * MIB
    span = instrumented.seen().one("chat")
    assert attribute(span, "spanwarden.truncated") is True
    assert encode_spans([span]).ByteSize() < RECEIVERS_LIMIT
    assert instrumented.instrumentor.counts.faults == 0


def _words(stream: Any) -> Iterator[str]:
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def test_several_threads_may_take_turns_with_one_stream(instrumented: Instrumented) -> None:
    lock, taken = threading.Lock(), list[str]()

    def take(words: Iterator[str]) -> None:
        while True:
            with lock:
                word = next(words, None)
            if word is None:
                return
            taken.append(word)

    with scripted_model(said("".join(TEXTS))) as model:
        words = _words(_ask(client(model.url), stream=True))
        threads = [threading.Thread(target=take, args=(words,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(taken) == sorted("".join(TEXTS).replace(" ", " \0").split("\0")[:-1])
    (part,) = content(instrumented.seen().one("chat"), "gen_ai.output.messages")[0]["parts"]
    assert part["content"] == "".join(TEXTS)


def test_a_thread_that_reads_while_another_does_gets_its_error_and_ends_nothing(instrumented: Instrumented) -> None:
    gate = threading.Event()
    taken: list[str] = []

    with scripted_model(scripted(said("one two three"), gates={1: gate})) as model:
        stream = _ask(client(model.url), stream=True)
        next(stream)
        thread = threading.Thread(target=lambda: taken.extend(_words(stream)))
        thread.start()
        while not stream._iterator.gi_running:
            thread.join(0.001)
        with pytest.raises(ValueError, match="already executing"):
            next(stream)
        gate.set()
        thread.join()

    assert taken == ["two ", "three"]
    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") is None
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "one two three"


def test_tasks_that_read_one_stream_at_once_leave_one_whole_span(instrumented: Instrumented) -> None:
    async def read(stream: Any) -> str:
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def run(url: str, gate: threading.Event) -> str:
        async with async_client(url) as user:
            ask = user.chat.completions.create
            stream = await ask(model="gpt-5", messages=conversation("Go."), stream=True)  # type: ignore[call-overload]
            first, second = (asyncio.create_task(read(stream)) for _ in range(2))
            with pytest.raises(RuntimeError, match="already running"):
                await second
            gate.set()
            return await first

    gate = threading.Event()
    with scripted_model(scripted(said("one two three"), gates={1: gate})) as model:
        assert asyncio.run(run(model.url, gate)) == "one two three"

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") is None
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "one two three"


def _circle(width: int = 6) -> Any:
    """A value that holds itself several times: a tree without end."""
    circle: dict[str, Any] = {}
    circle.update({str(number): circle for number in range(width)})
    return circle


def _web(size: int = 24) -> Any:
    """Values each of which holds all others: no circle is short, and the ways through are without number."""
    web: list[dict[str, Any]] = [{} for _ in range(size)]
    for one in web:
        one.update({str(number): other for number, other in enumerate(web)})
    return web[0]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("endless", [_circle, _web])
@pytest.mark.parametrize("place", ["tools", "result", "item"])
def test_values_that_hold_themselves_take_no_time_and_change_nothing(
    instrument: Instrument, endless: Callable[[], Any], place: str
) -> None:
    def ask(user: OpenAI) -> Any:
        if place == "tools":
            return _ask(user, tools=[{"type": "function", "function": {"name": "at", "parameters": endless()}}])
        if place == "result":
            result: Any = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "odd", "is": endless()}]}
            return user.chat.completions.create(model="gpt-5", messages=[*conversation("Go."), result])
        return user.responses.create(model="gpt-5", input=[{"type": "odd", "is": endless()}])  # type: ignore[list-item]

    def kind_of_error(url: str) -> Any:
        with pytest.raises((ValueError, RecursionError)) as raised:
            ask(client(url))
        return raised.type

    with scripted_model() as model:
        without_us = kind_of_error(model.url)
        instrumented = instrument()
        assert kind_of_error(model.url) is without_us

    span = instrumented.seen().one("chat")
    assert isinstance(content(span, "gen_ai.input.messages"), list)
    assert instrumented.instrumentor.counts.faults == 0
    assert encode_spans([span]).ByteSize() < RECEIVERS_LIMIT


WIDE: dict[str, Any] = {
    "n": 2**70,
    "seed": -(2**70),
    "temperature": 10**400,
    "max_tokens": 2**70,
    "service_tier": "tier \ud800",
    "reasoning_effort": "so \ud800",
    "stop": ["\ud800", 7],
}


@pytest.mark.parametrize("argument", WIDE)
def test_settings_that_cannot_be_sent_are_recorded_as_near_as_can_be(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture, argument: str
) -> None:
    with scripted_model(said("Fine.")) as model:
        _outcome(lambda: _ask(client(model.url), **{argument: WIDE[argument]}))

    span = instrumented.seen().one("chat")
    encode_spans([span])
    assert not caplog.records
    assert content(span, "gen_ai.input.messages")


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"message": {"content": "Fine."}, "finish_reason": "\ud800"}]},
        {"usage": {"prompt_tokens": -(2**70), "completion_tokens": 2**63 - 1}},
        {"service_tier": "\ud800", "system_fingerprint": "\ud800"},
    ],
)
def test_what_an_answer_says_of_itself_can_always_be_sent(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture, odd: Any
) -> None:
    with scripted_model(*[{**asked(("call_1", "bash", {"command": "ls"})), **odd}] * 2) as model:
        for _ in range(2):
            _ask(client(model.url), tools=TOOLS)
    instrumented.instrumentor.uninstrument()

    encode_spans(list(instrumented.seen()))
    assert not caplog.records


def test_a_number_too_long_to_be_written_is_told_by_its_size(instrumented: Instrumented) -> None:
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "odd", "is": 10**5_000}]}
    with scripted_model() as model:
        _outcome(lambda: client(model.url).chat.completions.create(model="gpt-5", messages=[result]))

    (part,) = content(instrumented.seen().one("chat"), "gen_ai.input.messages")[0]["parts"]
    assert part["response"] == [{"type": "odd", "is": "<16610 bits>"}]


def _some_bytes(user: OpenAI) -> Any:
    ask = user.chat.completions.with_streaming_response.create
    with ask(model="gpt-5", messages=conversation("Go.")) as answer:
        return next(answer.iter_bytes(4))


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
@pytest.mark.parametrize("ask", [_some_bytes, _raw, _answer])
def test_a_body_that_cannot_be_decoded_still_is_a_call_that_was_made(
    instrument: Instrument, ask: Callable[[OpenAI], Any], headers: dict[str, str]
) -> None:
    with scripted_model(*[scripted(said(""), body=b'{"id": "half', headers=headers)] * 2) as model:
        without_us = _outcome(lambda: ask(client(model.url)))
        instrumented = instrument()
        assert _outcome(lambda: ask(client(model.url))) == without_us

    assert len(content(instrumented.seen().one("chat"), "gen_ai.input.messages")) == 2
    assert instrumented.instrumentor.counts.faults == 0


def test_an_answer_with_lone_surrogates_is_read_as_the_client_reads_it(instrumented: Instrumented) -> None:
    with scripted_model(said("Odd: \ud800.")) as model:
        text = _raw(client(model.url))

    assert "ud800" in text
    (part,) = content(instrumented.seen().one("chat"), "gen_ai.output.messages")[0]["parts"]
    assert part["content"] == "Odd: \\ud800."


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_the_body_of_a_response_copies_as_without_us(instrument: Instrument, copied: Callable[[Any], Any]) -> None:
    def copy_of_body(user: OpenAI) -> Any:
        ask = user.chat.completions.with_streaming_response.create
        with ask(model="gpt-5", messages=conversation("Go."), stream=True) as answer:
            outcome = _outcome(lambda: copied(answer.http_response.stream))
            return outcome if isinstance(outcome, tuple) else "copied", list(answer.iter_lines())

    with scripted_model(*[said("one two")] * 2) as model:
        without_us = copy_of_body(client(model.url))
        instrument()
        assert copy_of_body(client(model.url)) == without_us


class Wordless(BaseException):
    """Has no text, and says so by raising."""

    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("place", ["SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"])
def test_an_error_without_a_text_leaves_a_whole_span(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def break_off(*_: Any, **__: Any) -> Any:
        raise Wordless

    instrumented, user = instrument(place), client("http://127.0.0.1:9")
    monkeypatch.setattr(user._client, "send", break_off)

    with pytest.raises(Wordless):
        _ask(user)

    span = instrumented.seen().one("chat")
    assert attribute(span, "error.type") == "Wordless"
    assert attribute(span, "spanwarden.session.id")
    assert instrumented.instrumentor.counts.faults == 0
