"""A local web socket that plays given events: for each event of the client's that asks for it, the next ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Event = dict[str, Any]


@dataclass
class ScriptedSocket:
    """The server's address, and the events that it got."""

    url: str
    events: list[Event] = field(default_factory=list)


@contextmanager
def scripted_socket(*answers: Sequence[Event], greeting: Sequence[Event] = ()) -> Iterator[ScriptedSocket]:
    """Greet each connection, and give the next answer to each `response.create`, until the block ends.

    A script that is over closes the connection.
    """
    left = list(answers)

    def handle(connection: ServerConnection) -> None:
        try:
            _send(connection, greeting)
            for text in connection:
                event = json.loads(text)
                socket.events.append(event)
                if event["type"] == "response.create":
                    if not left:
                        return
                    _send(connection, left.pop(0))
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0) as server:
        socket = ScriptedSocket(f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield socket
        finally:
            server.shutdown()
            thread.join()


def _send(connection: ServerConnection, events: Sequence[Event]) -> None:
    for event in events:
        connection.send(json.dumps(event))
