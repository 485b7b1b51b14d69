"""Keep our mistakes away from the user's code: what catches, logs once and counts; what detaches safely."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span

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
        with contextlib.suppress(Exception):  # a filter of the program's may fail, or the stack be nearly full
            _logger.warning(
                "spanwarden could not record a step (%s); the call itself is unaffected", place, exc_info=error
            )

    def end_span(self, span: Span, ended_ns: int) -> None:
        """End a span, whatever the span processors of the program do."""
        try:
            span.end(ended_ns)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the caller's
            self.note_fault("Span.end", error)


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


_recording: ContextVar[bool] = ContextVar("spanwarden.recording", default=False)


is_recording: Final[Callable[[], bool]] = _recording.get
"""Whether a step is being recorded just now, so that whoever asks is code which recording called."""


def recording(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R | None]:
    """Guard `method`, and let what samplers, span processors and policies do inside of it pass unrecorded.

    One that asks a model would be called for what it asks, without end.
    """

    @functools.wraps(method)
    def safe(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        token = _recording.set(True)
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours and not the caller's
            self.counts.note_fault(method.__qualname__, error)
            return None
        finally:
            _recording.reset(token)

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
