"""The least that a proxy in Python can do: request bytes in, the same bytes out. `python -m tests.bench.raw_proxy`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from tests.otlp_sink import METHOD


def main(port: str, backend: str) -> None:
    """Forward every call until killed; an answer comes after the backend's."""
    unlimited = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
    call = grpc.insecure_channel(backend, unlimited).unary_unary(METHOD)

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _: object) -> object:
            return grpc.unary_unary_rpc_method_handler(lambda request, _: call(request))

    server = grpc.server(ThreadPoolExecutor(16), handlers=(Handler(),), options=unlimited)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
