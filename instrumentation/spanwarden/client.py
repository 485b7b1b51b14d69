"""The `openai` client's methods, sync and async -> what follows model calls."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import Any, Final, NamedTuple

import wrapt

from spanwarden.answers import ModelCall
from spanwarden.apis import CHAT, EMBEDDINGS, FETCH_RESPONSE, RESPONSES, TEXT_COMPLETION, Api
from spanwarden.bodies import BodyGathering, copy_body
from spanwarden.calls import Calls, UnsampledCall
from spanwarden.gathering import Gathering
from spanwarden.guard import guarded
from spanwarden.request import is_read_once
from spanwarden.streams import Ending, Following

Method = Callable[..., Any]
Unwrap = Callable[[], None]
Enrich = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Call = ModelCall | UnsampledCall


class _BoundMethod(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # not generic before wrapt 2
    """A wrapped method that copies and pickles as the plain one does, which wrapt leaves to its users."""

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        resource = self._self_instance
        return self if resource is None else getattr(copy.deepcopy(resource, memo), self.__name__)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        owner, _, name = self.__qualname__.rpartition(".")
        resource = self._self_instance
        return getattr, (getattr(sys.modules[self.__module__], owner) if resource is None else resource, name)


class _Method(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # not generic before wrapt 2
    __bound_function_wrapper__ = _BoundMethod


class Target(NamedTuple):
    """Methods of the two classes of a resource, the API that they speak, and the argument that may have no name."""

    module: str
    owner: str
    methods: tuple[str, ...]
    api: Api
    positional: str = "response_id"


TARGETS: Final = (
    Target("openai.resources.chat.completions", "Completions", ("create", "parse"), CHAT),
    Target("openai.resources.beta.chat.completions", "Completions", ("parse",), CHAT),
    Target("openai.resources.responses.responses", "Responses", ("create", "parse"), RESPONSES),
    Target("openai.resources.responses.responses", "Responses", ("retrieve",), FETCH_RESPONSE),
    Target("openai.resources.completions", "Completions", ("create",), TEXT_COMPLETION),
    Target("openai.resources.embeddings", "Embeddings", ("create",), EMBEDDINGS),
)
"""Modules whose import brings the classes that are wrapped. What a version of the client lacks is passed over."""
_READ_TWICE: Final = ("messages", "tools", "input", "tool_outputs", "additional_messages")
"""Arguments that may be iterables of one use."""
_NO_STATE: Final[Mapping[str, Any]] = {}
TRANSPORT: Final = "openai._base_client"
"""Where the client turns an HTTP response into an answer, which shows retries and request ids."""


def wrap(calls: Calls, target: Target, module: Any, enrich: Enrich | None = None) -> list[Unwrap]:
    """Wrap a target's methods of both classes; return what takes the wrappers off again.

    `enrich` adds to the arguments what else is known of a request.
    """
    recording = Recording(calls, target.api, target.positional, enrich)
    return [
        unwrap
        for method in target.methods
        for owner, wrapper in (
            (target.owner, sync_method(recording)),
            (f"Async{target.owner}", async_method(recording)),
        )
        for unwrap in wrap_present(module, owner, method, wrapper)
    ]


def wrap_present(module: Any, owner: str, method: str, wrapper: Method) -> list[Unwrap]:
    """Wrap a method of a module's class, if this version of the client has it."""
    cls = getattr(module, owner, None)
    return [_wrap_innermost(cls, method, wrapper)] if cls is not None and method in cls.__dict__ else []


