"""The client behaves as it does without us: types, errors, retries, raw and streamed answers."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import datetime
import gc
import inspect
import logging
import pickle
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import AsyncCompletions, Completions
from openai.types.chat import ChatCompletion
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

import spanwarden.client
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, async_client, client, conversation, run_loop
from instrumentation.policies import broken
from instrumentation.seen import attribute, content
from scripted_model import asked, refusal, said, scripted_model
from spanwarden import SpanwardenInstrumentor


def test_the_answer_is_the_clients_own(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model:
        answer = client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))

    assert type(answer) is ChatCompletion
    assert len(instrumented.seen()) == 1


def test_the_request_is_sent_as_it_was_given(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Hello.")) as model:
        arguments: Any = {"model": "gpt-5", "messages": conversation("Hello?"), "tools": TOOLS, "temperature": 0.5}
        client(model.url).chat.completions.create(**arguments)
        instrumented.instrumentor.uninstrument()
        client(model.url).chat.completions.create(**arguments)

    assert model.requests[0] == model.requests[1]


def test_create_still_is_what_introspection_says(instrument: Instrument) -> None:
    def seen() -> list[Any]:
        return [
            (inspect.iscoroutinefunction(owner.create), str(inspect.signature(owner.create)), owner.create.__qualname__)
            for owner in (Completions, AsyncCompletions)
        ]

    before = seen()
    instrument()

    assert seen() == before


def test_an_error_of_the_server_is_raised_unchanged_and_recorded(instrumented: Instrumented) -> None:
    with scripted_model(refusal(429, "slow down")) as model, pytest.raises(openai.RateLimitError, match="slow down"):
        run_loop(client(model.url), conversation("Hello?"))

    seen = instrumented.seen()
    for span in (seen.one("chat"), seen.one("invoke_agent")):
        assert span.status.status_code == StatusCode.ERROR
        assert attribute(span, "error.type") == "RateLimitError"
    assert content(seen.one("chat"), "gen_ai.input.messages")[1]["role"] == "user"


def test_the_text_of_an_error_is_recorded_only_with_content(instrument: Instrument) -> None:
    instrumented = instrument(content=None)
    with scripted_model(refusal(400, "bad prompt: hunter2")) as model, pytest.raises(openai.BadRequestError):
        run_loop(client(model.url), conversation("Hello?"))

    assert all("hunter2" not in str(span.to_json()) for span in instrumented.seen())


def test_the_clients_retries_are_one_model_call(instrumented: Instrumented) -> None:
    with scripted_model(refusal(503, "busy"), said("Hello.")) as model:
        assert run_loop(client(model.url, max_retries=1), conversation("Hello?")) == "Hello."

    assert len(model.requests) == 2
    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5"])]


def test_a_program_that_tries_again_goes_on_in_the_same_run(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), refusal(500, "down"), said("Done.")) as model:
        openai_client, messages = client(model.url), conversation("Go.")
        with pytest.raises(openai.InternalServerError):
            run_loop(openai_client, messages)
        run_loop(openai_client, messages)

    seen = instrumented.seen()
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5", "chat gpt-5"])]
    assert seen.one("invoke_agent").status.status_code == StatusCode.UNSET
    assert seen.values("spanwarden.step") == [1, 2, 3, 4]


def test_wrong_arguments_raise_what_they_raise_without_us(instrumented: Instrumented) -> None:
    with scripted_model() as model:
        create: Any = client(model.url).chat.completions.create
        with pytest.raises(TypeError, match="messages"):
            create(model="gpt-5")
        with pytest.raises(TypeError, match="colour"):
            create(model="gpt-5", messages=conversation("Hello?"), colour="red")

    assert instrumented.instrumentor.counts.faults == 0


def test_a_generator_of_messages_is_sent_and_recorded(instrumented: Instrumented) -> None:
    def messages() -> Iterator[Any]:
        yield from conversation("Hello?")

    with scripted_model(said("Hello.")) as model:
        client(model.url).chat.completions.create(model="gpt-5", messages=messages(), tools=iter(TOOLS))

    assert [message["role"] for message in model.requests[0]["messages"]] == ["system", "user"]
    assert len(model.requests[0]["tools"]) == 2
    span = instrumented.seen().one("chat")
    assert len(content(span, "gen_ai.input.messages")) == len(content(span, "gen_ai.tool.definitions")) == 2


def test_what_a_generator_of_messages_raises_reaches_the_caller(instrumented: Instrumented) -> None:
    def messages() -> Iterator[Any]:
        yield conversation()[0]
        raise LookupError("no such prompt")

    with scripted_model() as model, pytest.raises(LookupError, match="no such prompt"):
        client(model.url).chat.completions.create(model="gpt-5", messages=messages())

    assert len(instrumented.seen()) == 0


def test_values_that_json_does_not_know_change_nothing_for_the_caller(instrument: Instrument) -> None:
    parameters = {"since": datetime.datetime(2026, 1, 1), "wide": 2**70, "broken": "\ud800", "set": {1}}
    arguments: Any = {
        "model": "gpt-5",
        "messages": conversation("Hello?"),
        "tools": [{"type": "function", "function": {"name": "at", "parameters": parameters}}],
    }

    def outcome(url: str) -> str:
        try:
            return str(client(url).chat.completions.create(**arguments).choices[0].message.content)
        except (TypeError, ValueError) as error:
            return repr(error)

    with scripted_model(said("Hello."), said("Hello.")) as model:
        without = outcome(model.url)
        instrumented = instrument()
        assert outcome(model.url) == without

    assert instrumented.instrumentor.counts.faults == 0
    (definition,) = content(instrumented.seen().one("chat"), "gen_ai.tool.definitions")
    assert definition["parameters"]["wide"] == 2**70
    assert "2026-01-01" in definition["parameters"]["since"]


def test_a_raw_response_stays_raw_and_is_recorded(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.", reasoning_content="Short.")) as model:
        raw = client(model.url).chat.completions.with_raw_response.create(
            model="gpt-5", messages=conversation("Hello?")
        )

    assert raw.http_response.status_code == 200
    assert raw.parse().choices[0].message.content == "Hello."
    assert instrumented.seen().trees() == [("chat gpt-5", ["reasoning"])]


def test_an_unread_response_stays_unread(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model:
        create = client(model.url).chat.completions.with_streaming_response.create
        with create(model="gpt-5", messages=conversation("Hello?")) as response:
            assert not response.http_response.is_stream_consumed
            assert response.parse().choices[0].message.content == "Hello."

    span = instrumented.seen().one("chat")
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [{"type": "text", "content": "Hello."}]
    assert len(content(span, "gen_ai.input.messages")) == 2


def test_an_answer_that_is_no_completion_reaches_the_caller(instrumented: Instrumented) -> None:
    with scripted_model({"detail": "not a completion", "choices": 7}) as model:
        answer: Any = client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))

    assert answer.detail == "not a completion"
    assert instrumented.seen().one("chat").end_time is not None
    assert instrumented.instrumentor.counts.faults == 0


def test_our_own_error_is_logged_once_counted_and_never_raised(
    instrument: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    instrumented = instrument(policy=broken)
    with scripted_model(said("Hello."), said("Hello.")) as model:
        for _ in range(2):
            client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))

    assert instrumented.instrumentor.counts.faults > 2
    assert [record.name for record in caplog.records].count("spanwarden") == 1


def test_a_log_filter_that_fails_on_our_own_error_is_not_the_callers_concern(instrument: Instrument) -> None:
    def fail(_record: logging.LogRecord) -> bool:
        raise LookupError("no such field")

    instrumented, logger = instrument(policy=broken), logging.getLogger("spanwarden")
    logger.addFilter(fail)
    try:
        with scripted_model(said("Hello.")) as model:
            client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))
    finally:
        logger.removeFilter(fail)

    assert len(instrumented.seen()) == 1


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same with us and without
        return type(error), str(error)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda method: pickle.loads(pickle.dumps(method))])
@pytest.mark.parametrize("method", [lambda: Completions.create, lambda: AsyncCompletions.create])
def test_methods_copy_and_pickle_as_without_us(
    instrument: Instrument, copied: Callable[[Any], Any], method: Callable[[], Any]
) -> None:
    def seen() -> Any:
        copy_or_error = _outcome(lambda: copied(method()))
        return getattr(copy_or_error, "__qualname__", copy_or_error)

    before = seen()
    instrument()

    assert seen() == before


def test_a_copy_of_a_method_asks_the_same_client(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model:
        create: Any = copy.copy(client(model.url).chat.completions.create)
        assert create(model="gpt-5", messages=conversation("Hello?")).choices[0].message.content == "Hello."

    assert len(instrumented.seen()) == 1


def test_wrong_arguments_are_refused_before_anything_is_awaited(instrumented: Instrumented) -> None:
    create: Any = async_client("http://127.0.0.1:9/v1").chat.completions.create

    with pytest.raises(TypeError, match="messages"):
        create(model="gpt-5")

    assert len(instrumented.seen()) == 0


def test_a_call_that_is_never_awaited_warns_once_and_by_its_own_name(instrumented: Instrumented) -> None:
    create: Any = async_client("http://127.0.0.1:9/v1").chat.completions.create

    with pytest.warns(RuntimeWarning) as warnings:
        create(model="gpt-5", messages=conversation("Hello?"))

    assert [str(warning.message) for warning in warnings] == ["coroutine 'AsyncCompletions.create' was never awaited"]
    assert len(instrumented.seen()) == 0


def test_a_task_that_is_cancelled_before_it_begins_leaves_no_warning(
    instrumented: Instrumented, recwarn: pytest.WarningsRecorder
) -> None:
    async def cancel() -> None:
        create = async_client("http://127.0.0.1:9/v1").chat.completions.create
        task = asyncio.create_task(create(model="gpt-5", messages=conversation("Hello?")))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()

    assert not [str(warning.message) for warning in recwarn if "awaited" in str(warning.message)]
    assert len(instrumented.seen()) == 0


def test_a_generator_inside_of_a_message_is_left_to_the_client(instrument: Instrument) -> None:
    """A value that is no list is not ours to read."""

    def outcome(url: str) -> Any:
        calls = ({"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab")
        messages: Any = [{"role": "assistant", "tool_calls": calls}]
        return _outcome(lambda: client(url).chat.completions.create(model="gpt-5", messages=messages).id)

    with scripted_model(said("Hello."), said("Hello.")) as model:
        without = outcome(model.url)
        instrument()
        assert outcome(model.url) == without

    assert model.requests[0] == model.requests[-1]


def test_a_cancelled_call_ends_its_span(instrumented: Instrumented, caplog: pytest.LogCaptureFixture) -> None:
    async def cancel() -> None:
        async with async_client("http://127.0.0.1:9/v1") as openai_client:
            create = openai_client.chat.completions.create(model="gpt-5", messages=conversation("Hello?"))
            task = asyncio.create_task(create)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())

    assert attribute(instrumented.seen().one("chat"), "error.type") == "CancelledError"
    assert not caplog.records


@types.coroutine
def _suspended() -> Generator[None, None, None]:
    yield


async def _never_answers(*_: Any, **__: Any) -> None:
    await _suspended()


def test_a_call_abandoned_in_another_context_leaves_no_complaint(
    instrumented: Instrumented, caplog: pytest.LogCaptureFixture
) -> None:
    openai_client: Any = async_client("http://127.0.0.1:9/v1")
    openai_client.post = _never_answers
    call = openai_client.chat.completions.create(model="gpt-5", messages=conversation("Hello?"))
    contextvars.copy_context().run(call.send, None)

    call.close()

    assert not caplog.records
    assert attribute(instrumented.seen().one("chat"), "error.type") == "GeneratorExit"
    assert not trace.get_current_span().get_span_context().is_valid


def test_concurrent_calls_keep_to_their_own_sessions(instrumented: Instrumented) -> None:
    async def talk(url: str, name: str) -> None:
        async with async_client(url) as openai_client:
            messages = conversation(name)
            for _ in range(3):
                answer = await openai_client.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)
                messages.append(answer.choices[0].message)
                messages.append({"role": "user", "content": "go on"})

    async def talk_all(url: str) -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("a", "b", "c", "d"):
                group.create_task(talk(url, name))

    with scripted_model(*[said("The same answer for all.")] * 12) as model:
        asyncio.run(talk_all(model.url))

    sessions: dict[str, set[str]] = {}
    for span in instrumented.seen().named("chat"):
        first_user = content(span, "gen_ai.input.messages")[1]["parts"][0]["content"]
        sessions.setdefault(attribute(span, "spanwarden.session.id"), set()).add(first_user)
    assert sorted(len(names) for names in sessions.values()) == [1, 1, 1, 1]


def test_uninstrumenting_gives_the_clients_functions_back() -> None:
    before = Completions.__dict__["create"], AsyncCompletions.__dict__["create"]
    instrumentor = SpanwardenInstrumentor()
    instrumentor.instrument()
    assert Completions.__dict__["create"] is not before[0]
    instrumentor.uninstrument()

    assert (Completions.__dict__["create"], AsyncCompletions.__dict__["create"]) == before


def test_a_call_that_is_not_sampled_passes_untouched(instrument: Instrument) -> None:
    instrumented = instrument(sampler=ALWAYS_OFF)
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), said("Done.")) as model:
        assert run_loop(client(model.url), conversation("Go.")) == "Done."

    assert len(instrumented.seen()) == 0


def test_a_client_of_another_make_is_imported_all_the_same(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AttributeError("no such class here")

    monkeypatch.setattr(spanwarden.client, "wrap_present", refuse)

    instrumented = instrument()

    with scripted_model(said("Hello.")) as model:
        client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))
    assert instrumented.instrumentor.counts.faults > 0
    assert len(instrumented.seen()) == 0


def test_going_on_and_off_again_leaves_nothing_behind(instrumented: Instrumented) -> None:
    instrumentor, known = instrumented.instrumentor, list[Any]()
    for _ in range(5):
        instrumentor.uninstrument()
        instrumentor.instrument(tracer_provider=instrumented.provider)
        known.append(weakref.ref(instrumentor.recorder.calls))
    gc.collect()

    assert [calls() for calls in known] == [None] * 4 + [instrumentor.recorder.calls]
