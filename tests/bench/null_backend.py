"""A backend that only counts spans: `python -m tests.bench.null_backend PORT`. Its count is asked for over gRPC."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tests.otlp_sink import METHOD

from spanwarden_processor.otlp.slices import span_count

COUNT = "/bench/Count"
STALLED_SECONDS = 30


class Counting(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes everything and remembers how many spans it was."""

    def __init__(self) -> None:
        self._spans = 0
        self._lock = threading.Lock()

    def service(self, handler_call_details: Any) -> Any:
        answer = {METHOD: self._take, COUNT: self._count}.get(handler_call_details.method)
        return answer and grpc.unary_unary_rpc_method_handler(answer)

    def _take(self, request: bytes, _: Any) -> bytes:
        spans = span_count(request)
        with self._lock:
            self._spans += spans
        return b""

    def _count(self, _: bytes, __: Any) -> bytes:
        return str(self._spans).encode()


def main(port: str) -> None:
    """Count until killed."""
    unlimited = (("grpc.max_receive_message_length", -1),)
    server = grpc.server(ThreadPoolExecutor(8), handlers=(Counting(),), options=unlimited)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def count(channel: grpc.Channel) -> int:
    """Ask a null backend how many spans it has taken."""
    return int(channel.unary_unary(COUNT)(b"", timeout=60, wait_for_ready=True))


def wait_for(channel: grpc.Channel, spans: int) -> None:
    """Wait until it has taken so many.

    Raises:
        TimeoutError: no span has arrived for half a minute.
    """
    arrived, since = -1, time.monotonic()
    while (now := count(channel)) < spans:
        if now > arrived:
            arrived, since = now, time.monotonic()
        if time.monotonic() - since > STALLED_SECONDS:
            raise TimeoutError(f"{now} of {spans} spans have arrived, and no more come")
        threading.Event().wait(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
