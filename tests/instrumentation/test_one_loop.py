"""One hand-written loop, whichever way it is written: the same spans, attribute by attribute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from openai.resources.responses import Responses

from instrumentation.instrumented import Instrument
from instrumentation.loops import TOOLS, async_client, client, helpers, results
from instrumentation.seen import Seen
from scripted_model import asked, said, scripted_model
from scripted_responses import called, message, response, thought

ASK: Any = [{"role": "system", "content": "Be careful."}, {"role": "user", "content": "What is here?"}]
REQUEST: dict[str, Any] = {"model": "gpt-5", "temperature": 0.5}
STRICT: list[Any] = [{**tool, "function": {**tool["function"], "strict": True}} for tool in TOOLS]
CHAT: dict[str, Any] = {**REQUEST, "tools": STRICT}
FLAT: dict[str, Any] = {**REQUEST, "tools": [{"type": "function", **tool["function"]} for tool in STRICT]}
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
WITH_USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}

CHAT_ANSWERS = (
    asked(
        ("call_1", "bash", {"command": "ls"}),
        ("call_2", "read_file", {"path": "a.txt"}),
        reasoning_content="I look around first.",
    ),
    said("There is one file."),
)
RESPONSES_ANSWERS = (
    response(
        thought(content="I look around first."),
        called("call_1", "bash", {"command": "ls"}),
        called("call_2", "read_file", {"path": "a.txt"}),
    ),
    response(message("There is one file."), response_id="resp_2"),
)


def _chat(url: str) -> None:
    messages = list(ASK)
    while True:
        answer = client(url).chat.completions.create(messages=messages, **CHAT).choices[0].message
        messages += [answer, *(results(answer) if answer.tool_calls else ())]
        if not answer.tool_calls:
            return


def _message_of(chunks: list[Any]) -> Any:
    """What a program puts together of chunks."""
    whole: dict[str, Any] = {"role": "assistant"}
    calls: dict[int, dict[str, Any]] = {}
    for delta in (chunk.choices[0].delta for chunk in chunks if chunk.choices):
        for key in ("content", "reasoning_content"):
            if getattr(delta, key, None):
                whole[key] = whole.get(key, "") + getattr(delta, key)
        for piece in delta.tool_calls or ():
            call = calls.setdefault(piece.index, {"id": piece.id, "type": "function", "function": {"arguments": ""}})
            call["function"]["name"] = call["function"].get("name") or piece.function.name
            call["function"]["arguments"] += piece.function.arguments
    return {**whole, "tool_calls": list(calls.values())} if calls else whole


def _after(answer: dict[str, Any]) -> list[Any]:
    calls = answer.get("tool_calls", ())
    texts = [(call["id"], f"ran {call['function']['arguments']}") for call in calls]
    return [{"role": "tool", "tool_call_id": call_id, "content": text} for call_id, text in texts]


def _chat_streamed(url: str) -> None:
    messages = list(ASK)
    while messages[-1]["role"] != "assistant":
        answer = _message_of(list(client(url).chat.completions.create(messages=messages, **CHAT, **STREAMED)))
        messages += [answer, *_after(answer)]


def _chat_helper(url: str) -> None:
    messages = list(ASK)
    while True:
        with helpers(client(url)).stream(messages=messages, **CHAT, **WITH_USAGE) as stream:
            answer = stream.get_final_completion().choices[0].message
        messages += [answer, *(results(answer) if answer.tool_calls else ())]
        if not answer.tool_calls:
            return


def _asynchronous_chat(url: str) -> None:
    async def run() -> None:
        messages = list(ASK)
        async with async_client(url) as user:
            while True:
                answer = (await user.chat.completions.create(messages=messages, **CHAT)).choices[0].message
                messages.extend([answer, *(results(answer) if answer.tool_calls else ())])
                if not answer.tool_calls:
                    return

    asyncio.run(run())


def _asynchronous_chat_streamed(url: str) -> None:
    async def run() -> None:
        messages = list(ASK)
        async with async_client(url) as user:
            while messages[-1]["role"] != "assistant":
                stream = await user.chat.completions.create(messages=messages, **CHAT, **STREAMED)
                answer = _message_of([chunk async for chunk in stream])
                messages += [answer, *_after(answer)]

    asyncio.run(run())


def _outputs(answer: Any) -> list[Any]:
    return [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"ran {item.arguments}"}
        for item in answer.output
        if item.type == "function_call"
    ]


def _responses(url: str) -> None:
    items = list(ASK)
    while True:
        answer = client(url).responses.create(input=items, **FLAT)
        items += [*answer.output, *_outputs(answer)]
        if not _outputs(answer):
            return


def _responses_streamed(url: str) -> None:
    items = list(ASK)
    while True:
        *_, last = client(url).responses.create(input=items, stream=True, **FLAT)
        items += [*last.response.output, *_outputs(last.response)]
        if not _outputs(last.response):
            return


def _responses_helper(url: str) -> None:
    items = list(ASK)
    while True:
        with client(url).responses.stream(input=items, **FLAT) as stream:
            answer = stream.get_final_response()
        items += [*answer.output, *_outputs(answer)]
        if not _outputs(answer):
            return


def _asynchronous_responses(url: str) -> None:
    async def run() -> None:
        items = list(ASK)
        async with async_client(url) as user:
            while True:
                answer = await user.responses.create(input=items, **FLAT)
                items.extend([*answer.output, *_outputs(answer)])
                if not _outputs(answer):
                    return

    asyncio.run(run())


def _asynchronous_responses_streamed(url: str) -> None:
    async def run() -> None:
        items = list(ASK)
        async with async_client(url) as user:
            while True:
                *_, last = [event async for event in await user.responses.create(input=items, stream=True, **FLAT)]
                items.extend([*last.response.output, *_outputs(last.response)])
                if not _outputs(last.response):
                    return

    asyncio.run(run())


KNOWS_STREAMING = pytest.mark.skipif(
    not hasattr(Responses, "stream"), reason="the installed client has no helper for streamed responses"
)
OF_THE_API = frozenset(
    {"openai.api.type", "gen_ai.response.id", "openai.response.service_tier", "openai.response.system_fingerprint"}
)
"""What says which API it was, and what one of them does not tell."""
OF_STREAMS = frozenset({"gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"})
OF_THE_RUN = frozenset({"server.port", "spanwarden.session.id"})


def _shape(seen: Seen) -> list[Any]:
    """Every span: its parent's step, name, kind, status, and all attributes but those that tell the ways apart."""
    left_out = OF_THE_API | OF_STREAMS | OF_THE_RUN
    places = {span.context.span_id: (span.attributes or {}).get("spanwarden.step", 0) for span in seen}
    shape = []
    for span in seen:
        attributes = {key: value for key, value in (span.attributes or {}).items() if key not in left_out}
        if span.name == "reasoning":
            attributes.pop("spanwarden.inferred", None)  # streamed reasoning has times of its own
        parent = places[span.parent.span_id] if span.parent is not None else None
        shape.append((places[span.context.span_id], parent, span.name, span.kind, span.status.status_code, attributes))
    return sorted(shape, key=lambda each: each[0])


