"""The `openai` client's `chat.completions.create`, sync and async -> what follows model calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import wrapt

from spanwarden.chat import Chats
from spanwarden.request import reread

MODULE: Final = "openai.resources.chat.completions"
"""Whose import brings the classes that are wrapped, in every supported version of the client."""

Create = Callable[..., Any]


def wrap(module: Any, chats: Chats) -> Callable[[], None]:
    """Wrap both classes; return what takes the wrappers off again."""
    unwrappers = [
        _wrap_innermost(module.Completions, _sync_create(chats)),
        _wrap_innermost(module.AsyncCompletions, _async_create(chats)),
    ]

    def unwrap() -> None:
        chats.stop()
        for unwrapper in unwrappers:
            unwrapper()

    return unwrap


def _wrap_innermost(owner: type, wrapper: Create) -> Callable[[], None]:
    """Wrap `create` inside of any wrapper that is already there, so that a span which that one opens is seen."""
    outer: Any = None
    inner = owner.__dict__["create"]
    while isinstance(inner, wrapt.FunctionWrapper):
        outer, inner = inner, inner.__wrapped__
    ours = wrapt.FunctionWrapper(inner, wrapper)
    if outer is None:
        owner.create = ours  # type: ignore[attr-defined]
    else:
        outer.__wrapped__ = ours

    def unwrap() -> None:
        _replace(owner, ours, inner)

    return unwrap


def _replace(owner: type, ours: Any, inner: Any) -> None:
    """Take our wrapper out of the chain, wherever it stands in it by now.

    Others may have put it out of reach: OpenTelemetry's `unwrap` leaves a bound copy of what it finds inside.
    """
    outer: Any = None
    present = owner.__dict__["create"]
    while present is not ours and isinstance(present, wrapt.FunctionWrapper):
        outer, present = present, present.__wrapped__
    if present is not ours:
        return
    if outer is None:
        owner.create = inner  # type: ignore[attr-defined]
    else:
        outer.__wrapped__ = inner


def _sync_create(chats: Chats) -> Create:
    def create(wrapped: Create, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("stream"):
            return wrapped(*args, **kwargs)
        _make_rereadable(kwargs)
        call = chats.begin(instance, kwargs)
        if call is None:
            return wrapped(*args, **kwargs)
        try:
            response = wrapped(*args, **kwargs)
        except BaseException as error:
            chats.release(call)
            chats.fail(call, error)
            raise
        chats.release(call)
        chats.end(call, response)
        return response

    return create


def _async_create(chats: Chats) -> Create:
    async def create(wrapped: Create, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("stream"):
            return await wrapped(*args, **kwargs)
        _make_rereadable(kwargs)
        call = chats.begin(instance, kwargs)
        if call is None:
            return await wrapped(*args, **kwargs)
        try:
            response = await wrapped(*args, **kwargs)
        except BaseException as error:
            chats.release(call)
            chats.fail(call, error)
            raise
        chats.release(call)
        chats.end(call, response)
        return response

    return create


def _make_rereadable(kwargs: dict[str, Any]) -> None:
    """Read one-time iterables once, for the request and for us. What iterating raises is the caller's to see."""
    for name in ("messages", "tools"):
        if name in kwargs:
            kwargs[name] = reread(kwargs[name])
