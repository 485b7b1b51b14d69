"""Whole span trees of hand-written loops over a real socket."""

from __future__ import annotations

import asyncio

from instrumentation.instrumented import Instrumented
from instrumentation.loops import async_client, client, conversation, run_async_loop, run_loop
from scripted_model import asked, said, scripted_model

TWO_TOOLS = (
    asked(
        ("call_1", "bash", {"command": "ls"}),
        ("call_2", "read_file", {"path": "a.txt"}),
        reasoning_content="I look around first.",
    ),
    said("There is one file."),
)
TWO_TOOL_TREE = [
    (
        "invoke_agent",
        [("chat gpt-5", ["reasoning"]), "execute_tool bash", "execute_tool read_file", "chat gpt-5"],
    )
]


def test_a_two_tool_loop_becomes_one_tree(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    assert instrumented.seen().trees() == TWO_TOOL_TREE


def test_an_asynchronous_loop_becomes_the_same_tree(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        asyncio.run(_run_async(model.url))

    assert instrumented.seen().trees() == TWO_TOOL_TREE


async def _run_async(url: str) -> None:
    async with async_client(url) as openai:
        await run_async_loop(openai, conversation("What is here?"))


def test_steps_count_from_one_without_gaps_within_one_session(instrumented: Instrumented) -> None:
    with scripted_model(*TWO_TOOLS) as model:
        run_loop(client(model.url), conversation("What is here?"))

    seen = instrumented.seen()
    assert seen.values("spanwarden.step") == [1, 2, 3, 4, 5]
    assert len(set(seen.values("spanwarden.session.id"))) == 1
    assert len(seen.values("spanwarden.session.id")) == len(seen)
