"""A gRPC server for one method with one message each way: calls in, answers out at any later time, on one thread.

grpc's own server for Python wakes three threads for a call, which take the interpreter's lock from each other: 180 us
of CPU. A handler that waits for a flush that it shares with others cannot avoid this there. One thread that reads the
completion queue, where whoever made a request durable answers it, needs 60 us. The price is a module of grpc that is
not documented; `grpc._server` uses it in the same way, call by call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import grpc
from grpc._cython import cygrpc

OPEN_CALLS = 256
"""Calls that are open at one time. Others wait unread, and their senders' connections with them."""

_NO_FLAGS = 0

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a call ends with: its status, and an empty message where that is OK."""

    status: grpc.StatusCode
    details: str = ""
    metadata: tuple[tuple[str, bytes], ...] = ()


OK = Answer(grpc.StatusCode.OK)

Take: TypeAlias = Callable[[bytes, Callable[[Answer], None]], None]
"""Takes a request and, sooner or later and from any thread, answers it once; or raises and does not.

It runs on the server's only thread."""


class UnaryServer:
    """Serves from its creation until it is stopped."""

    def __init__(self, method: str, take: Take, address: str, options: tuple[tuple[str, int], ...]) -> None:
        """Listen on `address`, at `self.port`.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        self._method = method.encode()
        self._take = take
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(options, False)
        self._server.register_completion_queue(self._queue)
        self.port: int = self._server.add_http2_port(address.encode())
        if not self.port:
            raise RuntimeError(f"{address} cannot be bound")
        self._server.start()
        self._lock = threading.Lock()
        self._stopping = False
        self._asked = False
        self._open_calls = 0
        self._expected_events = 0
        self._ended = threading.Event()
        threading.Thread(target=self._serve, name="otlp-grpc", daemon=True).start()

    def stop(self, grace_seconds: float) -> None:
        """Take no more calls, and end those that are not answered in time. Stopping twice is stopping once."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._expected_events += 1
                self._server.shutdown(self._queue, self._count_event)
        if not self._ended.wait(grace_seconds):
            self._server.cancel_all_calls()
            self._ended.wait(grace_seconds)

    def _serve(self) -> None:
        self._ask()
        while not (self._stopping and not self._expected_events):
            event = self._queue.poll()
            try:
                event.tag(event)
            except Exception:  # noqa: BLE001 - what is wrong with one call must not end the others
                _log.exception("an event of a call could not be handled")
            event = None  # a call that an event keeps alive would keep the queue from its end
        self._server.destroy()
        self._ended.set()

    def _ask(self) -> None:
        """Ask for the next call, where there is room for one."""
        with self._lock:
            if self._asked or self._stopping or self._open_calls >= OPEN_CALLS:
                return
            self._asked = True
            self._expected_events += 1
            self._server.request_call(self._queue, self._queue, self._begin)

    def _count_event(self, _: Any) -> None:
        with self._lock:
            self._expected_events -= 1

    def _begin(self, event: Any) -> None:
        """Take a call: ask for its message and for its end."""
        self._asked = False
        self._count_event(event)
        if not event.success:
            return
        call = event.call
        with self._lock:
            self._open_calls += 1
            self._expected_events += 3
        self._ask()
        call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._count_event)
        if event.call_details.method == self._method:
            call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), partial(self._receive, call))
        else:
            self._count_event(event)
            self._answer(call, Answer(grpc.StatusCode.UNIMPLEMENTED, "this server knows one method only"))

    def _receive(self, call: Any, event: Any) -> None:
        self._count_event(event)
        message = event.batch_operations[0].message()
        if message is None:
            self._answer(call, Answer(grpc.StatusCode.CANCELLED, "the call ended before its message"))
            return
        try:
            self._take(message, partial(self._answer, call))
        except Exception:  # noqa: BLE001 - a call without an answer would keep its place for ever
            _log.exception("a call could not be served")
            self._answer(call, Answer(grpc.StatusCode.UNAVAILABLE, "the call could not be served"))

    def _answer(self, call: Any, answer: Answer) -> None:
        operations = [
            cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
            cygrpc.SendStatusFromServerOperation(
                answer.metadata, answer.status.value[0], answer.details.encode(), _NO_FLAGS
            ),
        ]
        if answer.status is grpc.StatusCode.OK:
            operations.append(cygrpc.SendMessageOperation(b"", _NO_FLAGS))
        call.start_server_batch(operations, self._end)

    def _end(self, event: Any) -> None:
        self._count_event(event)
        with self._lock:
            self._open_calls -= 1
        self._ask()
