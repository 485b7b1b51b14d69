"""Tool spans that somebody else makes, a framework say: such a tool call is not inferred again."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from spanwarden import names
from spanwarden.guard import guarded
from spanwarden.sessions import Sessions


class ForeignTools(SpanProcessor):
    """Looks at the spans of one provider as they end. It follows the newest sessions, or none."""

    def __init__(self, sessions: Sessions) -> None:
        self.counts = sessions.counts
        self.sessions: Sessions | None = sessions

    def on_end(self, span: ReadableSpan) -> None:
        """Take note of a tool call by its id."""
        scope = span.instrumentation_scope
        if self.sessions is not None and (scope is None or scope.name != names.SCOPE):
            self._look_at(self.sessions, span)

    @guarded
    def _look_at(self, sessions: Sessions, span: ReadableSpan) -> None:
        attributes = span.attributes or {}
        call_id = attributes.get(names.TOOL_CALL_ID)
        if isinstance(call_id, str) and attributes.get(names.OPERATION) == "execute_tool":
            sessions.carried_out(call_id)


class ForeignSpans:
    """The spans of others, on whatever provider they are: one processor each, which no provider gives back."""

    def __init__(self) -> None:
        self._processors: WeakKeyDictionary[Any, ForeignTools] = WeakKeyDictionary()
        self._present: ForeignTools | None = None

    def watch(self, provider: Any, sessions: Sessions) -> None:
        """Follow a provider of the OpenTelemetry SDK; any other tells nothing of its spans."""
        add = getattr(provider, "add_span_processor", None)
        if add is None:
            return
        known = self._processors.get(provider)
        if known is None:
            known = self._processors[provider] = ForeignTools(sessions)
            add(known)
        known.counts, known.sessions = sessions.counts, sessions
        self._present = known

    def stop(self) -> None:
        """Look at nothing any more."""
        if self._present is not None:
            self._present.sessions = None
            self._present = None
