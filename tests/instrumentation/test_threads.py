"""Model calls in worker threads and tasks are where they belong, and calls leave no memory behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import spanwarden
from instrumentation.instrumented import Instrument, Instrumented
from instrumentation.loops import async_client, client, conversation
from instrumentation.seen import attribute
from scripted_model import said, scripted_model
from spanwarden.executors import VARIABLE


def _ask(url: str) -> Any:
    return client(url).chat.completions.create(model="gpt-5", messages=conversation("Hello?"))


def test_a_call_in_a_pool_is_under_the_span_of_whoever_asked_where_that_is_wanted(
    instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    before = ThreadPoolExecutor.submit
    instrumented = instrument()
    with scripted_model(said("Hello.")) as model, ThreadPoolExecutor(1) as pool, spanwarden.agent("coder"):
        assert pool.submit(_ask, model.url).result().choices[0].message.content == "Hello."

    assert instrumented.seen().trees() == [("invoke_agent coder", ["chat gpt-5"])]
    instrumented.instrumentor.uninstrument()
    assert ThreadPoolExecutor.submit is before


def test_pools_are_left_alone_unless_asked_for() -> None:
    before = ThreadPoolExecutor.submit
    spanwarden.SpanwardenInstrumentor().instrument()
    try:
        assert ThreadPoolExecutor.submit is before
    finally:
        spanwarden.SpanwardenInstrumentor().uninstrument()


def test_calls_in_tasks_and_threads_of_asyncio_are_under_their_span(instrumented: Instrumented) -> None:
    async def run(url: str) -> None:
        async with async_client(url) as user:
            with spanwarden.agent("coder"):
                create = user.chat.completions.create(model="gpt-5", messages=conversation("Hello?"))
                await asyncio.create_task(create)  # type: ignore[arg-type]  # a coroutine, which its type does not say
                await asyncio.to_thread(_ask, url)

    with scripted_model(said("Hello."), said("Hello.")) as model:
        asyncio.run(run(model.url))

    assert instrumented.seen().trees() == [("invoke_agent coder", ["chat gpt-5", "chat gpt-5"])]
    assert len({attribute(span, "spanwarden.session.id") for span in instrumented.seen()}) == 1


def test_calls_leave_no_memory_behind() -> None:
    command = [sys.executable, "-m", "tests.bench.instrumentation", "--retained", "--calls", "1000"]

    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)

    assert float(done.stdout.split()[0]) < 64
