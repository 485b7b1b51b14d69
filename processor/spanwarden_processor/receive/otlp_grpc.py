"""OTLP/gRPC in: raw request bytes -> durable records -> acknowledgement.

Nothing here waits for scoring or for the backend. Statuses follow the OTLP specification 1.11: what is not OTLP is
INVALID_ARGUMENT, all else that goes wrong is UNAVAILABLE, because a client drops its data on INTERNAL and UNKNOWN.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from spanwarden_processor.config import Address
from spanwarden_processor.errors import ConfigurationError, NotOtlp, SpoolFull
from spanwarden_processor.group_commit import Settled
from spanwarden_processor.receive.unary_server import OK, Answer, UnaryServer
from spanwarden_processor.telemetry import Counters

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STREAMS = 128
"""Calls of one connection at one time. More would be refused before they are read."""
RETRY_SECONDS = 1

Keep = Callable[[bytes, Settled], None]
"""Makes a request durable, and says so when it is. Raises NotOtlp or SpoolFull."""

_log = logging.getLogger(__name__)


class InFlight:
    """Counts the bytes of requests that are being made durable, against a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def enter(self, size: int) -> bool:
        """Take room for a request. One alone always fits, however large."""
        with self._lock:
            if self._bytes and self._bytes + size > self._limit_bytes:
                return False
            self._bytes += size
            return True

    def leave(self, size: int) -> None:
        """Give the room back."""
        with self._lock:
            self._bytes -= size


class TraceReceiver:
    """Answers TraceService/Export: takes a request in, and acknowledges it when it is durable."""

    def __init__(self, keep: Keep, in_flight: InFlight, counters: Counters) -> None:
        self._keep = keep
        self._in_flight = in_flight
        self._counters = counters

    def take(self, request: bytes, answer: Callable[[Answer], None]) -> None:
        """Take a request; `answer` is called once, from whatever thread makes it durable."""
        self._counters.add("receiver_requests")
        size = len(request)
        if not self._in_flight.enter(size):
            answer(self._come_again("too many requests in flight"))
            return

        def settled(error: BaseException | None) -> None:
            self._in_flight.leave(size)
            answer(OK if error is None else self._refusal(error))

        try:
            self._keep(request, settled)
        except Exception as error:  # noqa: BLE001 - grpc would answer UNKNOWN, and the client would drop its spans
            settled(error)

    def _refusal(self, error: BaseException) -> Answer:
        if isinstance(error, NotOtlp):
            self._counters.add("receiver_invalid_requests")
            return Answer(grpc.StatusCode.INVALID_ARGUMENT, f"not an ExportTraceServiceRequest: {error}")
        if isinstance(error, SpoolFull):
            return self._come_again("the spool is full until the backend has taken what is held")
        self._counters.add("receiver_errors")
        _log.error("a request could not be kept; its sender was told to come again", exc_info=error)
        return self._come_again("the request could not be kept")

    def _come_again(self, reason: str) -> Answer:
        self._counters.add("receiver_refused_requests")
        return Answer(grpc.StatusCode.UNAVAILABLE, reason, (("grpc-status-details-bin", _retry_details(reason)),))


def _retry_details(reason: str) -> bytes:
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS)))
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=reason, details=[detail])
    return bytes(status.SerializeToString())


def start(receiver: TraceReceiver, address: Address, max_message_bytes: int) -> UnaryServer:
    """Serve until the server is stopped.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    options = (
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.so_reuseport", 0),  # two processes on one port would share it in silence
        # Collectors ping every 10 s; the default of the library answers that with GOAWAY
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
    )
    try:
        return UnaryServer(METHOD, receiver.take, str(address), options)
    except RuntimeError:
        problem = f"--listen: {address} cannot be bound; is another process listening there?"
        raise ConfigurationError(problem) from None
