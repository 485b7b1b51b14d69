"""Programs that send history back in words of their own, told from the outside: by the ids on the spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instrumentation.instrumented import Instrumented
from instrumentation.loops import TOOLS, Messages, client, conversation
from instrumentation.seen import attribute
from scripted_model import asked, said, scripted_model

LONG_ANSWER = "I look for the file first, then I count its words."


def _ask(url: str, messages: Messages) -> None:
    client(url).chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)


def _sessions(instrumented: Instrumented) -> set[Any]:
    return {attribute(span, "spanwarden.session.id") for span in instrumented.seen().named("chat")}


def _assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    "retell",
    [
        lambda text: [{"type": "text", "text": text}],
        lambda text: f"{text}\n",
        lambda text: f"{text}</code>\nCalling tools: [python]",
        lambda text: [{"type": "text", "text": text}, {"type": "text", "text": "\nCalling tools: [python]"}],
    ],
    ids=["as a part", "with a line's end", "with more behind it", "as a part with another behind it"],
)
def test_an_answer_that_comes_back_in_another_form_joins(
    instrumented: Instrumented, retell: Callable[[str], Any]
) -> None:
    with scripted_model(said(f" {LONG_ANSWER}"), said("Six.")) as model:
        _ask(model.url, conversation("Count the words."))
        _ask(model.url, [*conversation("Count the words."), _assistant(retell(LONG_ANSWER)), _user("And now?")])

    assert len(_sessions(instrumented)) == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Count the lines.", f"{LONG_ANSWER} Six."), ("Count the words.", "I look elsewhere.")],
    ids=["to another question", "another one"],
)
def test_an_answer_that_only_looks_alike_does_not_join(instrumented: Instrumented, question: str, answer: str) -> None:
    with scripted_model(said(LONG_ANSWER), said("Six.")) as model:
        _ask(model.url, conversation("Count the words."))
        _ask(model.url, [*conversation(question), _assistant(answer), _user("And now?")])

    assert len(_sessions(instrumented)) == 2


def test_calls_and_results_that_come_back_in_words_are_tool_spans_of_the_same_run(instrumented: Instrumented) -> None:
    calls = (("call_7f3a01", "bash", {"command": "ls"}), ("call_7f3a02", "read_file", {"path": "a"}))
    retold = [_assistant([{"type": "text", "text": "Calling tools:\n[{'id': 'call_7f3a01'}, {'id': 'call_7f3a02'}]"}])]
    observed = [_user([{"type": "text", "text": "Observation:\na.txt\nhello"}])]
    with scripted_model(asked(*calls), said("Done.")) as model:
        _ask(model.url, conversation("Go."))
        _ask(model.url, [*conversation("Go."), *retold, *observed])

    seen = instrumented.seen()
    tools = ["execute_tool bash", "execute_tool read_file"]
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", *tools, "chat gpt-5"])]
    assert seen.values("gen_ai.tool.call.result") == ["Observation:\na.txt\nhello"] * 2
    assert attribute(seen.one("execute_tool bash"), "gen_ai.tool.call.arguments") == '{"command": "ls"}'


def test_a_call_that_comes_back_in_words_without_a_result_stays_open(instrumented: Instrumented) -> None:
    retold = _assistant("Calling tools: call_7f3a01")
    with scripted_model(asked(("call_7f3a01", "bash", {"command": "ls"})), said("Wait."), said("Done.")) as model:
        _ask(model.url, conversation("Go."))
        _ask(model.url, [*conversation("Go."), retold])
        _ask(model.url, [*conversation("Go."), retold, _user("Observation: a.txt")])

    assert len(_sessions(instrumented)) == 1
    assert attribute(instrumented.seen().one("execute_tool"), "gen_ai.tool.call.result") == "Observation: a.txt"


def test_a_user_who_names_a_call_does_not_join_its_session(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_7f3a01", "bash", {"command": "ls"})), said("Hello."), said("Done.")) as model:
        _ask(model.url, conversation("Go."))
        _ask(model.url, conversation("What is call_7f3a01?"))

    assert len(_sessions(instrumented)) == 2
    assert instrumented.seen().named("execute_tool") == []
