"""Embeddings, legacy completions, the Azure client, retries, request ids and metrics; what is not ours stays so."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import spanwarden
from instrumentation.instrumented import Instrumented
from instrumentation.loops import async_client, client, conversation, helpers, run_loop
from instrumentation.seen import attribute, content
from scripted_model import asked, refusal, said, scripted, scripted_model
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


SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
RUN_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
TOKENS = tuple(4**power for power in range(14))
CALLS = (1, 2, 4, 8, 16, 32, 64, 128)
METRICS = {
    "gen_ai.client.inference.duration": ("s", SECONDS),
    "gen_ai.client.inference.operation.input_tokens": ("{token}", TOKENS),
    "gen_ai.client.inference.operation.output_tokens": ("{token}", TOKENS),
    "gen_ai.client.inference.time_per_output_chunk": ("s", SECONDS),
    "gen_ai.client.inference.time_to_first_chunk": ("s", SECONDS),
    "gen_ai.client.inference.usage.cache_read.input_tokens": ("{token}", None),
    "gen_ai.client.inference.usage.cache_write.input_tokens": ("{token}", None),
    "gen_ai.client.inference.usage.input_tokens": ("{token}", None),
    "gen_ai.client.inference.usage.output_tokens": ("{token}", None),
    "gen_ai.client.inference.usage.reasoning.output_tokens": ("{token}", None),
    "gen_ai.client.operation.duration": ("s", SECONDS),
    "gen_ai.execute_tool.duration": ("s", SECONDS),
    "gen_ai.invoke_agent.duration": ("s", RUN_SECONDS),
    "gen_ai.invoke_agent.inference_calls": ("{inference_call}", CALLS),
    "gen_ai.invoke_agent.tool_calls": ("{tool_call}", CALLS),
}
"""Unit and bounds of each, None for counters."""


def test_metrics_are_recorded_under_the_names_of_the_conventions(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello."), said("Hello there."), EMBEDDINGS) as model:
        user = client(model.url)
        _chat(user)
        _streamed(user)
        user.embeddings.create(model="embed", input="text", encoding_format="float")
        with spanwarden.agent("coder"), spanwarden.tool("search", {}):
            pass

    metrics = instrumented.measurements()
    assert {name: (metric.unit, _bounds(metric)) for name, metric in metrics.items()} == METRICS
    measured = instrumented.measured()
    assert sum(point.count for point in measured["gen_ai.client.inference.duration"]) == 2
    assert sum(point.value for point in measured["gen_ai.client.inference.usage.input_tokens"]) == 22
    assert sum(point.count for point in measured["gen_ai.client.inference.time_per_output_chunk"]) == 3
    attributes = dict(measured["gen_ai.client.inference.time_to_first_chunk"][0].attributes)
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.provider.name"] == "openai"


def _bounds(metric: Any) -> tuple[float, ...] | None:
    return getattr(metric.data.data_points[0], "explicit_bounds", None)


def test_what_is_measured_of_an_operation_is_how_long_its_span_took(instrumented: Instrumented) -> None:
    with scripted_model(said("Hello.")) as model, spanwarden.agent("coder"), spanwarden.tool("search", {}):
        _chat(client(model.url))

    seen, measured = instrumented.seen(), instrumented.measured()
    for name, span in (
        ("gen_ai.client.inference.duration", seen.one("chat")),
        ("gen_ai.execute_tool.duration", seen.one("execute_tool")),
        ("gen_ai.invoke_agent.duration", seen.one("invoke_agent")),
    ):
        (point,) = measured[name]
        assert point.sum == ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    tool = {"gen_ai.tool.name": "search", "gen_ai.tool.type": "function", "gen_ai.agent.name": "coder"}
    assert dict(measured["gen_ai.execute_tool.duration"][0].attributes) == tool
    assert dict(measured["gen_ai.invoke_agent.duration"][0].attributes) == {"gen_ai.agent.name": "coder"}


def test_a_run_measures_the_calls_that_it_made_itself(instrumented: Instrumented) -> None:
    answers = (asked(("call_1", "bash", {"command": "ls"}), ("call_2", "bash", {})), said("Done."), said("Other."))
    with scripted_model(*answers, refusal(500, "down")) as model, spanwarden.agent("coder"):
        user = client(model.url)
        run_loop(user, conversation("Go."))
        with spanwarden.agent("helper"):
            _chat(user)
        with pytest.raises(openai.InternalServerError):
            _chat(user)

    measured = instrumented.measured()
    counted = {
        name: {point.attributes["gen_ai.agent.name"]: point.sum for point in measured[f"gen_ai.invoke_agent.{name}"]}
        for name in ("inference_calls", "tool_calls")
    }
    assert counted == {"inference_calls": {"coder": 3, "helper": 1}, "tool_calls": {"coder": 2, "helper": 0}}


def _by_modality(points: list[Any]) -> dict[str, int]:
    return {point.attributes["gen_ai.token.modality"]: point.value for point in points}


def test_tokens_are_counted_by_modality(instrumented: Instrumented) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 4}}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, **details}
    with scripted_model({**said("Hello."), "usage": usage}) as model:
        _chat(client(model.url))

    measured = instrumented.measured()
    counts = {name.removeprefix("gen_ai.client.inference.usage."): points for name, points in measured.items()}
    assert _by_modality(counts["input_tokens"]) == {"audio": 4, "unknown": 7}
    assert _by_modality(counts["output_tokens"]) == {"unknown": 7}
    assert _by_modality(counts["cache_read.input_tokens"]) == {"unknown": 3}
    assert _by_modality(counts["reasoning.output_tokens"]) == {"unknown": 0}


def test_a_call_that_fails_is_measured_and_counts_no_tokens(instrumented: Instrumented) -> None:
    with scripted_model(refusal(500, "down")) as model, pytest.raises(openai.InternalServerError):
        _chat(client(model.url))

    measured = instrumented.measured()
    (point,) = measured["gen_ai.client.inference.duration"]
    assert dict(point.attributes)["error.type"] == "InternalServerError"
    assert _by_modality(measured["gen_ai.client.inference.usage.input_tokens"]) == {"unknown": 0}
    assert "gen_ai.client.inference.operation.input_tokens" not in measured


def test_what_is_inferred_is_no_measurement(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls"})), said("Done.")) as model:
        run_loop(client(model.url), conversation("Go."))

    assert len(instrumented.seen().named("execute_tool")) == 1
    assert [name for name in instrumented.measured() if "inference" not in name] == []


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        ({"id": "m", "model": "omni", "results": []}, lambda user: user.moderations.create(input="text")),
        ({"created": 1, "data": []}, lambda user: user.images.generate(prompt="a dot", model="gpt-image-1")),
        ({"text": "sound"}, lambda user: user.audio.speech.create(input="Hi.", model="tts-1", voice="alloy")),
        ({"object": "list", "data": []}, lambda user: user.models.list()),
    ],
    ids=["moderations", "images", "audio", "models"],
)
def test_what_is_no_call_of_a_language_model_is_left_alone(instrumented: Instrumented, answer: Any, ask: Any) -> None:
    with scripted_model(answer) as model:
        ask(client(model.url))

    assert len(instrumented.seen()) == 0
    assert instrumented.instrumentor.counts.faults == 0
