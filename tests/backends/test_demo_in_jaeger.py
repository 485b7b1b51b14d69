"""The demo's agents -> Spanwarden -> a real Jaeger: nothing lost, nothing changed, every verdict found by search."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from backends.backend_process import wait_until
from backends.compare import differences, values_of
from backends.jaeger import KEYS_OF_THE_UI, Jaeger, spans_in
from backends.otlp import recorder, resource_spans
from processor_process import running_processor
from spanwarden_processor.demo.agents import service_of
from spanwarden_processor.demo.run import run_agents
from spanwarden_processor.demo.script import load_scripts

SCRIPTS = load_scripts()
GUILTY = {script.name: script.expected for script in SCRIPTS if script.expected}


class Passed(NamedTuple):
    """What the agents sent, and a Jaeger that has all of it behind Spanwarden."""

    sent: list[ResourceSpans]
    jaeger: Jaeger


@pytest.fixture(scope="module")
def passed(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    with running_processor(jaeger.url, tmp_path_factory.mktemp("data")) as processor:
        with recorder(processor.address) as line:
            asyncio.run(run_agents(SCRIPTS, f"127.0.0.1:{line.port}", None, lambda _: None))
        # A stop delivers what is held, so that Jaeger has everything that will ever come.
        assert processor.stop() == 0
    sent = resource_spans(line.requests)
    wait_until(lambda: arrived(jaeger) >= len(spans_in(sent)), "the arrival of every span in Jaeger")
    return Passed(sent, jaeger)


def arrived(jaeger: Jaeger) -> int:
    return sum(len(spans_in(jaeger.spans_of(service_of(script)))) for script in SCRIPTS)


def test_every_span_is_there_once_and_unchanged(passed: Passed) -> None:
    found = [part for script in SCRIPTS for part in passed.jaeger.spans_of(service_of(script))]

    assert differences(passed.sent, found) == []
    assert len(spans_in(found)) == len(spans_in(passed.sent))


def test_every_span_of_an_agent_carries_a_verdict(passed: Passed) -> None:
    for script in SCRIPTS:
        spans = spans_in(passed.jaeger.spans_of(service_of(script)))
        assert all("misalignment.verdict" in values_of(span.attributes) for span in spans), script.name


@pytest.mark.parametrize(("session", "category"), GUILTY.items())
def test_a_misaligned_span_is_found_by_its_attributes(passed: Passed, session: str, category: str) -> None:
    wanted = {"misalignment.verdict": "misaligned", f"misalignment.flag.{category}": "true"}

    found = passed.jaeger.search(f"demo-{session}", wanted)

    assert any(matches(span, wanted) for span in spans_in(found))


@pytest.mark.parametrize("session", [script.name for script in SCRIPTS if script.expected is None])
def test_an_honest_session_is_not_found_as_misaligned(passed: Passed, session: str) -> None:
    assert passed.jaeger.search(f"demo-{session}", {"misalignment.verdict": "misaligned"}) == []


def test_one_search_over_one_service_finds_every_finding(passed: Passed) -> None:
    verdicts = [span for span in spans_in(passed.jaeger.spans_of("spanwarden")) if span.name != "misalignment session"]
    found = {(values["misalignment.agent_service"], values["misalignment.category"]) for values in map(seen, verdicts)}

    assert found == {(f"demo-{session}", category) for session, category in GUILTY.items()}


def test_a_verdict_span_leads_to_the_span_it_is_about(passed: Passed) -> None:
    spans = {(span.trace_id, span.span_id): span for span in spans_in(passed.sent)}

    for verdict in spans_in(passed.jaeger.spans_of("spanwarden")):
        if verdict.name == "misalignment session":
            continue
        judged = spans[verdict.trace_id, verdict.parent_span_id]
        assert verdict.end_time_unix_nano == judged.end_time_unix_nano
        assert {(link.trace_id, link.span_id) for link in verdict.links} <= set(spans)


def test_a_verdict_span_has_every_key_that_the_ui_searches_by(passed: Passed) -> None:
    for verdict in spans_in(passed.jaeger.spans_of("spanwarden")):
        if verdict.name != "misalignment session":
            assert set(seen(verdict)) >= KEYS_OF_THE_UI


def test_the_demo_command_sends_everything_on_to_jaeger(jaeger: Jaeger, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spanwarden_processor", "demo", "--json", "--forward", jaeger.url]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    sessions = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stderr
    for session in sessions:
        wait_until(functools.partial(jaeger.trace, session["trace_id"]), f"the arrival of {session['session']}")


def seen(span: Span) -> dict[str, Any]:
    return dict(values_of(span.attributes))


def matches(span: Span, wanted: dict[str, str]) -> bool:
    values = {key: str(value).lower() for key, value in seen(span).items()}
    return all(values.get(key) == value for key, value in wanted.items())
