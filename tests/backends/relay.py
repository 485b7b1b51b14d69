"""A TCP relay that counts what it carries: shows what two programs really send to each other."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65536


class Relay(socketserver.ThreadingTCPServer):
    """Carries every connection on to `target`. `bytes_sent` counts what went there."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.bytes_sent = 0
        super().__init__(("127.0.0.1", 0), _Carry)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Carry(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        # A target that is away ends the connection, as it would without a relay.
        with suppress(OSError), socket.create_connection(self.server.target) as target:
            back = threading.Thread(target=self._carry, args=(target, self.request, False), daemon=True)
            back.start()
            self._carry(self.request, target, True)
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                target.sendall(chunk)
                self.server.bytes_sent += len(chunk) if counted else 0
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay_to(host: str, port: int) -> Iterator[Relay]:
    with Relay((host, port)) as relay:
        thread = threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()