def wrap_transport(calls: Calls, module: Any) -> list[Unwrap]:
    """Look at HTTP responses as the client does. Where a version has no such method, nothing is seen of them."""

    def process(wrapped: Method, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        calls.seen_response(kwargs.get("response"), kwargs.get("retries_taken") or 0)
        return wrapped(*args, **kwargs)

    owners = [getattr(module, name, None) for name in ("SyncAPIClient", "AsyncAPIClient")]
    return [
        _wrap_innermost(owner, "_process_response", process)
        for owner in owners
        if owner is not None and "_process_response" in owner.__dict__
    ]


def _wrap_innermost(owner: type, method: str, wrapper: Method) -> Unwrap:
    """Wrap a method inside of any wrapper that is already there, so that a span which that one opens is seen."""
    outer: Any = None
    inner = owner.__dict__[method]
    while isinstance(inner, wrapt.FunctionWrapper):
        outer, inner = inner, inner.__wrapped__
    ours = _Method(inner, wrapper)
    if outer is None:
        setattr(owner, method, ours)
    else:
        outer.__wrapped__ = ours

    def unwrap() -> None:
        _replace(owner, method, ours, inner)

    return unwrap


def _replace(owner: type, method: str, ours: Any, inner: Any) -> None:
    """Take our wrapper out of the chain, wherever it stands in it by now.

    Others may have put it out of reach: OpenTelemetry's `unwrap` leaves a bound copy of what it finds inside.
    """
    outer: Any = None
    present = owner.__dict__[method]
    while present is not ours and isinstance(present, wrapt.FunctionWrapper):
        outer, present = present, present.__wrapped__
    if present is not ours:
        return
    if outer is None:
        setattr(owner, method, inner)
    else:
        outer.__wrapped__ = inner


class Recording:
    """Records the calls of one API."""

    def __init__(self, calls: Calls, api: Api, positional: str, enrich: Enrich | None = None) -> None:
        self.counts = calls.counts
        self._calls = calls
        self._api = api
        self._positional = positional
        self._enrich = enrich

    def begin(self, resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Open a call."""
        arguments: Mapping[str, Any] = {self._positional: args[0], **kwargs} if args else kwargs
        if self._enrich is not None:
            arguments = self._enrich(arguments)
        return self._calls.begin(self._api, resource, arguments)

    def fail(self, call: Call, error: BaseException) -> None:
        """Close a call that raised."""
        if call.attachment is not None:
            call.attachment.release()
        self._calls.fail(call, error)

    def end(self, call: Call, response: Any) -> None:
        """Close a call, now or once its answer has been read."""
        if call.attachment is not None:
            call.attachment.release()
        state: Mapping[str, Any] = getattr(response, "__dict__", _NO_STATE)  # a model's own look-up is slow
        if "_iterator" in state:
            followed = self._follow_stream(call, response)
        elif state.get("http_response") is not None:
            followed = self._follow_raw(call, state["http_response"])
        else:
            followed = False
        if not followed:
            self._calls.end(call, response)

    @guarded
    def _follow_stream(self, call: Call, stream: Any) -> bool:
        gathering = self._api.gather()
        self._calls.streams.follow(stream, self._following(call, gathering))
        return True

    @guarded
    def _follow_raw(self, call: Call, http: Any) -> bool:
        """A raw response: read already, or copied while the program reads it."""
        body = BodyGathering(http, self._api.gather)
        following = self._following(call, body)
        streams = self._calls.streams
        if http.is_stream_consumed:
            body.read(http.content)
            following.finish()
        elif copy_body(http, following, streams.abandoned):
            streams.keep(following)
        else:
            following.finish(broken_off=True)
        return True

    def _following(self, call: Call, gathering: Gathering) -> Following:
        def end(ending: Ending) -> None:
            self._calls.end_stream(call, ending)

        return Following(gathering, end, self.counts, measured=self._calls.measures)


def _has_read_once(kwargs: Mapping[str, Any]) -> bool:
    """Whether arguments are there that are used up by reading them."""
    for name in _READ_TWICE:
        value = kwargs.get(name)
        if value is not None and type(value) is not list and is_read_once(value):
            return True
    return False


def _read(kwargs: dict[str, Any]) -> None:
    """Read such arguments once, for the request and for us; what they raise passes."""
    for name in _READ_TWICE:
        if name in kwargs and type(kwargs[name]) is not list and is_read_once(kwargs[name]):
            kwargs[name] = list(kwargs[name])


def sync_method(recording: Recording) -> Method:
    def method(wrapped: Method, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _read(kwargs)
        call = recording.begin(instance, args, kwargs)
        if call is None:
            return wrapped(*args, **kwargs)
        try:
            response = wrapped(*args, **kwargs)
        except BaseException as error:
            recording.fail(call, error)
            raise
        recording.end(call, response)
        return response

    return method


class _Given:
    """What an asynchronous method gave. Closed with it: if ours is never awaited, neither is the client's own."""

    __slots__ = ("awaitable",)

    def __init__(self, awaitable: Any) -> None:
        self.awaitable = awaitable

    def __del__(self) -> None:
        if type(self.awaitable) is CoroutineType:
            self.awaitable.close()


def async_method(recording: Recording) -> Method:
    async def follow(given: _Given, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = recording.begin(instance, args, kwargs)
        if call is None:
            return await given.awaitable
        try:
            response = await given.awaitable
        except BaseException as error:
            recording.fail(call, error)
            raise
        recording.end(call, response)
        return response

    async def read_and_follow(wrapped: Method, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _read(kwargs)
        return await follow(_Given(wrapped(*args, **kwargs)), instance, args, kwargs)

    def method(wrapped: Method, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrong arguments are refused now and not when somebody awaits; an iterable of one use is read only then."""
        if _has_read_once(kwargs):
            return read_and_follow(wrapped, instance, args, kwargs)
        given = _Given(wrapped(*args, **kwargs))
        coroutine: Any = follow(given, instance, args, kwargs)
        if type(given.awaitable) is CoroutineType:
            coroutine.__name__, coroutine.__qualname__ = given.awaitable.__name__, given.awaitable.__qualname__
        return coroutine

    return method
