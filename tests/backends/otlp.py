"""OTLP/gRPC as a sender: what was acknowledged, and a place in the line where it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from otlp_sink import METHOD, Sink, running_sink

TIMEOUT_SECONDS = 10


class Sender:
    """Sends requests to an address and keeps those that were acknowledged."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._call = channel.unary_unary(METHOD)
        self.acknowledged: list[bytes] = []

    def send(self, request: bytes) -> None:
        """Send, once. Raises grpc.RpcError when it is not acknowledged."""
        self._call(request, timeout=TIMEOUT_SECONDS)
        self.acknowledged.append(request)


@contextmanager
def sending_to(address: str) -> Iterator[Sender]:
    with grpc.insecure_channel(address) as channel:
        yield Sender(channel)


@contextmanager
def recorder(address: str) -> Iterator[Sink]:
    """A listener that passes each request on to `address` and keeps what was acknowledged there."""
    with running_sink() as sink, sending_to(address) as sender:

        def pass_on(request: bytes) -> grpc.StatusCode | None:
            try:
                sender.send(request)
            except grpc.RpcError as refusal:
                return refusal.code()
            return None

        sink.refuse = pass_on
        yield sink


def resource_spans(requests: list[bytes]) -> list[ResourceSpans]:
    """All spans of some requests, each below its own resource."""
    return [part for request in requests for part in ExportTraceServiceRequest.FromString(request).resource_spans]
