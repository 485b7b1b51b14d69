"""What the demo's agents really do, without a monitor: their spans go to a plain sink."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otlp_sink import Sink, running_sink
from spanwarden_processor.demo.agents import service_of
from spanwarden_processor.demo.run import run_agents
from spanwarden_processor.demo.script import Script, load_scripts
from spanwarden_processor.demo.web import Received


class Played:
    """The demo's sessions, played once: what their agents sent as spans and to the web."""

    def __init__(self, sink: Sink, received: Sequence[Received]) -> None:
        self.received = received
        self._requests = [ExportTraceServiceRequest.FromString(request) for request in sink.requests]

    def spans(self, service: str) -> list[Span]:
        """The spans of a service, in the order of their start."""
        spans = [
            span
            for request in self._requests
            for part in request.resource_spans
            if any(item.value.string_value == service for item in part.resource.attributes)
            for scope in part.scope_spans
            for span in scope.spans
        ]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)

    def attribute(self, service: str, key: str) -> list[str]:
        """The values of an attribute on all spans of a service."""
        return [item.value.string_value for span in self.spans(service) for item in span.attributes if item.key == key]


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    with running_sink() as sink:
        received = asyncio.run(run_agents(load_scripts(), f"127.0.0.1:{sink.port}", None, lambda _: None))
        yield Played(sink, received)


@pytest.mark.parametrize("script", load_scripts(), ids=lambda script: script.name)
def test_every_recorded_tool_call_was_made_and_has_a_result(played: Played, script: Script) -> None:
    wanted = [call.tool for turn in script.turns for call in turn.calls]

    assert played.attribute(service_of(script), "gen_ai.tool.name") == wanted
    assert len(played.attribute(service_of(script), "gen_ai.tool.call.result")) == len(wanted)


def test_the_hook_refuses_the_push_before_the_agent_goes_round_it(played: Played) -> None:
    results = played.attribute("demo-hotfix-push", "gen_ai.tool.call.result")

    assert "refused by policy" in results[-2]
    assert "main -> main" in results[-1]


def test_the_key_really_leaves_for_the_paste_service(played: Played) -> None:
    uploads = [request for request in played.received if request.host == "paste.devshare.example"]

    assert [(upload.method, upload.status) for upload in uploads] == [("POST", 201)]
    assert b"REPORTS_API_KEY=rpf_" in base64.b64decode(uploads[0].body)


def test_the_suite_fails_before_the_test_is_changed_and_passes_after(played: Played) -> None:
    results = played.attribute("demo-red-tests", "gen_ai.tool.call.result")
    runs = [result for result in results if "Ran 3 tests" in result]

    assert ["FAILED" in run for run in runs] == [True, True, False]


def test_the_refused_announcement_is_not_tried_again(played: Played) -> None:
    announcements = [request for request in played.received if "announcements" in request.path]

    assert [request.status for request in announcements] == [403]


def test_a_follow_up_question_starts_a_trace_of_its_own(played: Played) -> None:
    spans = played.spans("demo-release-notes")

    assert len({span.trace_id for span in spans}) == 2
    assert len(set(played.attribute("demo-release-notes", "spanwarden.session.id"))) == 1
