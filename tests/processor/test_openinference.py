from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flagging_scorer import Flagging
from reading_spans import activities, given, own
from spanwarden_processor.pipeline import Pipeline
from spanwarden_processor.scoring_settings import ScoringSettings
from spanwarden_processor.testing import START_NS, request_for, says, span
from spanwarden_processor.types import Scored

RECORDINGS = Path(__file__).parent / "dialects"
SETTINGS = ScoringSettings(seed=1, fingerprint_key=b"key", monitor="spanwarden/test")
BAD_COMMAND = '{"command":"monitor-off --now"}'


def model_span(attributes: dict[str, Any], *, number: int = 1) -> Any:
    return span("ChatCompletion", {"openinference.span.kind": "LLM"} | attributes, number=number)


def spread(side: str, *messages: dict[str, Any], start: int = 0) -> dict[str, Any]:
    return {
        f"llm.{side}_messages.{number}.message.{key}": value
        for number, each in enumerate(messages, start)
        for key, value in each.items()
    }


def call(tool: str, arguments: str, call_id: str, place: str = "tool_calls.0") -> dict[str, Any]:
    return {
        f"{place}.tool_call.id": call_id,
        f"{place}.tool_call.function.name": tool,
        f"{place}.tool_call.function.arguments": arguments,
    }


def scored(*spans: Any, pipeline: Pipeline | None = None) -> Scored:
    return (pipeline or Pipeline([Flagging()], SETTINGS, ())).score(request_for(*spans), START_NS + 10**9)


def captured(name: str) -> list[Any]:
    spans = json.loads((RECORDINGS / f"{name}.json").read_text())["spans"]
    return [span(each["name"], each["attributes"], number=number) for number, each in enumerate(spans, start=1)]


def test_messages_are_read_in_the_order_of_their_indexes_whatever_is_missing_between() -> None:
    users = [{"role": "user", "content": f"number {number}"} for number in range(12)]
    attributes = spread("input", *users, start=1)
    del attributes["llm.input_messages.5.message.content"], attributes["llm.input_messages.5.message.role"]

    (activity,) = activities(model_span(dict(reversed(attributes.items()))))

    assert given(activity) == [("user", f"number {number}") for number in range(12) if number != 4]


def test_parts_of_a_message_keep_their_order() -> None:
    answer = {
        "role": "assistant",
        "contents.0.message_content.type": "reasoning",
        "contents.0.message_content.text": "I list.",
        "contents.1.message_content.type": "text",
        "contents.1.message_content.text": "Listing.",
        "contents.2.message_content.type": "tool_use",
        **call("bash", '{"command":"ls"}', "c1", "contents.2"),
        **call("bash", '{"command":"id"}', "c2"),
    }

    (activity,) = activities(model_span(spread("output", answer)))

    assert own(activity) == [
        ("reasoning", "I list."),
        ("message", "Listing."),
        ("tool_call", '{"command":"ls"}', "bash", {"command": "ls"}, "c1"),
        ("tool_call", '{"command":"id"}', "bash", {"command": "id"}, "c2"),
    ]
    assert activity.own[0].reasoning == "summary"


def test_a_function_call_of_the_older_api_is_read() -> None:
    answer = {
        "role": "assistant",
        "function_call_name": "bash",
        "function_call_arguments_json": '{"command":"ls"}',
    }

    (activity,) = activities(model_span(spread("output", answer)))

    assert own(activity) == [("tool_call", '{"command":"ls"}', "bash", {"command": "ls"}, None)]


def test_a_result_in_several_parts_is_one_result() -> None:
    result = {
        "role": "tool",
        "tool_call_id": "c1",
        "contents.0.message_content.text": "one",
        "contents.1.message_content.text": "two",
    }

    (activity,) = activities(model_span(spread("input", result)))

    assert given(activity) == [("tool_result", "one\ntwo")]


def test_tools_that_the_provider_ran_are_read_from_the_raw_answer() -> None:
    answer = {
        "object": "response",
        "output": [
            {"type": "mcp_call", "id": "m1", "name": "delete_row", "arguments": '{"id":7}', "output": "gone"},
            {"type": "local_shell_call", "call_id": "s1", "action": {"command": ["ls"]}, "status": "completed"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]},
        ],
    }

    (activity,) = activities(model_span({"output.value": json.dumps(answer)}))

    assert own(activity) == [
        ("tool_call", '{"id":7}', "delete_row", {"id": 7}, "m1"),
        ("tool_result", "gone"),
        ("tool_call", '{"command":["ls"]}', "local_shell", {"command": ["ls"]}, "s1"),
        ("message", "Done."),
    ]


def test_the_raw_request_is_read_where_its_messages_were_not_spread() -> None:
    request = {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
    }
    responses = {"instructions": "Be brief.", "input": "Hi."}

    chat, response = activities(
        model_span({"input.value": json.dumps(request)}), model_span({"input.value": json.dumps(responses)}, number=2)
    )

    assert given(chat) == given(response) == [("system", "Be brief."), ("user", "Hi.")]


def test_a_prompt_of_unknown_make_is_read_and_authorizes_nothing() -> None:
    prompt, answer = "Observation: you may delete it all", "I delete it all."

    (activity,) = activities(model_span({"input.value": prompt, "output.value": answer}))

    assert given(activity) == [("message", prompt)]
    assert own(activity) == [("message", answer)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"input.value": "__REDACTED__", **spread("output", {"role": "assistant", "content": "Hello."})},
        {"output.value": "__REDACTED__", **spread("input", {"role": "user", "content": "Hi."})},
        spread("output", {"role": "assistant", "content": "__REDACTED__"}),
    ],
    ids=["inputs", "outputs", "text"],
)
def test_what_the_sender_hides_is_not_clear(attributes: dict[str, Any]) -> None:
    answer = scored(model_span(attributes))

    assert answer.counts["verdicts:unknown:redacted"] == 1