def _left_by(instrument: Instrument, way: Callable[[str], None], answers: Any) -> Seen:
    instrumented = instrument()
    with scripted_model(*answers) as model:
        way(model.url)
    seen = instrumented.seen()
    assert instrumented.instrumentor.counts.faults == 0
    assert len({(span.attributes or {})["spanwarden.session.id"] for span in seen}) == 1
    assert len({span.context.trace_id for span in seen}) == 1
    instrumented.instrumentor.uninstrument()
    return seen


@pytest.mark.parametrize(
    ("way", "answers", "streamed"),
    [
        (_chat_streamed, CHAT_ANSWERS, True),
        (_chat_helper, CHAT_ANSWERS, True),
        (_asynchronous_chat, CHAT_ANSWERS, False),
        (_asynchronous_chat_streamed, CHAT_ANSWERS, True),
        (_responses, RESPONSES_ANSWERS, False),
        (_responses_streamed, RESPONSES_ANSWERS, True),
        pytest.param(_responses_helper, RESPONSES_ANSWERS, True, marks=KNOWS_STREAMING),
        (_asynchronous_responses, RESPONSES_ANSWERS, False),
        (_asynchronous_responses_streamed, RESPONSES_ANSWERS, True),
    ],
)
def test_one_loop_leaves_the_same_spans_whichever_way_it_is_written(
    instrument: Instrument, way: Callable[[str], None], answers: Any, streamed: bool
) -> None:
    plain = _left_by(instrument, _chat, CHAT_ANSWERS)
    other = _left_by(instrument, way, answers)

    assert plain.trees() == [
        ("invoke_agent", [("chat gpt-5", ["reasoning"]), "execute_tool bash", "execute_tool read_file", "chat gpt-5"])
    ]
    assert _shape(other) == _shape(plain)
    for span in other.named("chat"):
        assert (set(span.attributes or {}) >= OF_STREAMS) is streamed
