"""The methods of the Assistants API -> what follows model calls; what a program says on a thread waits for its run."""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from spanwarden.assistants import FETCH_MESSAGES, FETCH_RUN, RUN
from spanwarden.calls import Calls
from spanwarden.client import Method, Recording, Target, Unwrap, async_method, sync_method, wrap, wrap_present
from spanwarden.encode import fields_of
from spanwarden.guard import Counts, guarded
from spanwarden.history import print_of

MESSAGES_LIMIT: Final = 1_024
"""Messages on all threads that no run has seen yet and that are kept, the newest."""
CHARACTERS_LIMIT: Final = 16 * 1024 * 1024
"""Characters of these messages together, about."""

_RESOURCES: Final = "openai.resources.beta.threads"
_RUNS: Final = f"{_RESOURCES}.runs.runs"
_THREADS: Final = f"{_RESOURCES}.threads"
_MESSAGES: Final = f"{_RESOURCES}.messages"
_TARGETS: Final = (
    Target(_RUNS, "Runs", ("create",), RUN, "thread_id"),
    Target(_RUNS, "Runs", ("submit_tool_outputs",), RUN, "run_id"),
    Target(_RUNS, "Runs", ("retrieve",), FETCH_RUN, "run_id"),
    Target(_THREADS, "Threads", ("create_and_run",), RUN),
)
"""What starts runs, sends them on, or asks how they are."""
_HELPERS: Final = ("stream", "create_and_stream", "submit_tool_outputs_stream", "create_and_run_stream")
"""What gives a streamed run to a handler of the program; the request is made when the block is entered."""


class _Message(NamedTuple):
    """What was said on which thread, and about how many characters it has."""

    thread_id: str
    message: Any
    characters: int


class Said:
    """What was put on threads since their last runs, in bounds."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._waiting: deque[_Message] = deque()
        self._characters = 0

    @guarded
    def note(self, thread_id: Any, messages: Any) -> None:
        """Keep messages for the next run."""
        if not isinstance(thread_id, str) or not isinstance(messages, list | tuple):
            return
        for message in messages:
            self._waiting.append(_Message(thread_id, message, print_of(message).characters))
            self._characters += self._waiting[-1].characters
        while len(self._waiting) > MESSAGES_LIMIT or self._characters > CHARACTERS_LIMIT:
            self._characters -= self._waiting.popleft().characters

    def before(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a run, with what was said before it."""
        thread_id = arguments.get("thread_id")
        mine = [message for message in list(self._waiting) if message.thread_id == thread_id]
        for message in mine:
            self._characters -= message.characters
            with contextlib.suppress(ValueError):  # another thread was faster
                self._waiting.remove(message)
        return {**arguments, "before": [message.message for message in mine]} if mine else arguments


def wrappers(calls: Calls) -> list[tuple[str, Callable[[Any], list[Unwrap]]]]:
    """Modules, and what wraps their classes once they are imported."""
    said = Said(calls.counts)
    return [
        *((target.module, functools.partial(_wrap_runs, calls, said, target)) for target in _TARGETS),
        (_RUNS, functools.partial(_wrap_helpers, calls, said, "Runs")),
        (_THREADS, functools.partial(_wrap_helpers, calls, said, "Threads")),
        (_THREADS, functools.partial(_wrap_threads, said)),
        (_MESSAGES, functools.partial(_wrap_messages, calls, said)),
    ]


def _wrap_runs(calls: Calls, said: Said, target: Target, module: Any) -> list[Unwrap]:
    """Follow the runs of a target."""
    return wrap(calls, target, module, said.before if target.api is RUN else None)


def _wrap_helpers(calls: Calls, said: Said, owner: str, module: Any) -> list[Unwrap]:
    """Follow the runs that a class streams by its helpers."""
    recording = Recording(calls, RUN, "run_id", said.before)

    def ask(request: Any, resource: Any, kwargs: Mapping[str, Any]) -> Method:
        return lambda: sync_method(recording)(lambda **_: request(), resource, (), {**kwargs, "stream": True})

    def ask_async(request: Any, resource: Any, kwargs: Mapping[str, Any]) -> Any:
        return async_method(recording)(lambda **_: request, resource, (), {**kwargs, "stream": True})

    return [
        unwrap
        for name, asking in ((owner, ask), (f"Async{owner}", ask_async))
        for method in _HELPERS
        for unwrap in wrap_present(module, name, method, _managed(asking))
    ]


def _managed(asking: Callable[..., Any]) -> Method:
    """Put our request in the place of a stream manager's own."""

    def method(wrapped: Method, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        manager = wrapped(*args, **kwargs)
        for name, request in list(vars(manager).items()):
            if name.endswith("__api_request"):
                setattr(manager, name, asking(request, instance, kwargs))
        return manager

    return method


def _wrap_messages(calls: Calls, said: Said, module: Any) -> list[Unwrap]:
    """Note the messages that the program writes, and record those that it reads."""

    def note(args: tuple[Any, ...], kwargs: Mapping[str, Any], _message: Any) -> None:
        thread_id = args[0] if args else kwargs.get("thread_id")
        said.note(thread_id, [{key: kwargs.get(key) for key in ("role", "content")}])

    recording = Recording(calls, FETCH_MESSAGES, "thread_id")
    return [
        *wrap_present(module, "Messages", "list", sync_method(recording)),
        *wrap_present(module, "AsyncMessages", "list", _paginated(async_method(recording))),
        *wrap_present(module, "Messages", "create", _noting(note)),
        *wrap_present(module, "AsyncMessages", "create", _noting_async(note)),
    ]


def _wrap_threads(said: Said, module: Any) -> list[Unwrap]:
    """Note the messages that a thread begins with."""

    def note(_args: tuple[Any, ...], kwargs: Mapping[str, Any], thread: Any) -> None:
        said.note(fields_of(thread).get("id"), kwargs.get("messages"))

    return [
        *wrap_present(module, "Threads", "create", _noting(note)),
        *wrap_present(module, "AsyncThreads", "create", _noting_async(note)),
    ]


def _noting(note: Callable[..., None]) -> Method:
    def method(wrapped: Method, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        note(args, kwargs, result)
        return result

    return method


def _noting_async(note: Callable[..., None]) -> Method:
    async def method(wrapped: Method, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = await wrapped(*args, **kwargs)
        note(args, kwargs, result)
        return result

    return method


def _paginated(following: Method) -> Method:
    """Follow what gives pages: it is no coroutine, but asks when it is awaited or iterated over."""

    def method(wrapped: Method, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        paginator = wrapped(*args, **kwargs)
        ask = getattr(paginator, "_get_page", None)
        if ask is not None:
            paginator._get_page = lambda: following(lambda *_args, **_kwargs: ask(), instance, args, kwargs)
        return paginator

    return method
