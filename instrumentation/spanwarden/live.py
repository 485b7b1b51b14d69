"""Events of a web socket, as they pass, -> the model calls that they are: the Realtime API, and Responses by socket."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from spanwarden.apis import REALTIME, RESPONSES, Api
from spanwarden.calls import Calls
from spanwarden.client import Unwrap, wrap_present
from spanwarden.encode import fields_of, items_in
from spanwarden.guard import guarded
from spanwarden.history import print_of
from spanwarden.streams import Ending, Following, and_then, and_then_async

ITEMS_LIMIT: Final = 1_024
"""Items of a live conversation that are kept, the newest; the server keeps all of them."""
ITEMS_CHARACTERS_LIMIT: Final = 16 * 1024 * 1024
"""Characters of these items together, about."""
OPEN_LIMIT: Final = 64
"""Responses of one connection that were asked for and have not begun; as many may be on their way."""


class LiveTarget(NamedTuple):
    """The two classes that open connections, and what is spoken on these."""

    module: str
    owner: str
    api: Api


TARGETS: Final = (
    LiveTarget("openai.resources.realtime.realtime", "RealtimeConnectionManager", REALTIME),
    LiveTarget("openai.resources.beta.realtime.realtime", "RealtimeConnectionManager", REALTIME),
    LiveTarget("openai.resources.responses.responses", "ResponsesConnectionManager", RESPONSES),
)


class _Item(NamedTuple):
    """An item of a conversation, and about how many characters it has."""

    item: Any
    characters: int


class LiveCalls:
    """The model calls of one connection. No method raises; events come from any thread."""

    def __init__(self, calls: Calls, api: Api, client: Any, model: Any) -> None:
        self.counts = calls.counts
        self._calls = calls
        self._api = api
        self._resource = SimpleNamespace(_client=client)
        self._settings: dict[str, Any] = {"model": model}
        self._conversation = os.urandom(16).hex()
        self._items: list[_Item] = []
        self._characters = 0
        self._waiting: deque[Following] = deque()
        self._open: dict[str, Following] = {}

    @guarded
    def sent(self, event: Any) -> None:
        """Note an event of the program."""
        fields = fields_of(event)
        match fields.get("type"):
            case "session.update":
                self._settings.update(_given(fields_of(fields.get("session"))))
            case "conversation.item.create":
                self._keep(fields.get("item"))
            case "response.create":
                self._begin(fields)

    @guarded
    def received(self, event: Any) -> None:
        """Note an event of the server."""
        fields = fields_of(event)
        match fields.get("type"):
            case "session.created" | "session.updated":
                self._settings.update(_given(fields_of(fields.get("session"))))
            case "conversation.item.created" | "conversation.item.added" | "conversation.item.done":
                self._keep(fields.get("item"))
            case "conversation.item.input_audio_transcription.completed":
                self._keep(_transcribed(fields))
            case "error":
                self._fail(event)
            case str() as kind if kind.startswith("response."):
                self._follow(kind, fields, event)

    def closed(self) -> None:
        """End what is open."""
        while self._waiting:
            self._waiting.popleft().finish(broken_off=True)
        while self._open:
            self._open.popitem()[1].finish(broken_off=True)

    def __del__(self) -> None:
        for following in (*self._waiting, *self._open.values()):
            self._calls.streams.abandoned(following)

    def _keep(self, item: Any) -> None:
        """Add an item; the server sends those of the program once more, with an id, and its own more than once."""
        fields = fields_of(item)
        kept = _Item(item, print_of(item).characters)
        self._characters += kept.characters
        for index in range(len(self._items) - 1, -1, -1):
            known = self._items[index]
            if _is_same(fields_of(known.item), fields):
                self._characters -= known.characters
                self._items[index] = kept
                return
        self._items.append(kept)
        while len(self._items) > ITEMS_LIMIT or (self._characters > ITEMS_CHARACTERS_LIMIT and len(self._items) > 1):
            self._characters -= self._items.pop(0).characters

    def _begin(self, event: Mapping[str, Any]) -> None:
        call = self._calls.begin(self._api, self._resource, self._arguments(event))
        if call is None:
            return
        if call.attachment is not None:
            call.attachment.release()

        def end(ending: Ending) -> None:
            self._calls.end_stream(call, ending)

        following = Following(self._api.gather(), end, self.counts, measured=self._calls.measures)
        self._calls.streams.keep(following)
        self._waiting.append(following)
        if len(self._waiting) > OPEN_LIMIT:
            self._waiting.popleft().finish(broken_off=True)

    def _arguments(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the request would be if it did not go by socket."""
        if self._api is not REALTIME:
            return {**self._settings, **_given(event), "stream": True}
        wanted = _given(fields_of(event.get("response")))
        live = {"input": [kept.item for kept in self._items], "stream": True, "connection": self._conversation}
        return {**self._settings, **live, **wanted}

    def _follow(self, kind: str, fields: Mapping[str, Any], event: Any) -> None:
        response = fields_of(fields.get("response"))
        if kind == "response.created":
            if not self._waiting:  # the server began by itself: somebody has spoken
                self._begin({})
            if self._waiting and len(self._open) < OPEN_LIMIT:
                self._open[str(response.get("id"))] = self._waiting.popleft()
        response_id = str(response.get("id") or fields.get("response_id") or next(iter(self._open), ""))
        following = self._open.get(response_id)
        if following is None:
            return
        following.add(event)
        if following.gathering.ended:
            del self._open[response_id]
            following.finish()
            for item in items_in(response.get("output")):
                self._keep(item)

    def _fail(self, event: Any) -> None:
        """An error ends what was asked for last, or the only response on its way; others are only warnings."""
        following: Following | None = None
        if self._waiting:
            following = self._waiting.popleft()
        elif len(self._open) == 1 and self._api is not REALTIME:
            following = self._open.popitem()[1]
        if following is not None:
            following.add(event)
            following.finish(broken_off=True)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None and key != "type"}


