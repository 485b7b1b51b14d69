"""Embeddings, legacy completions, the Azure client, retries, request ids and metrics; what is not ours stays so."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import spanwarden
from instrumentation.instrumented import Instrumented
from instrumentation.loops import async_client, client, conversation, helpers
from instrumentation.seen import attribute, content
from scripted_model import refusal, said, scripted, scripted_model
from scripted_responses import message, response

EMBEDDINGS = {
    "object": "list",
    "model": "embed-2026",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25, 0.125]}],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "davinci-2026",
    "choices": [{"index": 0, "text": "upon a time", "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
}


def test_embeddings_are_recorded(instrumented: Instrumented) -> None:
    with scripted_model(EMBEDDINGS) as model:
        answer = client(model.url).embeddings.create(model="embed", input="text", encoding_format="float")

    span = instrumented.seen().one("embeddings embed")
    assert answer.data[0].embedding == [0.5, 0.25, 0.125]
    assert attribute(span, "gen_ai.operation.name") == "embeddings"
    assert attribute(span, "gen_ai.embeddings.dimension.count") == 3
    assert attribute(span, "gen_ai.request.encoding_formats") == ("float",)
    assert attribute(span, "gen_ai.usage.input_tokens") == 4
    assert attribute(span, "gen_ai.response.model") == "embed-2026"
    assert "gen_ai.input.messages" not in (span.attributes or {})


def test_asynchronous_embeddings_are_recorded(instrumented: Instrumented) -> None:
    async def run(url: str) -> None:
        async with async_client(url) as user:
            await user.embeddings.create(model="embed", input=["a", "b"], encoding_format="float")

    with scripted_model(EMBEDDINGS) as model:
        asyncio.run(run(model.url))

    assert instrumented.seen().trees() == ["embeddings embed"]


def test_legacy_completions_are_recorded(instrumented: Instrumented) -> None:
    with scripted_model(COMPLETION) as model:
        client(model.url).completions.create(model="davinci", prompt="Once")

    span = instrumented.seen().one("text_completion davinci")
    assert content(span, "gen_ai.input.messages") == [{"role": "user", "parts": [{"type": "text", "content": "Once"}]}]
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [{"type": "text", "content": "upon a time"}]


def test_streamed_legacy_completions_are_recorded(instrumented: Instrumented) -> None:
    head = {key: COMPLETION[key] for key in ("id", "object", "created", "model")}
    events = [
        {**head, "choices": [{"index": 0, "text": "upon ", "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "text": "a time", "finish_reason": "stop"}]},
    ]
    with scripted_model(scripted(COMPLETION, events=events)) as model:
        list(client(model.url).completions.create(model="davinci", prompt="Once", stream=True))

    span = instrumented.seen().one("text_completion davinci")
    assert content(span, "gen_ai.output.messages")[0]["parts"] == [{"type": "text", "content": "upon a time"}]
    assert attribute(span, "gen_ai.response.finish_reasons") == ("stop",)


class Word(BaseModel):
    word: str


def _azure(url: str) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=url.removesuffix("/v1"), api_key="none", api_version="2026-01-01", max_retries=0
    )


def test_the_azure_client_is_recorded_as_azure(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), response(message("Hello."))) as model:
        azure = _azure(model.url)
        azure.chat.completions.create(model="deployed", messages=conversation("Hello?"))
        azure.responses.create(model="deployed", input="Hello?")

    assert instrumented.seen().values("gen_ai.provider.name") == ["azure.ai.openai"] * 2


def test_answers_that_the_azure_client_parses_and_streams_are_recorded_as_azure(instrumented: Instrumented) -> None:
    with scripted_model(said('{"word": "yes"}'), said("Hello there."), response(message('{"word": "yes"}'))) as model:
        azure = _azure(model.url)
        parsed = helpers(azure).parse(model="deployed", messages=conversation("Hello?"), response_format=Word)
        with helpers(azure).stream(model="deployed", messages=conversation("Hello?")) as stream:
            streamed = stream.get_final_completion().choices[0].message.content
        azure.responses.parse(model="deployed", input="Hello?", text_format=Word)

    assert (parsed.choices[0].message.parsed, streamed) == (Word(word="yes"), "Hello there.")
    spans = instrumented.seen()
    assert spans.values("gen_ai.provider.name") == ["azure.ai.openai"] * 3
    said_texts = [content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] for span in spans]
    assert said_texts == ['{"word": "yes"}', "Hello there.", '{"word": "yes"}']


def _chat(user: openai.OpenAI) -> Any:
    return user.chat.completions.create(model="gpt-5", messages=conversation("Hello?"))


def _streamed(user: openai.OpenAI) -> Any:
    return list(user.chat.completions.create(model="gpt-5", messages=conversation("Hello?"), stream=True))


def _raw(user: openai.OpenAI) -> Any:
    return user.chat.completions.with_raw_response.create(model="gpt-5", messages=conversation("Hello?"))


@pytest.mark.parametrize("ask", [_chat, _streamed, _raw])
def test_retries_and_the_request_id_are_recorded(instrumented: Instrumented, ask: Any) -> None:
    answer = scripted(said("Hello."), headers={"x-request-id": "req_7"})
    busy = scripted(refusal(429, "busy"), headers={"retry-after-ms": "1"})
    with scripted_model(busy, busy, answer) as model:
        ask(client(model.url, max_retries=2))

    span = instrumented.seen().one("chat")
    assert attribute(span, "http.request.resend_count") == 2
    assert attribute(span, "http.response.header.x-request-id") == ("req_7",)


def test_the_retries_of_a_call_that_fails_are_recorded(instrumented: Instrumented) -> None:
    busy = scripted(refusal(429, "busy"), headers={"retry-after-ms": "1", "x-request-id": "req_8"})
    with scripted_model(busy, busy) as model, pytest.raises(openai.RateLimitError):
        _chat(client(model.url, max_retries=1))

    span = instrumented.seen().one("chat")
    assert attribute(span, "http.request.resend_count") == 1
    assert attribute(span, "http.response.header.x-request-id") == ("req_8",)


def test_a_call_that_is_not_retried_says_nothing_about_it(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model:
        _chat(client(model.url))

    assert attribute(instrumented.seen().one("chat"), "http.request.resend_count") is None


def test_metrics_are_recorded_under_the_names_of_the_conventions(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Hello."), EMBEDDINGS) as model:
        user = client(model.url)
        _chat(user)
        _streamed(user)
        user.embeddings.create(model="embed", input="text", encoding_format="float")
        with spanwarden.agent("coder"), spanwarden.tool("search", {}):
            pass

    measured = instrumented.measured()
    assert sorted(measured) == [
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.usage.cache_read.input_tokens",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.inference.usage.reasoning.output_tokens",
        "gen_ai.client.operation.duration",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
    ]
    assert sum(point.count for point in measured["gen_ai.client.inference.duration"]) == 2
    assert sum(point.value for point in measured["gen_ai.client.inference.usage.input_tokens"]) == 22
    attributes = dict(measured["gen_ai.client.inference.time_to_first_chunk"][0].attributes)
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.provider.name"] == "openai"


def test_an_inferred_tool_is_no_measurement(instrumented: Instrumented) -> None:
    with scripted_model(refusal(500, "down")) as model, pytest.raises(openai.InternalServerError):
        _chat(client(model.url))

    measured = instrumented.measured()
    assert "gen_ai.execute_tool.duration" not in measured
    (point,) = measured["gen_ai.client.inference.duration"]
    assert dict(point.attributes)["error.type"] == "InternalServerError"


def test_moderations_are_left_alone(instrumented: Instrumented) -> None:
    answer = {"id": "m", "model": "omni", "results": []}
    with scripted_model(answer) as model:
        client(model.url).moderations.create(input="text")

    assert len(instrumented.seen()) == 0
