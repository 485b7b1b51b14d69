"""OTLP/gRPC in: raw request bytes -> durable records -> acknowledgement.

The synchronous server with raw bytes costs half of what grpc.aio does per call. Nothing here waits for scoring
or for the backend. Statuses follow the OTLP specification 1.11: what is not OTLP is INVALID_ARGUMENT, all else
that goes wrong is UNAVAILABLE, because a client drops its data on INTERNAL and UNKNOWN.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from spanwarden_processor.config import Address
from spanwarden_processor.errors import ConfigurationError, NotOtlp, SpoolFull
from spanwarden_processor.telemetry import Counters

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
WORKERS = 64
"""Calls answered at one time. Most of them wait for one commit that they share."""
STREAMS = 2 * WORKERS
"""Calls of one connection at one time. More would be refused before they are read."""
RETRY_SECONDS = 1

Keep = Callable[[bytes], None]
"""Makes a request durable, or raises NotOtlp or SpoolFull."""

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


class TraceReceiver(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers TraceService/Export with bytes in and bytes out."""

    def __init__(self, keep: Keep, in_flight: InFlight, counters: Counters) -> None:
        self._keep = keep
        self._in_flight = in_flight
        self._counters = counters
        self._methods = {f"/{SERVICE}/Export": grpc.unary_unary_rpc_method_handler(self._export)}

    def service(self, handler_call_details: Any) -> Any:
        """Find the handler of a call, None for what this server does not speak."""
        return self._methods.get(handler_call_details.method)

    def _export(self, request: bytes, context: Any) -> bytes:
        self._counters.add("receiver_requests")
        if not self._in_flight.enter(len(request)):
            return self._come_again(context, "too many requests in flight")
        try:
            self._keep(request)
        except NotOtlp as error:
            self._counters.add("receiver_invalid_requests")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not an ExportTraceServiceRequest: {error}")
        except SpoolFull:
            return self._come_again(context, "the spool is full until the backend has taken what is held")
        except Exception:  # noqa: BLE001 - grpc would answer UNKNOWN, and the client would drop its spans
            self._counters.add("receiver_errors")
            _log.exception("a request could not be kept; its sender was told to come again")
            return self._come_again(context, "the request could not be kept")
        finally:
            self._in_flight.leave(len(request))
        return b""

    def _come_again(self, context: Any, reason: str) -> bytes:
        self._counters.add("receiver_refused_requests")
        context.set_trailing_metadata((("grpc-status-details-bin", _retry_details(reason)),))
        context.set_code(grpc.StatusCode.UNAVAILABLE)
        context.set_details(reason)
        return b""


def _retry_details(reason: str) -> bytes:
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS)))
    status = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=reason, details=[detail])
    return bytes(status.SerializeToString())


def start(receiver: TraceReceiver, address: Address, max_message_bytes: int) -> tuple[grpc.Server, int]:
    """Serve until the server is stopped. Returns it with the port it listens on.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    server = grpc.server(
        ThreadPoolExecutor(WORKERS, thread_name_prefix="otlp-grpc"),
        handlers=(receiver,),
        options=(
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.so_reuseport", 0),  # two processes on one port would share it in silence
            # Collectors ping every 10 s; the default of the library answers that with GOAWAY
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )
    try:
        port = server.add_insecure_port(str(address))
    except RuntimeError:
        port = 0
    if not port:
        raise ConfigurationError(f"--listen: {address} cannot be bound; is another process listening there?")
    server.start()
    return server, port
