"""Work handed to a thread pool keeps the context of whoever handed it over, where that is asked for."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import wrapt

VARIABLE: Final = "SPANWARDEN_EXECUTOR_CONTEXT"
"""`true`: model calls in worker threads are under the span that was current where the work was handed over."""


def carry_context(environment: Mapping[str, str]) -> list[Callable[[], None]]:
    """Wrap `ThreadPoolExecutor.submit`, which `run_in_executor` uses too; return what takes the wrapper off again."""
    if environment.get(VARIABLE, "").strip().lower() != "true":
        return []
    original = ThreadPoolExecutor.submit

    def submit(wrapped: Callable[..., Any], _pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args:
            return wrapped(*args, **kwargs)
        return wrapped(contextvars.copy_context().run, *args, **kwargs)

    ThreadPoolExecutor.submit = wrapt.FunctionWrapper(original, submit)  # type: ignore[method-assign,assignment]

    def restore() -> None:
        ThreadPoolExecutor.submit = original  # type: ignore[method-assign]

    return [restore]
