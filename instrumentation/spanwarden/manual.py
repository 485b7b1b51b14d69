"""Steps that a program announces itself: its tools, its runs, and reasoning that it came by."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from spanwarden.announced import ToolRun
from spanwarden.instrumentor import SpanwardenInstrumentor
from spanwarden.reasoning import ReasoningKind
from spanwarden.runs import Run

F = TypeVar("F", bound=Callable[..., Any])


class ToolCall:
    """One execution of a tool: `with spanwarden.tool("search", {"query": query}) as call: call.result = …`.

    As a decorator, `@spanwarden.tool("search")`, it names the tool otherwise than the function. An object serves
    one `with` block.
    """

    def __init__(self, name: str, arguments: Any = None, call_id: str | None = None) -> None:
        self.result: Any = None
        self._name = name
        self._arguments = arguments
        self._call_id = call_id
        self._run: ToolRun | None = None

    def __enter__(self) -> Self:
        self._run = SpanwardenInstrumentor().recorder.announced.begin_tool(self._name, self._arguments, self._call_id)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            SpanwardenInstrumentor().recorder.announced.end_tool(self._run, self.result, error)
            self._run = None

    def __call__(self, function: F) -> F:
        return _traced(function, self._name)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(name: str, /, arguments: Any = None, *, call_id: str | None = None) -> ToolCall: ...
def tool(function: Callable[..., Any] | str, /, arguments: Any = None, *, call_id: str | None = None) -> Any:
    """Record a tool of your own as it runs, instead of having it inferred from the next request.

    As decorator (`@tool`, or `@tool("name")`) of a function or coroutine function, and as context manager
    (`with tool("name", arguments, call_id=call.id) as call`). `call_id` ties it to the model's call without doubt;
    otherwise the call is known by its name and arguments. Errors pass through unchanged.
    """
    if isinstance(function, str):
        return ToolCall(function, arguments, call_id)
    return _traced(function, function.__name__)


def _traced(function: F, name: str) -> F:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with ToolCall(name, _bound(signature, args, kwargs)) as call:
            call.result = function(*args, **kwargs)
        return call.result

    @functools.wraps(function)
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        with ToolCall(name, _bound(signature, args, kwargs)) as call:
            call.result = await function(*args, **kwargs)
        return call.result

    traced: Any = run_async if inspect.iscoroutinefunction(function) else run
    return traced  # type: ignore[no-any-return]


def _bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any] | None:
    """Arguments by name, without `self`; nothing where they do not fit, which the call itself will say."""
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None
    return {name: value for name, value in bound.items() if name not in ("self", "cls")}


class AgentRun:
    """The block that `agent` opens."""

    def __init__(self, name: str | None, conversation_id: str | None) -> None:
        self._name = name
        self._conversation_id = conversation_id
        self._run: Run | None = None

    def __enter__(self) -> Self:
        self._run = SpanwardenInstrumentor().recorder.announced.begin_run(self._name, self._conversation_id)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            SpanwardenInstrumentor().recorder.announced.end_run(self._run, error)
            self._run = None


def agent(name: str | None = None, *, conversation_id: str | None = None) -> AgentRun:
    """Record one run of an agent: `with spanwarden.agent("coder"):` around the loop, in sync and async code.

    All steps inside are one session. `conversation_id` joins runs of one conversation across processes.
    """
    return AgentRun(name, conversation_id)


def reasoning(text: str, *, kind: ReasoningKind = "raw") -> None:
    """Record reasoning that the client does not show, such as what a program cut out of `<think>` tags, as a step."""
    SpanwardenInstrumentor().recorder.announced.reasoning(text, kind)
