"""What is recorded may be redacted, is bounded per part, span and session, and passes ordinary receivers."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import TOOLS, client, conversation, run_loop
from instrumentation.policies import broken, without_zebras
from instrumentation.seen import attribute, content
from scripted_model import asked, refusal, said, scripted_model
from scripted_responses import message, response
from spanwarden import policy
from spanwarden.content import HISTORY_VARIABLE, MEDIA_BYTES, PART_VARIABLE, SPAN_VARIABLE
from spanwarden.history import Sent, print_of

LOOP = (
    asked(("call_1", "bash", {"command": "cat zebra.txt"}), reasoning_content="The zebra file."),
    said("It says zebra."),
)


def _run(*answers: dict[str, Any]) -> None:
    with scripted_model(*answers) as model:
        run_loop(client(model.url), conversation("What does zebra.txt say?"))


def _provide(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    found = EntryPoints([EntryPoint("mine", target, policy.GROUP)])
    monkeypatch.setattr(policy, "entry_points", lambda group, name: found.select(group=group, name=name))
    monkeypatch.setenv(policy.VARIABLE, "mine")


@pytest.mark.parametrize("place", ["SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"])
def test_a_policy_redacts_everywhere(instrument: Instrument, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    _provide(monkeypatch, "instrumentation.policies:without_zebras")
    instrumented = instrument(content=place)
    _run(*LOOP)

    logs = "".join(str(log.log_record.attributes) for log in instrumented.logs.get_finished_logs())
    spans = "".join(span.to_json() for span in instrumented.seen())
    assert "zebra" not in spans + logs
    assert "[animal]" in spans + logs


def test_a_policy_redacts_the_text_of_errors(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    _provide(monkeypatch, "instrumentation.policies:without_zebras")
    instrumented = instrument(content="SPAN_AND_EVENT")
    with pytest.raises(Exception, match="zebra"):
        _run(refusal(400, "bad zebra"))

    logs = "".join(str(log.log_record.attributes) for log in instrumented.logs.get_finished_logs())
    assert "zebra" not in logs
    assert all("zebra" not in span.to_json() for span in instrumented.seen())


def test_a_policy_that_fails_lets_nothing_through(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    _provide(monkeypatch, "instrumentation.policies:broken")
    instrumented = instrument()
    _run(*LOOP)

    assert all("zebra" not in span.to_json() for span in instrumented.seen())
    assert len(instrumented.seen()) == 5
    assert instrumented.instrumentor.counts.faults > 0


@pytest.mark.parametrize("target", ["instrumentation.no_such_module:policy", "instrumentation.policies:__doc__"])
def test_a_policy_that_cannot_be_loaded_means_no_content_and_a_warning(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    _provide(monkeypatch, target)
    instrumented = instrument()
    _run(*LOOP)

    assert all("zebra" not in span.to_json() for span in instrumented.seen())
    assert "content policy" in caplog.records[0].message


def test_a_policy_may_be_given_in_code(instrument: Instrument) -> None:
    assert without_zebras("", ["zebra"]) == ["[animal]"]
    with pytest.raises(LookupError):
        broken("", None)
    instrumented = instrument(policy=lambda attribute, value: None if "tool" in attribute else value)
    _run(*LOOP)

    seen = instrumented.seen()
    assert attribute(seen.one("execute_tool"), "gen_ai.tool.call.result") is None
    assert attribute(seen.one("reasoning"), "gen_ai.output.messages") is not None


def test_the_bytes_of_media_are_kept_on_request(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEDIA_BYTES, "true")
    instrumented = instrument()
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with scripted_model(said("A dot.")) as model:
        run_loop(client(model.url), [{"role": "user", "content": [picture]}])

    (part,) = content(instrumented.seen().one("chat"), "gen_ai.input.messages")[0]["parts"]
    assert part["content"] == "iVBORw0KGgo="


def test_one_long_part_is_cut_and_the_others_are_not(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PART_VARIABLE, "1000")
    instrumented = instrument()
    with scripted_model(said("Done.")) as model:
        run_loop(client(model.url), conversation("HEAD" + "x" * 5000 + "TAIL", "y" * 900))

    span = instrumented.seen().one("chat")
    _, long, short = [each["parts"][0]["content"] for each in content(span, "gen_ai.input.messages")]
    assert (long[:4], long[-4:], len(long)) == ("HEAD", "TAIL", 1000)
    assert short == "y" * 900
    assert attribute(span, "spanwarden.truncated") is True


def test_the_content_of_a_span_is_bounded_as_a_whole_and_the_answer_comes_first(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SPAN_VARIABLE, "6000")
    instrumented = instrument()
    with scripted_model(said("z" * 4000)) as model:
        run_loop(client(model.url), conversation("y" * 4000), tools=TOOLS * 20)

    span = instrumented.seen().one("chat")
    values = [attribute(span, key) or "" for key in span.attributes or {} if "messages" in key or "definitions" in key]
    assert sum(len(value) for value in values) <= 6000 + 2
    assert content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] == "z" * 4000
    assert 0 < len(content(span, "gen_ai.tool.definitions")) < 40


def _long_session(url: str, calls: int) -> None:
    user, messages = client(url), conversation("b" * 1000)
    for _ in range(calls):
        answer = user.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
        messages += [answer, {"role": "user", "content": "a" * 980}]


def test_a_session_of_200_calls_with_200_kb_of_history_passes_a_receiver_of_4_mib(instrumented: Instrumented) -> None:
    with scripted_model(*[said(f"{number} words") for number in range(200)]) as model:
        _long_session(model.url, 200)

    spans: list[ReadableSpan] = list(instrumented.seen())
    assert encode_spans(spans).ByteSize() < 4 * 1024 * 1024
    assert len({attribute(span, "spanwarden.session.id") for span in spans}) == 1
    last = instrumented.seen().named("chat")[-1]
    shown = content(last, "gen_ai.input.messages")
    assert attribute(last, "spanwarden.omitted_messages") + len(shown) == 400
    assert attribute(last, "spanwarden.truncated") is None
    assert [each["role"] for each in shown] == ["system", "assistant", "user"]


def test_every_message_of_a_long_session_is_on_some_span(instrumented: Instrumented) -> None:
    with scripted_model(*[said(f"answer {number}") for number in range(60)]) as model:
        _long_session(model.url, 60)

    texts = "".join(attribute(span, "gen_ai.input.messages") for span in instrumented.seen().named("chat"))
    assert [number for number in range(59) if f'"answer {number}"' not in texts] == []


def test_the_whole_history_is_repeated_where_that_is_asked_for(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HISTORY_VARIABLE, "none")
    instrumented = instrument()
    with scripted_model(*[said(f"answer {number}") for number in range(20)]) as model:
        _long_session(model.url, 20)

    last = instrumented.seen().named("chat")[-1]
    assert len(content(last, "gen_ai.input.messages")) == 40
    assert attribute(last, "gen_ai.tool.definitions") is not None


def test_a_long_history_of_items_is_not_repeated_either(instrumented: Instrumented) -> None:
    with scripted_model(*[response(message(f"answer {n}"), response_id=f"resp_{n}") for n in range(20)]) as model:
        user, items = client(model.url), [{"role": "user", "content": "b" * 1000}]
        for _ in range(20):
            answer = user.responses.create(model="gpt-5", input=items)  # type: ignore[arg-type]
            items += [*answer.output, {"role": "user", "content": "a" * 980}]  # type: ignore[list-item]

    last = instrumented.seen().named("chat")[-1]
    assert len(content(last, "gen_ai.input.messages")) == 2
    assert attribute(last, "spanwarden.omitted_messages") == 37


def test_a_message_that_was_changed_in_place_is_recorded_again() -> None:
    sent = Sent()
    messages: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "one"}]},
        {"role": "user", "content": ""},
    ]
    assert sent.repeated([print_of(each) for each in messages]) == 0
    assert sent.repeated([print_of(each) for each in messages]) == 2
    messages[0]["content"][0]["text"] = "two"
    assert sent.repeated([print_of(each) for each in messages]) == 0


def test_the_same_words_said_again_are_not_taken_for_what_was_said_before() -> None:
    sent = Sent()
    go_on = print_of({"role": "user", "content": "go on"})

    assert [sent.repeated([go_on] * count) for count in (1, 2, 3)] == [0, 1, 2]


def test_histories_side_by_side_are_told_apart() -> None:
    sent = Sent()
    one, other = (print_of({"role": "user", "content": text}) for text in ("one", "other"))

    assert [sent.repeated(prints) for prints in ([one], [other], [one, one], [other, one])] == [0, 0, 1, 1]


def test_an_answer_of_30_mb_is_recorded_within_the_limits(instrumented: Instrumented) -> None:
    answer = asked(("call_1", "bash", {"command": "x" * 30_000_000}))
    with scripted_model(answer, said("Done.")) as model:
        run_loop(client(model.url), conversation("Go."))

    seen = instrumented.seen()
    assert attribute(seen.one("execute_tool"), "spanwarden.truncated") is True
    assert encode_spans(list(seen)).ByteSize() < 4 * 1024 * 1024
    assert instrumented.instrumentor.counts.faults == 0


ODD: list[Any] = [
    {"choices": []},
    {"choices": None},
    {"choices": [{}]},
    {"choices": [{"message": None}]},
    {"choices": [{"message": {"tool_calls": [{}]}}]},
    {"choices": [{"message": {"content": "\ud800"}}]},
    {"choices": [{"message": {"content": 7, "reasoning_content": {"a": [1]}}}]},
    {"usage": {"prompt_tokens": 2**70}},
    {"usage": 7},
    {"model": 7, "id": None},
]


@pytest.mark.parametrize("odd", ODD)
def test_a_malformed_answer_is_recorded_and_reaches_the_program(instrumented: Instrumented, odd: Any) -> None:
    with scripted_model({**said("Fine."), **odd}) as model:
        answer = client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Hi"))

    assert type(answer) is ChatCompletion
    assert instrumented.seen().one("chat").end_time is not None
    assert instrumented.instrumentor.counts.faults == 0
    encode_spans(list(instrumented.seen()))
