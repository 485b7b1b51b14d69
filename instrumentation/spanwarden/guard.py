"""Keep our mistakes away from the user's code: what catches, logs once and counts; what detaches safely."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

_logger = logging.getLogger("spanwarden")


@dataclass(slots=True)
class Counts:
    """What was lost or dropped since the start, for `SpanwardenInstrumentor().counts`.

    `faults` are errors of our own that were caught, `calls_evicted` tool calls whose result came too late or
    never, `joins_evicted` answers and call ids that were forgotten to stay within bounds, `roots_evicted` runs
    whose span was ended early for the same reason, `roots_idle` runs that were ended because nothing more came,
    `contents_truncated` attributes that were cut.
    """

    faults: int = 0
    calls_evicted: int = 0
    joins_evicted: int = 0
    roots_evicted: int = 0
    roots_idle: int = 0
    contents_truncated: int = 0
    _logged: set[str] = field(default_factory=set, repr=False)

    def note_fault(self, place: str, error: Exception) -> None:
        """Count an error of our own, and log the first one of each place."""
        self.faults += 1
        if place in self._logged:
            return
        self._logged.add(place)
        _logger.warning("spanwarden could not record a step (%s); the call itself is unaffected", place, exc_info=error)


class Counted(Protocol):
    """Something that counts its faults."""

    counts: Counts


P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Counted)


def guarded(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | None]:
    """Turn an exception inside `method` into `None`, a count, and one log line."""

    @functools.wraps(method)
    def safe(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours and not the caller's
            self.counts.note_fault(method.__qualname__, error)
            return None

    return safe


_attached: ContextVar[object] = ContextVar("spanwarden.attached", default=None)


class Attachment:
    """A context that is current until `release`.

    A coroutine or generator that is abandoned is closed in another context than it ran in, where OpenTelemetry's
    `detach` can only log an error. A context variable of our own tells first which of the two it is.
    """

    __slots__ = ("_own", "_theirs", "holder")

    def __init__(self, context: Context, holder: object = None) -> None:
        self.holder = holder
        self._own: Token[object] = _attached.set(self)
        self._theirs = otel_context.attach(context)

    def release(self) -> None:
        """Make the earlier context current again, where that is still possible."""
        self.holder = None  # it holds this: a cycle would keep a call's content until the next collection
        try:
            _attached.reset(self._own)
        except (ValueError, RuntimeError):
            return
        otel_context.detach(self._theirs)


def holder() -> object:
    """What the innermost attachment here is of."""
    attachment = _attached.get()
    return attachment.holder if isinstance(attachment, Attachment) else None
