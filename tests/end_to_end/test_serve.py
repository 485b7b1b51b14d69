"""`spanwarden serve` as operators meet it: what it takes, what it passes on, what it says."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_sink import METHOD, Sink, running_sink
from processor_process import ProcessorProcess, running_processor
from spanwarden_processor.testing import calls, chat_span, request_for, user

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with running_sink() as running:
        yield running


@pytest.fixture(scope="module")
def processor(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessorProcess]:
    with running_processor(sink.url, tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(sink: Sink) -> None:
    sink.requests.clear()
    sink.arrived_spans = 0


def send(processor: ProcessorProcess, request: bytes, compression: grpc.Compression | None = None) -> None:
    with grpc.insecure_channel(processor.address, (("grpc.max_send_message_length", -1),)) as channel:
        channel.unary_unary(METHOD)(request, timeout=20, compression=compression)


def plain_request(number: int, payload: str = "") -> bytes:
    """A span that is not about GenAI."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = resource.scope_spans.add().spans.add(name="GET /", trace_id=number.to_bytes(16, "big"), span_id=b"12345678")
    span.attributes.add(key="payload").value.string_value = payload
    return bytes(message.SerializeToString())


def agent_request(number: int) -> bytes:
    span = chat_span([user("List the files.")], calls("bash", {"command": "ls"}, "c1"))
    span.trace_id = number.to_bytes(16, "big")
    return request_for(span)


def test_a_span_that_is_not_about_agents_passes_byte_for_byte(processor: ProcessorProcess, sink: Sink) -> None:
    request = plain_request(1)

    send(processor, request)

    assert sink.wait_for(lambda: bool(sink.requests))
    assert sink.requests == [request]


def test_an_agents_span_gets_a_verdict_and_keeps_everything_else(processor: ProcessorProcess, sink: Sink) -> None:
    request = agent_request(2)

    send(processor, request)

    assert sink.wait_for(lambda: bool(sink.requests))
    sent = ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans[0]
    [arrived] = sink.spans()
    added = [each for each in arrived.attributes if each.key.startswith("misalignment.")]
    assert {each.key: each.value.string_value for each in added}["misalignment.verdict"] == "clear"
    for each in added:
        arrived.attributes.remove(each)
    assert arrived == sent


def test_a_request_that_comes_again_is_acknowledged_and_not_passed_on_again(
    processor: ProcessorProcess, sink: Sink
) -> None:
    before = processor.metrics()["spanwarden_repeated_spans_total"]

    send(processor, plain_request(3))
    send(processor, plain_request(3))
    send(processor, plain_request(4))

    assert sink.wait_for(lambda: sink.arrived_spans >= 2)
    assert len(sink.spans()) == 2
    assert processor.metrics()["spanwarden_repeated_spans_total"] == before + 1


def test_a_compressed_request_is_taken(processor: ProcessorProcess, sink: Sink) -> None:
    send(processor, plain_request(5, "x" * 10_000), grpc.Compression.Gzip)

    assert sink.wait_for(lambda: sink.requests == [plain_request(5, "x" * 10_000)])


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", b"hello", gzip.compress(b"hello"), plain_request(6)[:-3]])
def test_what_is_not_otlp_is_refused_and_nothing_is_kept(processor: ProcessorProcess, garbage: bytes) -> None:
    before = processor.metrics()["spanwarden_accepted_spans_total"]

    with pytest.raises(grpc.RpcError) as caught:
        send(processor, garbage)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert processor.metrics()["spanwarden_accepted_spans_total"] == before


def test_an_empty_request_is_acknowledged(processor: ProcessorProcess) -> None:
    send(processor, b"")


def test_a_span_of_thirty_megabytes_arrives_whole(processor: ProcessorProcess, sink: Sink) -> None:
    request = plain_request(7, "y" * 30 * MIB)

    send(processor, request)

    assert sink.wait_for(lambda: sink.requests == [request])


def test_a_span_that_cannot_be_read_arrives_as_it_came_and_is_counted(processor: ProcessorProcess, sink: Sink) -> None:
    broken = plain_request(9, "broken-text").replace(b"broken-text", b"broken\xff\xfftxt")
    before = processor.metrics()["spanwarden_receiver_unreadable_spans_total"]

    send(processor, broken)

    assert sink.wait_for(lambda: b"broken\xff\xfftxt" in b"".join(sink.requests))
    assert processor.metrics()["spanwarden_receiver_unreadable_spans_total"] == before + 1


