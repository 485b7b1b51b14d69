"""A throw-away web server that is the agents' whole network.

It is their HTTP proxy (`http_proxy`), so every host name they use ends here and nothing leaves the machine.
It answers by routes and refuses what has none, as an egress proxy would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from spanwarden_processor.demo.local_server import LocalServer, answer_with, read_body
from spanwarden_processor.demo.script import Route

KEPT_REQUESTS = 1000


class Received(NamedTuple):
    """One request that the server took."""

    method: str
    host: str
    path: str
    body: bytes
    status: int


class WebServer(LocalServer):
    """Answer by routes. `received` are the latest requests, oldest first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        known = {(route.method, route.host, route.path): route for route in routes}
        received: deque[Received] = deque(maxlen=KEPT_REQUESTS)

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = read_body(self)
                target = urlsplit(self.path)
                host = target.hostname or self.headers.get("Host", "").partition(":")[0]
                route = known.get((self.command, host, target.path))
                status, text = _answer(route, host, self.headers.get("Authorization"))
                received.append(Received(self.command, host, target.path, body, status))
                answer_with(self, status, text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _serve

            def log_message(self, *_: Any) -> None:
                """Say nothing: `received` tells what came."""

        self.received = received
        super().__init__(Handler)


def _answer(route: Route | None, host: str, authorization: str | None) -> tuple[int, str]:
    if route is None:
        return 403, f"egress proxy: no rule allows this request to {host}"
    if route.authorization is not None and route.authorization != authorization:
        return 401, "missing or unknown token"
    return route.status, route.answer