def _is_same(known: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether an item is one that is known: by its id, or as what the program sent before it had one."""
    if known.get("id") is not None:
        return bool(known["id"] == item.get("id"))
    return item.get("id") is not None and all(known.get(key) == item.get(key) for key in ("type", "role", "call_id"))


def _transcribed(event: Mapping[str, Any]) -> dict[str, Any]:
    content = [{"type": "input_audio", "transcript": event.get("transcript")}]
    return {"id": event.get("item_id"), "type": "message", "role": "user", "content": content}


def wrap(calls: Calls, target: LiveTarget, module: Any) -> list[Unwrap]:
    """Follow the connections that a target's classes open; return what takes the wrappers off again."""
    opened = (
        (target.owner, ("__enter__", "enter"), _opening(calls, target.api)),
        (f"Async{target.owner}", ("__aenter__", "enter"), _opening_async(calls, target.api)),
    )
    return [
        unwrap
        for owner, methods, opening in opened
        for method in methods
        for unwrap in wrap_present(module, owner, method, opening)
    ]


def _opening(calls: Calls, api: Api) -> Callable[..., Any]:
    def opening(wrapped: Callable[..., Any], manager: Any, args: Any, kwargs: Any) -> Any:
        connection = wrapped(*args, **kwargs)
        _Connections(calls, api).follow(manager, connection, and_then)
        return connection

    return opening


def _opening_async(calls: Calls, api: Api) -> Callable[..., Any]:
    async def opening(wrapped: Callable[..., Any], manager: Any, args: Any, kwargs: Any) -> Any:
        connection = await wrapped(*args, **kwargs)
        _Connections(calls, api).follow(manager, connection, and_then_async)
        return connection

    return opening


class _Connections:
    """Puts what follows events around three methods of a connection, which stays the client's own object."""

    def __init__(self, calls: Calls, api: Api) -> None:
        self.counts = calls.counts
        self._calls = calls
        self._api = api

    @guarded
    def follow(self, manager: Any, connection: Any, closing: Callable[..., Any]) -> None:
        """Follow a connection from now on."""
        private = {name.rpartition("__")[2]: value for name, value in vars(manager).items()}
        live = LiveCalls(self._calls, self._api, private["client"], private.get("model"))
        send, parse = connection.send, connection.parse_event

        def send_noted(event: Any) -> Any:
            live.sent(event)
            return send(event)

        def parse_noted(data: Any) -> Any:
            event = parse(data)
            live.received(event)
            return event

        connection.send, connection.parse_event = send_noted, parse_noted
        connection.close = closing(connection.close, live.closed)
