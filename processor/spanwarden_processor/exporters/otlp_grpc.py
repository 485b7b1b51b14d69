"""OTLP/gRPC out: request bytes to any backend, without parsing them again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanwarden_processor.errors import PermanentExport, RetryableExport
from spanwarden_processor.telemetry import Counters

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""As the OTLP specification lists them; RESOURCE_EXHAUSTED only where the answer says when to come again."""
CREDENTIAL_PROBLEMS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
"""Not retryable for a client that would drop its data; here the spans are kept until the operator has mended it."""


class OtlpGrpcExporter:
    """Delivers requests over one channel."""

    def __init__(self, url: str, timeout_seconds: float, counters: Counters) -> None:
        parts = urlsplit(url)
        options = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 4 * 1024 * 1024))
        target = f"{parts.hostname}:{parts.port}"
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
            if parts.scheme == "https"
            else grpc.insecure_channel(target, options)
        )
        self._call = self._channel.unary_unary(METHOD)
        self._timeout_seconds = timeout_seconds
        self._counters = counters

    def export(self, request: bytes) -> None:
        """Deliver a request; see `Exporter`. What the backend takes only in part is counted, not sent again."""
        try:
            answer = self._call(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            raise _named(error) from None
        if answer:
            self._count_partial_success(answer)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _count_partial_success(self, answer: bytes) -> None:
        rejected = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
        if rejected:
            self._counters.add("exporter_rejected_spans", rejected)


def _named(error: Any) -> RetryableExport | PermanentExport:
    code: grpc.StatusCode = error.code()
    message = f"{code.name}: {error.details()}"
    delay = _retry_delay(error)
    retryable = code in RETRYABLE or code in CREDENTIAL_PROBLEMS
    if retryable or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None):
        return RetryableExport(message, delay)
    return PermanentExport(message)


def _retry_delay(error: Any) -> float | None:
    """The delay that the backend asks for, in seconds, where its answer holds a RetryInfo."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return float(info.retry_delay.ToTimedelta().total_seconds())
    return None
