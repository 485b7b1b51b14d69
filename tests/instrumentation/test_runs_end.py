"""Every inferred root ends: by silence, by the bound, at the end of the instrumentation."""

from __future__ import annotations

import threading
import time

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from instrumentation.instrumented import Instrumented
from instrumentation.loops import TOOLS, client, conversation, results
from instrumentation.seen import attribute
from scripted_model import asked, said, scripted_model
from spanwarden.guard import Counts
from spanwarden.roots import OpenRoots, Turn


class _Roots:
    """Open roots on a provider of their own."""

    def __init__(self, idle_seconds: float, limit: int = 100) -> None:
        self.ended = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.ended))
        self.tracer = provider.get_tracer("test")
        self.counts = Counts()
        self.open = OpenRoots(self.counts, idle_seconds, limit)

    def start(self, name: str, last_ns: int = 5) -> Turn:
        turn = Turn(self.tracer.start_span(name, start_time=1), last_ns)
        self.open.open(turn)
        return turn

    def names(self) -> list[str]:
        return [span.name for span in self.ended.get_finished_spans()]

    def wait_for(self, count: int) -> list[ReadableSpan]:
        deadline = time.monotonic() + 10
        while len(self.ended.get_finished_spans()) < count and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        return list(self.ended.get_finished_spans())


def test_a_silent_run_is_ended_where_it_last_did_something() -> None:
    roots = _Roots(idle_seconds=0.05)
    roots.start("silent", last_ns=5)

    (span,) = roots.wait_for(1)
    assert (span.name, span.end_time) == ("silent", 5)
    assert (roots.counts.roots_idle, len(roots.open)) == (1, 0)


def test_a_run_that_goes_on_stays_open_while_a_silent_one_ends() -> None:
    roots = _Roots(idle_seconds=0.3)
    silent, busy = roots.start("silent"), roots.start("busy")
    deadline = time.monotonic() + 10
    while silent.root.is_recording() and time.monotonic() < deadline:
        busy.touch(6)
        threading.Event().wait(0.005)

    assert roots.names() == ["silent"]
    assert busy.root.is_recording()
    roots.open.stop()


def test_one_root_too_many_ends_the_one_that_was_silent_longest() -> None:
    roots = _Roots(idle_seconds=60, limit=2)
    first, _second = roots.start("first"), roots.start("second")
    first.touch(6)
    roots.start("third")

    assert roots.names() == ["second"]
    assert roots.counts.roots_evicted == 1
    roots.open.stop()


def test_a_root_ends_once() -> None:
    roots = _Roots(idle_seconds=60)
    turn = roots.start("run")
    roots.open.close(turn)
    roots.open.close(turn)
    roots.open.close_all()

    assert roots.names() == ["run"]
    roots.open.stop()


def test_stopping_ends_every_root_and_the_thread() -> None:
    roots = _Roots(idle_seconds=60)
    roots.start("run")
    watcher = next(thread for thread in threading.enumerate() if thread.name == "spanwarden-idle")
    roots.open.stop()
    watcher.join(10)

    assert roots.names() == ["run"]
    assert not watcher.is_alive()


def test_a_run_that_failed_and_was_given_up_ends_with_its_error() -> None:
    roots = _Roots(idle_seconds=0.05)
    turn = roots.start("failed")
    turn.error_type = "APITimeoutError"

    (span,) = roots.wait_for(1)
    assert span.status.status_code == StatusCode.ERROR
    assert attribute(span, "error.type") == "APITimeoutError"


def test_a_run_that_goes_on_after_its_root_was_ended_still_belongs_to_it(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "sleep 900"})), said("Done.")) as model:
        openai, messages = client(model.url), conversation("Go.")
        message = openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS).choices[0].message
        instrumented.instrumentor.recorder.roots.close_all()
        messages.extend([message, *results(message)])
        openai.chat.completions.create(model="gpt-5", messages=messages, tools=TOOLS)

    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5", "execute_tool bash", "chat gpt-5"])]


def test_uninstrumenting_ends_what_is_open(instrumented: Instrumented) -> None:
    with scripted_model(asked(("call_1", "bash", {"command": "ls"}))) as model:
        client(model.url).chat.completions.create(model="gpt-5", messages=conversation("Go."), tools=TOOLS)
        instrumented.instrumentor.uninstrument()

    assert instrumented.seen().trees() == [("invoke_agent", ["chat gpt-5"])]
