"""Real programs under `opentelemetry-instrument`, their spans over a real socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from instrumentation.programs_run import exporting_to, run_program
from instrumentation.record_loop import RECORDING, record
from otlp_sink import running_sink
from scripted_model import asked, said, scripted_model
from scripted_responses import message, response

DEFAULT_OF_GRPC = 4 * 1024 * 1024
"""Bytes of a message that a gRPC server accepts unless it is told otherwise, the Collector and Jaeger too."""


def _spans(requests: Iterable[bytes]) -> list[tuple[str, int, list[str]]]:
    """Name, kind and attribute keys of every span."""
    return [
        (span.name, span.kind, sorted(attribute.key for attribute in span.attributes))
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _resource(requests: list[bytes]) -> dict[str, str]:
    resource = ExportTraceServiceRequest.FromString(requests[0]).resource_spans[0].resource
    return {attribute.key: attribute.value.string_value for attribute in resource.attributes}


def test_the_recorded_session_is_what_the_instrumentation_sends_today() -> None:
    lines = RECORDING.read_text().splitlines()

    assert _spans(record()) == _spans(base64.b64decode(json.loads(line)["request"]) for line in lines)


def test_the_resource_says_where_content_goes(tmp_path: Path) -> None:
    with scripted_model(said("Hello.")) as model, running_sink() as sink:
        run_program("two_tools.py", "Hello?", directory=tmp_path, environment=exporting_to(sink.url, model.url))

    resource = _resource(sink.requests)
    assert resource["spanwarden.content"] == "span"
    assert resource["service.name"] == "hand-written-loop"


def test_a_program_prints_what_it_would_print_without_us(tmp_path: Path) -> None:
    answers = (asked(("c1", "bash", {"command": "echo hi >&2"})), said("Done."))
    with scripted_model(*answers) as model, running_sink() as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("two_tools.py", "Say hi", directory=tmp_path, environment=environment)

    assert (done.stdout, done.stderr) == ("Done.\n", "")


def test_without_the_content_variable_one_warning_says_that_a_monitor_will_see_nothing(tmp_path: Path) -> None:
    with scripted_model(said("Hello.")) as model, running_sink() as sink:
        environment = exporting_to(sink.url, model.url, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="")
        done = run_program("two_tools.py", "Hello?", directory=tmp_path, environment=environment)

    assert done.stderr.count("a monitor will see nothing") == 1
    assert _resource(sink.requests)["spanwarden.content"] == "none"


def test_a_process_that_does_not_use_the_client_neither_loads_it_nor_warns(tmp_path: Path) -> None:
    environment = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = run_program("no_client.py", directory=tmp_path, environment=environment)

    assert (done.stdout, done.stderr) == ("openai loaded: False\n", "")


def test_a_run_that_is_cut_short_is_ended_at_exit(tmp_path: Path) -> None:
    with scripted_model(asked(("c1", "read_file", {"path": "/nowhere"}))) as model, running_sink() as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("two_tools.py", "Read it", directory=tmp_path, environment=environment, expected_status=1)

    assert "FileNotFoundError" in done.stderr
    assert [span[0] for span in _spans(sink.requests)] == ["chat gpt-5", "invoke_agent"]


def test_a_forked_child_ends_only_its_own_runs(tmp_path: Path) -> None:
    answers = (asked(("c1", "bash", {})), said("From the child."), said("From the parent."))
    with scripted_model(*answers) as model, running_sink() as sink:
        run_program("forks.py", directory=tmp_path, environment=exporting_to(sink.url, model.url))

    names = [span[0] for span in _spans(sink.requests)]
    assert sorted(names) == ["chat gpt-5", "chat gpt-5", "chat gpt-5", "execute_tool bash", "invoke_agent"]


@pytest.mark.parametrize("start_method", ["fork", "forkserver", "spawn"])
def test_what_a_worker_process_did_is_sent_when_it_ends(tmp_path: Path, start_method: str) -> None:
    answers = [asked((f"c{number}", "bash", {})) for number in range(2)]
    with scripted_model(*answers) as model, running_sink() as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("workers.py", start_method, directory=tmp_path, environment=environment)

    assert (done.stdout, done.stderr) == ("0\n", "")
    names = [span[0] for span in _spans(sink.requests)]
    assert sorted(names) == ["chat gpt-5", "chat gpt-5", "execute_tool bash", "invoke_agent"]


def test_a_stream_that_is_open_at_exit_is_sent_once_with_what_came(tmp_path: Path) -> None:
    with scripted_model(said("Once upon a time.")) as model, running_sink() as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("leaves_stream_open.py", directory=tmp_path, environment=environment)

    assert (done.stdout, done.stderr) == ("Once ", "")
    (span,) = sink.spans()
    texts = {attribute.key: attribute.value.string_value for attribute in span.attributes}
    assert json.loads(texts["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Once "}]


@pytest.mark.parametrize(
    ("loop", "answers", "count"),
    [
        ("responses", [response(message("yes"), response_id=f"resp_{number}") for number in range(100)], 200),
        ("a clock in the prompt", [said("yes") for _ in range(100)], 100),
        ("sub-agents", [said("yes") for _ in range(200)], 200),
        ("one huge result", [asked(("c1", "read", {})), said("Done.")], 4),
        ("many large results", [*(asked((f"c{number}", "read", {})) for number in range(40)), said("Done.")], 82),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_much_to_send_passes_a_real_receiver_with_its_default_limit(
    tmp_path: Path, loop: str, answers: list[dict[str, Any]], count: int
) -> None:
    with scripted_model(*answers) as model, running_sink(largest_bytes=DEFAULT_OF_GRPC) as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("large_sessions.py", loop, directory=tmp_path, environment=environment)

    assert done.stderr == ""
    assert len({span.span_id for span in sink.spans()}) == sink.arrived_spans == count


def test_a_session_of_200_calls_passes_a_real_receiver_with_its_default_limit(tmp_path: Path) -> None:
    answers = [said("yes") for _ in range(200)]
    with scripted_model(*answers) as model, running_sink(largest_bytes=DEFAULT_OF_GRPC) as sink:
        environment = exporting_to(sink.url, model.url)
        done = run_program("long_session.py", "200", directory=tmp_path, environment=environment)

    assert int(done.stdout) > 200_000
    assert done.stderr == ""
    assert len({span.span_id for span in sink.spans()}) == sink.arrived_spans == 200
