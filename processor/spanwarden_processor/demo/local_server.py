"""An HTTP server of the standard library in a thread: on a free port, and always stopped."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

MAX_BODY_BYTES = 16 * 1024 * 1024


class LocalServer:
    """Serve `handler` on 127.0.0.1 for as long as the context is open."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of the request in hand, up to MAX_BODY_BYTES."""
    length = int(handler.headers.get("Content-Length", "0"))
    return handler.rfile.read(min(length, MAX_BODY_BYTES))


def answer_with(handler: BaseHTTPRequestHandler, status: int, text: str, kind: str = "text/plain") -> None:
    """Answer the request in hand."""
    body = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
