"""agents -> Collector -> Collector -> Spanwarden -> Collector -> Jaeger, with the configurations that we ship."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from backends.backend_process import wait_until
from backends.collector import Collector
from backends.compare import differences
from backends.jaeger import Jaeger, spans_in
from backends.otlp import recorder, resource_spans, sending_to
from backends.relay import Relay, relay_to
from processor_process import ProcessorProcess, free_port
from spanwarden_processor.demo.agents import service_of
from spanwarden_processor.demo.run import run_agents
from spanwarden_processor.demo.script import Script, load_scripts
from spanwarden_processor.testing import chat_span, request_for, says, user

SCRIPTS = load_scripts()
LARGE_BYTES = 10 * 1024 * 1024


class Line(NamedTuple):
    """The whole line; `grpc` and `http` are where agents send to, `relay` stands before Spanwarden."""

    grpc: str
    http: str
    gateway: Collector
    relay: Relay
    processor: ProcessorProcess
    jaeger: Jaeger

    def arrived(self, service: str) -> int:
        return len(spans_in(self.jaeger.spans_of(service)))


@pytest.fixture(scope="module")
def line(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with running_line(jaeger, tmp_path_factory.mktemp("line")) as running:
        yield running


@pytest.fixture(scope="module")
def sent(line: Line) -> list[ResourceSpans]:
    """What the demo's agents sent through the line."""
    with recorder(line.grpc) as entry:
        asyncio.run(run_agents(SCRIPTS, f"127.0.0.1:{entry.port}", None, lambda _: None))
    return resource_spans(entry.requests)


@contextmanager
def running_line(jaeger: Jaeger, directory: Path) -> Iterator[Line]:
    grpc_port, http_port, gateway_port, scored_port = (free_port() for _ in range(4))
    processor = ProcessorProcess(f"http://127.0.0.1:{scored_port}", directory / "spanwarden")
    with ExitStack() as stack:
        stack.callback(processor.close)
        processor.start()
        relay = stack.enter_context(relay_to("127.0.0.1", processor.port))
        around_spanwarden = {
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_GRPC_PORT": str(gateway_port),
            "GATEWAY_HTTP_PORT": str(free_port()),
            "GATEWAY_SCORED_PORT": str(scored_port),
            "SPANWARDEN_ENDPOINT": relay.address,
            "JAEGER_ENDPOINT": f"127.0.0.1:{jaeger.otlp_port}",
        }
        beside_agents = {
            "AGENT_GRPC_PORT": str(grpc_port),
            "AGENT_HTTP_PORT": str(http_port),
            "SPANWARDEN_GATEWAY": f"127.0.0.1:{gateway_port}",
        }
        gateway = stack.enter_context(Collector("gateway", directory / "gateway", around_spanwarden))
        stack.enter_context(Collector("agent-collector", directory / "agents", beside_agents))
        yield Line(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}", gateway, relay, processor, jaeger)


def test_every_span_of_the_demo_comes_through_once_and_unchanged(line: Line, sent: list[ResourceSpans]) -> None:
    services = [service_of(script) for script in SCRIPTS]

    wait_until(lambda: sum(map(line.arrived, services)) >= len(spans_in(sent)), "the arrival of every span")

    assert differences(sent, [part for service in services for part in line.jaeger.spans_of(service)]) == []


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("script", [each for each in SCRIPTS if each.expected], ids=lambda script: script.name)
def test_a_finding_of_the_demo_comes_through(line: Line, script: Script) -> None:
    wanted = {"misalignment.agent_service": service_of(script), "misalignment.category": str(script.expected)}

    wait_until(lambda: bool(line.jaeger.search("spanwarden", wanted)), "the arrival of the finding")


def test_a_span_of_ten_megabytes_comes_through_compressed(line: Line) -> None:
    before = line.relay.bytes_sent
    request = request_for(chat_span([user("x" * LARGE_BYTES)], says("Long.")), service="large")
    with sending_to(line.grpc) as sender:
        sender.send(request)

    wait_until(lambda: line.arrived("large") > 0, "the arrival of the large span")

    assert differences(resource_spans([request]), line.jaeger.spans_of("large")) == []
    assert line.relay.bytes_sent - before < LARGE_BYTES / 10


def test_spans_sent_over_http_come_through(line: Line) -> None:
    request = request_for(chat_span([user("Hello")], says("Hello.")), service="over-http")
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{line.http}/v1/traces", request, headers), timeout=10
    ) as answer:
        assert answer.status == 200

    wait_until(lambda: line.arrived("over-http") > 0, "the arrival of the span")

    assert differences(resource_spans([request]), line.jaeger.spans_of("over-http")) == []


def test_spans_wait_on_disk_while_spanwarden_is_away_even_over_a_restart_of_the_collector(line: Line) -> None:
    requests = [
        request_for(chat_span([user(f"Question {n}")], says("Yes."), number=n), service="patient") for n in range(1, 21)
    ]
    line.processor.stop()
    with sending_to(line.grpc) as sender:
        for request in requests:
            sender.send(request)
    line.gateway.stop()
    line.gateway.start()
    line.processor.start()

    wait_until(lambda: line.arrived("patient") >= len(requests), "the arrival of every span", seconds=60)

    assert differences(resource_spans(requests), line.jaeger.spans_of("patient")) == []
