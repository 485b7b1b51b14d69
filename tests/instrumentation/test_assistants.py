"""The Assistants API, which compatible servers still have: runs of a thread leave the tree of other loops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI

from instrumentation.instrumented import Instrumented
from instrumentation.loops import async_client, client
from instrumentation.seen import attribute, content
from scripted_model import refusal, scripted, scripted_model
from spanwarden import threads
from spanwarden.guard import Counts

pytestmark = pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
THREAD = {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {}}
TREE = [
    ("invoke_agent", ["chat gpt-5", "fetch_response", "execute_tool bash", "chat", "fetch_response"]),
    "fetch_response",
]


def _run(status: str, **fields: Any) -> dict[str, Any]:
    head = {"id": "run_1", "object": "thread.run", "thread_id": "thread_1", "assistant_id": "asst_1"}
    return {**head, "created_at": 1, "model": "gpt-5-2026", "status": status, "tools": [], **fields}


def _wants(*commands: str) -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "bash", "arguments": json.dumps({"command": command})},
        }
        for number, command in enumerate(commands, 1)
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    return _run("requires_action", required_action=action)


def _message(role: str, text: str, run_id: str | None = None) -> dict[str, Any]:
    head = {"id": f"msg_{role}_{text}", "object": "thread.message", "thread_id": "thread_1", "created_at": 1}
    part = {"type": "text", "text": {"value": text, "annotations": []}}
    return {**head, "role": role, "content": [part], "run_id": run_id, "assistant_id": "asst_1"}


PAGE = {"object": "list", "data": [_message("assistant", "Done.", "run_1"), _message("user", "Go.")], "has_more": False}
ANSWERS = (
    THREAD,
    _message("user", "Go."),
    _run("queued"),
    _wants("ls"),
    _run("queued"),
    _run("completed", usage=USAGE),
    PAGE,
)


def _outputs(run: Any) -> list[Any]:
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": f"ran {call.function.arguments}"} for call in calls]


def _loop(url: str) -> None:
    threads = client(url).beta.threads
    thread = threads.create()
    threads.messages.create(thread.id, role="user", content="Go.")
    run = threads.runs.create(thread.id, assistant_id="asst_1", model="gpt-5", instructions="Be careful.")
    run = threads.runs.retrieve(run.id, thread_id=thread.id)
    run = threads.runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=_outputs(run))
    threads.runs.retrieve(run.id, thread_id=thread.id)
    assert threads.messages.list(thread.id).data[0].role == "assistant"


def _polling_loop(url: str) -> None:
    threads = client(url).beta.threads
    thread = threads.create(messages=[{"role": "user", "content": "Go."}])
    threads.messages.create(thread_id=thread.id, role="user", content="Now.")
    run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id="asst_1", model="gpt-5")
    threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread.id, tool_outputs=_outputs(run))
    assert [message.role for message in threads.messages.list(thread.id)] == ["assistant", "user"]


def _asynchronous_loop(url: str) -> None:
    async def run() -> None:
        async with async_client(url) as user:
            threads = user.beta.threads
            thread = await threads.create()
            await threads.messages.create(thread.id, role="user", content="Go.")
            begun = await threads.runs.create(thread.id, assistant_id="asst_1", model="gpt-5")
            asked = await threads.runs.retrieve(begun.id, thread_id=thread.id)
            await threads.runs.submit_tool_outputs(asked.id, thread_id=thread.id, tool_outputs=_outputs(asked))
            await threads.runs.retrieve(asked.id, thread_id=thread.id)
            assert [message.role async for message in threads.messages.list(thread.id)] == ["assistant", "user"]

    asyncio.run(run())


@pytest.mark.parametrize("loop", [_loop, _polling_loop, _asynchronous_loop])
def test_a_run_of_a_thread_leaves_one_tree_in_one_session(
    instrumented: Instrumented, loop: Callable[[str], None]
) -> None:
    with scripted_model(*ANSWERS) as model:
        loop(model.url)

    seen = instrumented.seen()
    assert seen.trees() == TREE
    assert set(seen.values("spanwarden.session.id")) == {"thread_1"}
    first, last = seen.named("chat")
    assert content(first, "gen_ai.input.messages")[0]["parts"] == [{"type": "text", "content": "Go."}]
    assert content(last, "gen_ai.input.messages")[0]["parts"][0]["response"] == 'ran {"command": "ls"}'
    assert attribute(seen.one("execute_tool"), "gen_ai.tool.call.arguments") == '{"command": "ls"}'
    said = content(seen.named("fetch_response")[-1], "gen_ai.output.messages")[0]["parts"]
    assert said == [{"type": "text", "content": "Done."}]
    assert attribute(first, "gen_ai.agent.id") == "asst_1"
    assert set(seen.values("gen_ai.conversation.id")) == {"thread_1"}
    counted = [span.name for span in seen if attribute(span, "gen_ai.usage.output_tokens") == 7]
    assert counted == ["invoke_agent"], "the run had it, and no call that only fetched"
    assert instrumented.instrumentor.counts.faults == 0


def test_a_thread_that_is_made_with_its_run_is_known_by_its_name(instrumented: Instrumented) -> None:
    with scripted_model(_wants("ls"), _run("completed")) as model:
        threads = client(model.url).beta.threads
        said: Any = {"messages": [{"role": "user", "content": "Go."}]}
        run = threads.create_and_run(assistant_id="asst_1", model="gpt-5", thread=said)
        threads.runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=_outputs(run))

    seen = instrumented.seen()
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat"])]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert content(seen.named("chat")[0], "gen_ai.input.messages")[0]["parts"][0]["content"] == "Go."


def _events(*data: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(f"event: {name}\ndata: {json.dumps(each)}\n\n".encode() for name, each in data)


def test_a_streamed_run_is_recorded_with_what_it_says(instrumented: Instrumented) -> None:
    empty = {**_message("assistant", "", "run_1"), "content": []}
    pieces = [
        {
            "id": empty["id"],
            "object": "thread.message.delta",
            "delta": {"content": [{"index": 0, "text": {"value": t}}]},
        }
        for t in ("I look ", "around.")
    ]
    body = _events(
        ("thread.run.created", _run("queued")),
        ("thread.message.created", empty),
        *(("thread.message.delta", piece) for piece in pieces),
        ("thread.run.requires_action", _wants("ls")),
    )
    with scripted_model(scripted({}, body=body + b"event: done\ndata: [DONE]\n\n")) as model:
        runs = client(model.url).beta.threads.runs
        events = [event.event for event in runs.create("thread_1", assistant_id="asst_1", model="gpt-5", stream=True)]

    assert events[-1] == "thread.run.requires_action"
    instrumented.instrumentor.uninstrument()
    said, asked = content(instrumented.seen().one("chat"), "gen_ai.output.messages")[0]["parts"]
    assert said == {"type": "text", "content": "I look around."}
    assert (asked["type"], asked["arguments"]) == ("tool_call", {"command": "ls"})


def _streamed(text: str, last: dict[str, Any]) -> dict[str, Any]:
    said = ("thread.message.completed", _message("assistant", text, "run_1"))
    return scripted({}, body=_events(said, (f"thread.run.{last['status']}", last)) + b"event: done\ndata: [DONE]\n\n")


def _helper_loop(url: str) -> None:
    runs = client(url).beta.threads.runs
    with runs.stream(thread_id="thread_1", assistant_id="asst_1", model="gpt-5") as stream:
        run = stream.get_final_run()
    with runs.submit_tool_outputs_stream(run_id=run.id, thread_id="thread_1", tool_outputs=_outputs(run)) as stream:
        stream.until_done()


def _asynchronous_helper_loop(url: str) -> None:
    async def run() -> None:
        async with async_client(url) as user:
            runs = user.beta.threads.runs
            async with runs.stream(thread_id="thread_1", assistant_id="asst_1", model="gpt-5") as stream:
                asked = await stream.get_final_run()
            outputs = _outputs(asked)
            async with runs.submit_tool_outputs_stream(
                run_id=asked.id, thread_id="thread_1", tool_outputs=outputs
            ) as stream:
                await stream.until_done()

    asyncio.run(run())


@pytest.mark.parametrize("loop", [_helper_loop, _asynchronous_helper_loop])
def test_runs_that_go_to_a_handler_are_recorded(instrumented: Instrumented, loop: Callable[[str], None]) -> None:
    with scripted_model(_streamed("I look.", _wants("ls")), _streamed("Done.", _run("completed"))) as model:
        loop(model.url)

    seen = instrumented.seen()
    assert seen.trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat"])]
    texts = [content(span, "gen_ai.output.messages")[0]["parts"][0]["content"] for span in seen.named("chat")]
    assert texts == ["I look.", "Done."]
    assert instrumented.instrumentor.counts.faults == 0


def test_a_run_that_fails_is_an_error(instrumented: Instrumented) -> None:
    failed = _run("failed", last_error={"code": "rate_limit_exceeded", "message": "no"})
    with scripted_model(_run("queued"), failed) as model:
        runs = client(model.url).beta.threads.runs
        runs.create("thread_1", assistant_id="asst_1", model="gpt-5")
        assert runs.retrieve("run_1", thread_id="thread_1").status == "failed"

    assert attribute(instrumented.seen().one("fetch_response"), "error.type") == "rate_limit_exceeded"


def test_an_error_of_the_server_is_raised_unchanged(instrumented: Instrumented) -> None:
    def act(user: OpenAI) -> str:
        with pytest.raises(Exception, match="no such thread") as raised:
            user.beta.threads.messages.list("thread_9")
        return type(raised.value).__name__

    with scripted_model(*[refusal(404, "no such thread")] * 2) as model:
        with_us = act(client(model.url))
        instrumented.instrumentor.uninstrument()
        assert act(client(model.url)) == with_us == "NotFoundError"


def test_what_no_run_has_seen_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CHARACTERS_LIMIT", 100)
    said = threads.Said(Counts())
    for number in range(30):
        said.note(f"thread_{number}", [{"role": "user", "content": "x" * 40}])

    assert [number for number in range(30) if "before" in said.before({"thread_id": f"thread_{number}"})] == [28, 29]
    assert "before" not in said.before({"thread_id": "thread_29"})
