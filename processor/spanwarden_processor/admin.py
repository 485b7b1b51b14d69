"""/metrics, /healthz and /readyz over HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spanwarden_processor.config import Address
from spanwarden_processor.errors import ConfigurationError
from spanwarden_processor.telemetry import MetricsCollector

Problems = Callable[[], Mapping[str, str]]
"""What is wrong at the moment, by part; empty when all is well."""


class Probes(NamedTuple):
    """What the two probes ask: is the process able to go on, and does it take and score spans now."""

    health: Problems
    readiness: Problems


class AdminServer:
    """Serves until stopped, on a thread of its own."""

    def __init__(self, address: Address, collector: MetricsCollector, probes: Probes) -> None:
        """Bind and start.

        Raises:
            ConfigurationError: the address cannot be bound.
        """
        self._socket = _bind(address)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            _application(collector, probes),
            log_config=None,
            log_level="warning",
            access_log=False,
            limit_concurrency=32,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="admin", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for it."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _application(collector: MetricsCollector, probes: Probes) -> Starlette:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    def answer(problems: Problems) -> Callable[[Request], Response]:
        def probe(_: Request) -> Response:
            found = dict(problems())
            return JSONResponse({"ok": not found, "problems": found}, status_code=503 if found else 200)

        return probe

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", answer(probes.health)),
            Route("/readyz", answer(probes.readiness)),
        ]
    )


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"--admin: {address} cannot be bound: {error.strerror}") from None
    return listener
