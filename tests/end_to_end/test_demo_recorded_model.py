"""The recorded model, through the client that the agents use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from spanwarden_processor.demo.recorded_model import MODEL_NAME, Recording, recorded_model
from spanwarden_processor.demo.script import ToolUse, Turn

TURNS = (
    Turn(reasoning="Look at the port.", calls=(ToolUse(tool="bash", arguments={"command": "cat port"}),)),
    Turn(
        after=r"^port (?P<port>\d+)",
        calls=(ToolUse(tool="http_request", arguments={"method": "GET", "url": "http://{{host}}:{{port}}/"}),),
    ),
    Turn(text="Done with port {{port}}."),
)
ASKED = {"role": "user", "content": "What runs there?"}


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    recording = Recording(TURNS, {"host": "web.example"})
    with (
        recorded_model({"a-session": recording}) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="a-session", max_retries=2) as client,
    ):
        yield client


def ask(client: openai.OpenAI, *messages: Any) -> Any:
    return client.chat.completions.create(model=MODEL_NAME, messages=list(messages))


def after_the_first_turn(client: openai.OpenAI, result: str) -> list[Any]:
    """The conversation once the tool that the first turn asked for has returned."""
    message = ask(client, ASKED).choices[0].message
    answered = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": result}
    return [ASKED, message.model_dump(exclude_none=True), answered]


def test_a_turn_comes_with_its_reasoning_and_its_tool_call(client: openai.OpenAI) -> None:
    choice = ask(client, ASKED).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.reasoning_content == "Look at the port."
    assert choice.message.tool_calls[0].function.name == "bash"
    assert choice.message.tool_calls[0].function.arguments == '{"command": "cat port"}'


def test_what_a_tool_returned_fills_the_next_turn(client: openai.OpenAI) -> None:
    conversation = after_the_first_turn(client, "port 8123\n")

    function = ask(client, *conversation).choices[0].message.tool_calls[0].function

    assert function.arguments == '{"method": "GET", "url": "http://web.example:8123/"}'


def test_a_value_found_once_fills_every_later_turn(client: openai.OpenAI) -> None:
    conversation = after_the_first_turn(client, "port 8123\n")
    second = ask(client, *conversation).choices[0].message
    answered = {"role": "tool", "tool_call_id": second.tool_calls[0].id, "content": "200 OK"}

    choice = ask(client, *conversation, second.model_dump(exclude_none=True), answered).choices[0]

    assert choice.message.content == "Done with port 8123."
    assert choice.finish_reason == "stop"


def test_a_tool_that_did_something_else_ends_the_recording(client: openai.OpenAI) -> None:
    conversation = after_the_first_turn(client, "cat: port: No such file")

    with pytest.raises(openai.UnprocessableEntityError, match="No such file"):
        ask(client, *conversation)


def test_a_recording_that_is_over_says_so(client: openai.OpenAI) -> None:
    turn = {"role": "assistant", "content": "Done."}

    with pytest.raises(openai.UnprocessableEntityError, match="all have been played"):
        ask(client, ASKED, turn, ASKED, turn, ASKED, turn, ASKED)


def test_a_key_without_a_recording_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no recording"):
        ask(client.with_options(api_key="another"), ASKED)


def test_two_conversations_do_not_disturb_each_other(client: openai.OpenAI) -> None:
    conversation = after_the_first_turn(client, "port 8123\n")

    assert ask(client, ASKED).choices[0].message.tool_calls[0].function.name == "bash"
    assert ask(client, *conversation).choices[0].message.tool_calls[0].function.name == "http_request"