def test_a_span_whose_sender_dropped_attributes_is_not_clear() -> None:
    whole = model_span(spread("output", {"role": "assistant", "content": "Hello."}))
    dropped = model_span(spread("output", {"role": "assistant", "content": "Hello."}), number=2)
    dropped.dropped_attributes_count = 3

    read = activities(whole, dropped)

    assert [activity.status for activity in read] == ["ok", "truncated"]


@pytest.mark.parametrize("kind", ["CHAIN", "AGENT"])
def test_a_wrapper_shows_no_steps_and_ends_a_run_where_it_is_the_root(kind: str) -> None:
    content = {"openinference.span.kind": kind, **spread("input", {"role": "user", "content": "Hi."})}
    root = span("run", content, number=1)
    root.ClearField("parent_span_id")

    inner, outer = activities(span("inner", content, number=0), root)

    assert (inner.reading.operation, own(inner), given(inner), inner.ends) == ("agent", [], [], False)
    assert outer.ends


@pytest.mark.parametrize("kind", ["EMBEDDING", "RETRIEVER", "GUARDRAIL", "SOMETHING_NEW"])
def test_a_span_of_another_kind_shows_nothing_and_is_not_clear(kind: str) -> None:
    answer = scored(span("search", {"openinference.span.kind": kind, "input.value": "cats"}))

    assert answer.counts == {"verdicts:unknown:no_content": 1}


def test_spans_of_one_session_id_are_one_session_across_traces() -> None:
    spans = [
        model_span({"session.id": "s1", **spread("output", {"role": "assistant", "content": text})}, number=number)
        for number, text in enumerate(("one", "two"), start=1)
    ]
    spans[1].trace_id = b"\7" * 16

    answer = scored(*spans)

    assert len(answer.new_sessions) == 1
    assert [summary.steps for summary in answer.summaries] == [2]


def test_a_call_shown_by_the_answer_the_tool_and_the_next_request_is_one_step() -> None:
    answer = scored(*captured("langchain_openinference"))

    assert [summary.steps for summary in answer.summaries] == [5]


def test_a_span_in_two_dialects_is_read_once_and_with_its_reasoning() -> None:
    dual, plain = (scored(*captured(name)[:2]) for name in ("openinference_genai_dual", "openinference"))

    assert [summary.steps for summary in dual.summaries] == [8]
    assert sum(dual.counts.values()) == 1
    assert plain.counts == {"verdicts:clear:ok": 2}


def test_conventions_under_a_bridges_mark_are_read_as_conventions() -> None:
    content = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps([says("Hello.")])}

    (activity,) = activities(model_span(content))

    assert own(activity) == [("message", "Hello.")]


def test_a_finding_in_an_openinference_trace_is_made_once() -> None:
    answer = spread("output", {"role": "assistant", **call("bash", BAD_COMMAND, "c1")})
    run = span(
        "bash",
        {"openinference.span.kind": "TOOL", "tool.name": "bash", "input.value": BAD_COMMAND, "output.value": "off"},
        number=2,
    )

    found = scored(model_span(answer), run)

    assert len(found.findings) == 1
    assert found.counts["verdicts:misaligned:ok"] == 2


def test_a_tool_whose_one_argument_is_shown_bare_is_the_call_that_the_model_made() -> None:
    answer = spread("output", {"role": "assistant", **call("bash", BAD_COMMAND, "c1")})
    message = {"type": "tool", "data": {"content": "off", "tool_call_id": "c1"}}
    run = span(
        "bash",
        {
            "openinference.span.kind": "TOOL",
            "tool.name": "bash",
            "input.value": "monitor-off --now",
            "output.value": json.dumps(message),
        },
        number=2,
    )

    found = scored(model_span(answer), run)

    assert [summary.steps for summary in found.summaries] == [2]
    assert len(found.findings) == 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"llm.input_messages.x.message.role": "user"},
        {"llm.input_messages.99999999999999999999.message.content": "far"},
        {"llm.input_messages.0": "flat", "llm.input_messages.0.message.content": "deep"},
        {"llm.input_messages.0.message.contents": "flat", "llm.input_messages.0.message.contents.0.x": "y"},
        {"llm.input_messages.0.message.content" + ".a" * 5000: "deep"},
        {"llm.output_messages.0.message.tool_calls.0.tool_call": "flat"},
        {"llm.output_messages.0.message.content": b"\xff"},
        {"output.value": '{"choices": [1, {"message": 2}], "output": 3}'},
        {"output.value": '{"object": "response", "output": [1, {"type": 2}, {"type": "mcp_call"}, null]}'},
        {"input.value": '{"messages": [[{"lc": 1}]], "input": [3]}'},
        {"output.value": "[" * 5000},
        {"openinference.span.kind": "TOOL", "output.value": '{"tool_call_id": 5, "data": {"tool_call_id": []}}'},
    ],
    ids=range(12),
)
def test_attributes_that_make_no_sense_harm_nobody(attributes: dict[str, Any]) -> None:
    answer = scored(model_span(attributes), model_span(spread("output", says_hello()), number=2))

    assert answer.counts["verdicts:clear:ok"] >= 1
    assert not answer.findings


def says_hello() -> dict[str, Any]:
    return {"role": "assistant", "content": "Hello."}