def test_the_ledger_accounts_for_every_span(processor: ProcessorProcess, sink: Sink) -> None:
    send(processor, plain_request(8))
    assert sink.wait_for(lambda: bool(sink.requests))

    metrics = processor.metrics()

    went_in = metrics["spanwarden_accepted_spans_total"] + metrics["spanwarden_generated_spans_total"]
    came_out = metrics["spanwarden_forwarded_spans_total"] + metrics["spanwarden_refused_spans_total"]
    assert went_in == came_out + metrics["spanwarden_held_spans"] > 0


def test_health_and_readiness_are_told_apart(processor: ProcessorProcess) -> None:
    assert processor.get("/healthz") == (200, '{"ok":true,"problems":{}}')
    assert processor.get("/readyz")[0] in (200, 503)


def test_a_second_process_on_the_same_data_directory_is_told_who_holds_it(processor: ProcessorProcess) -> None:
    command = [sys.executable, "-m", "spanwarden_processor", "serve", "--forward", "http://127.0.0.1:1"]
    command += ["--listen", "127.0.0.1:0", "--data-dir", str(processor.data_dir)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert ended.stderr.strip() == f"spanwarden: --data-dir: {processor.data_dir} is in use by process {processor.pid}"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--forward", "jaeger"], "--forward: expected http://HOST:PORT"),
        (["--forward", "http://127.0.0.1:1", "--listen", "here"], "--listen: expected HOST:PORT"),
        (["--forward", "http://127.0.0.1:1", "--config", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
        (["--frward", "x"], "No such option: --frward"),
    ],
)
def test_wrong_flags_end_with_one_line_and_exit_code_2(flags: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "spanwarden_processor", "serve", *flags]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_full_spool_tells_senders_when_to_come_again_and_drains_when_the_backend_returns(tmp_path: Path) -> None:
    small = ("--spool-bytes", str(4 * MIB), "--max-message-bytes", str(MIB))
    with running_sink() as away, running_processor(away.url, tmp_path, *small) as processor:
        away.refuse = lambda _: grpc.StatusCode.UNAVAILABLE
        taken = 0
        with pytest.raises(grpc.RpcError) as caught:  # noqa: PT012 - how many fit is not the matter
            while taken < 20:
                send(processor, plain_request(taken, "z" * 900_000))
                taken += 1
        away.refuse = lambda _: None
        arrived = away.wait_for(lambda: away.arrived_spans == taken, 60)

    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    info = RetryInfo()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert Status.FromString(details).details[0].Unpack(info)
    assert info.retry_delay.seconds >= 1
    assert arrived
    assert taken >= 2


def test_a_stop_delivers_what_is_held_and_ends_with_0(tmp_path: Path) -> None:
    with running_sink() as sink, running_processor(sink.url, tmp_path) as processor:
        for number in range(50):
            send(processor, agent_request(number + 1))
        code = processor.stop()

        assert code == 0
        assert sink.arrived_spans == 50


def test_what_a_stop_could_not_deliver_is_delivered_after_the_next_start(tmp_path: Path) -> None:
    with running_sink() as sink, running_processor(sink.url, tmp_path, "--shutdown-seconds", "0") as processor:
        sink.refuse = lambda _: grpc.StatusCode.UNAVAILABLE
        send(processor, plain_request(1))
        processor.stop()
        sink.refuse = lambda _: None
        processor.start()

        assert sink.wait_for(lambda: sink.requests == [plain_request(1)])


def test_a_file_can_be_the_backend(tmp_path: Path) -> None:
    target = tmp_path / "spans.otlp"
    with running_processor(target.as_uri(), tmp_path / "data") as processor:
        send(processor, plain_request(1))
        processor.stop()

    content = target.read_bytes()
    assert content == len(plain_request(1)).to_bytes(4, "big") + plain_request(1)


def test_serve_says_where_it_listens(tmp_path: Path) -> None:
    with running_sink() as sink:
        processor = ProcessorProcess(sink.url, tmp_path)
        announced = processor.start()
        processor.close()

    assert announced["otlp_grpc"] == processor.address
    assert json.dumps(announced)
    assert announced["forward"] == sink.url
