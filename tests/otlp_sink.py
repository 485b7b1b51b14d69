"""A backend for tests: a real OTLP/gRPC server that keeps what it is sent and can be told to refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from spanwarden_processor.otlp.slices import span_count

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

Refuse = Callable[[bytes], grpc.StatusCode | None]


def take_everything(_: bytes) -> grpc.StatusCode | None:
    return None


class Sink(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Keeps the requests that it answered with success."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.arrived_spans = 0
        self.refuse: Refuse = take_everything
        self.port = 0
        self._arrived = threading.Condition()

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method == METHOD:
            return grpc.unary_unary_rpc_method_handler(self._export)
        return None

    def _export(self, request: bytes, context: Any) -> bytes:
        if code := self.refuse(request):
            context.abort(code, "refused by the test")
        with self._arrived:
            self.requests.append(request)
            self.arrived_spans += span_count(request)
            self._arrived.notify_all()
        return bytes(ExportTraceServiceResponse().SerializeToString())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[ProtoSpan]:
        """Every span that arrived, in order, repeats too. Requests that do not parse are left out."""
        found: list[ProtoSpan] = []
        for request in list(self.requests):
            try:
                message = ExportTraceServiceRequest.FromString(request)
            except Exception:  # noqa: BLE001 - some tests send spans that do not parse
                continue
            found.extend(
                s for resource in message.resource_spans for scope in resource.scope_spans for s in scope.spans
            )
        return found

    def wait_for(self, condition: Callable[[], bool], timeout_seconds: float = 30) -> bool:
        """Wait until the condition holds; it is looked at whenever a request has arrived."""
        with self._arrived:
            return self._arrived.wait_for(condition, timeout_seconds)


@contextmanager
def running_sink(port: int = 0, largest_bytes: int = -1) -> Iterator[Sink]:
    """A sink on a port of its own, stopped at the end. It takes requests of any size unless told otherwise."""
    sink = Sink()
    options = (("grpc.max_receive_message_length", largest_bytes), ("grpc.so_reuseport", 0))
    server = grpc.server(ThreadPoolExecutor(8), handlers=(sink,), options=options)
    sink.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield sink
    finally:
        server.stop(None).wait()
