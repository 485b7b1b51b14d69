"""`spanwarden doctor`: what it finds in surroundings that are really wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from otlp_sink import running_sink
from processor_process import free_port, running_processor

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def examine(*arguments: str, **variables: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and by subject the state and what was found."""
    command = [sys.executable, "-m", "spanwarden_processor", "doctor", *arguments, "--json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANWARDEN_"))}
    ended = subprocess.run(command, env=clean | variables, capture_output=True, text=True, timeout=60, check=False)
    checks = [json.loads(line) for line in ended.stdout.splitlines()]
    return ended.returncode, {each["subject"]: (each["state"], each["found"]) for each in checks}


def test_an_agent_that_will_be_seen_has_no_problem() -> None:
    with running_sink() as sink:
        code, found = examine("agent", OTEL_SERVICE_NAME="a", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **{CONTENT: "true"})

    assert code == 0
    assert {state for state, _ in found.values()} <= {"ok", "note"}


def test_an_agent_without_variables_is_told_which_are_missing() -> None:
    code, found = examine("agent", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")

    assert code == 1
    assert found[CONTENT] == ("problem", "is not set: no content is captured, a monitor sees nothing")
    assert found["OTEL_SERVICE_NAME"][0] == "problem"
    assert found["endpoint"][0] == "problem"


def test_an_agent_that_would_be_overlooked_is_told_why() -> None:
    _, found = examine(
        "agent",
        OTEL_SDK_DISABLED="true",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="spanwarden",
        OTEL_TRACES_SAMPLER="traceidratio",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        **{CONTENT: "EVENT_ONLY"},
    )

    wrong = {"OTEL_SDK_DISABLED", "instrumentation", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL", CONTENT}
    assert {subject for subject, (state, _) in found.items() if state == "problem"} >= wrong


def test_a_processor_that_could_start_has_no_problem(tmp_path: Path) -> None:
    with running_sink() as sink:
        listen = ("--listen", f"127.0.0.1:{free_port()}", "--admin", "none")
        code, found = examine("processor", "--forward", sink.url, "--data-dir", str(tmp_path), *listen)

    assert code == 0
    assert found[f"--forward {sink.url}"] == ("ok", "takes OTLP/gRPC")


def test_a_backend_that_does_not_answer_is_named(tmp_path: Path) -> None:
    backend = f"http://127.0.0.1:{free_port()}"

    code, found = examine("processor", "--forward", backend, "--data-dir", str(tmp_path), "--admin", "none")

    assert code == 1
    assert found[f"--forward {backend}"][0] == "problem"


def test_a_processor_that_runs_already_is_recognised_by_its_directory_and_ports(tmp_path: Path) -> None:
    with running_sink() as sink, running_processor(sink.url, tmp_path) as processor:
        addresses = ("--listen", processor.address, "--admin", f"127.0.0.1:{processor.admin_port}")
        code, found = examine("processor", "--forward", sink.url, "--data-dir", str(tmp_path), *addresses)

    assert code == 0
    assert found["data directory"] == ("ok", f"{tmp_path} is in use by process {processor_pid(found)}")
    assert found[f"--listen {addresses[1]}"] == ("ok", "is taken by the processor that runs")


def processor_pid(found: dict[str, tuple[str, str]]) -> str:
    return found["data directory"][1].rsplit(" ", 1)[-1]


def test_settings_that_are_wrong_are_one_line() -> None:
    code, found = examine("processor", "--forward", "jaeger")

    assert code == 1
    assert found["settings"][1].startswith("--forward: expected http://HOST:PORT")
