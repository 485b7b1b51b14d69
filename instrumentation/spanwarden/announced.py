"""Steps that a program announces -> spans: its tools as they run, its runs, reasoning that it came by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanwarden import names
from spanwarden.encode import sendable
from spanwarden.gathering import Interval
from spanwarden.guard import Attachment, Counts, recording
from spanwarden.metrics import Metrics
from spanwarden.reasoning import ReasoningKind, Thought
from spanwarden.runs import Run, run_in
from spanwarden.session import Session
from spanwarden.sessions import Sessions
from spanwarden.spans import Attributes, Spans


@dataclass(slots=True, eq=False)
class ToolRun:
    """A tool at work."""

    span: Span
    attachment: Attachment
    name: str
    agent: str | None
    started_ns: int


class Announced:
    """Follows what the program says of itself. No public method raises."""

    def __init__(self, spans: Spans, sessions: Sessions, metrics: Metrics, counts: Counts) -> None:
        self.counts = counts
        self._metrics = metrics
        self._spans = spans
        self._sessions = sessions

    @recording
    def begin_tool(self, name: str, arguments: Any, call_id: str | None) -> ToolRun:
        """Open the span of a tool and make it current."""
        started_ns = time.time_ns()
        context = otel_context.get_current()
        run = run_in(context)
        if run is not None:
            run.totals.tool_calls += 1
        within = self._at_hand(context)
        call, asked = self._sessions.claim(name, arguments, call_id, within) or (None, None)
        session = call.session if call is not None else self._session(run, context)
        span = self._spans.start_tool(sendable(name), _parent(session, context), started_ns)
        if span.is_recording():
            attributes: Attributes = {}
            if run is not None and run.name:
                attributes[names.AGENT_NAME] = run.name
            if call is None:
                attributes.update(self._spans.tool_content(names.TOOL_CALL_ARGUMENTS, arguments))
                if call_id is not None:
                    attributes[names.TOOL_CALL_ID] = sendable(call_id)
            self._spans.describe_tool(attributes, session, call, asked)
            span.set_attributes(attributes)
        attachment = Attachment(trace.set_span_in_context(span, context))
        return ToolRun(span, attachment, sendable(name), run.name if run is not None else None, started_ns)

    @recording
    def end_tool(self, tool: ToolRun, result: Any, error: BaseException | None) -> None:
        """Close the span of a tool."""
        ended_ns = time.time_ns()
        tool.attachment.release()
        if tool.span.is_recording():
            if error is not None:
                self._spans.fail(tool.span, error)
            else:
                tool.span.set_attributes(self._spans.tool_content(names.TOOL_CALL_RESULT, result))
        self.counts.end_span(tool.span, ended_ns)
        self._metrics.tool(tool.name, tool.agent, ended_ns - tool.started_ns, _error_type(error))

    @recording
    def begin_run(self, name: str | None, conversation_id: str | None) -> Run:
        """Open the span of an agent's run and make it current."""
        name = sendable(name) if name else None
        conversation_id = sendable(conversation_id) if conversation_id else None
        session = self._sessions.named(conversation_id) if conversation_id else None
        if session is not None:
            session.conversation_id = conversation_id
        started_ns = time.time_ns()
        run = Run(self._spans.start_run(name, conversation_id, started_ns), name, session, started_ns)
        run.attach()
        return run

    @recording
    def end_run(self, run: Run, error: BaseException | None) -> None:
        """Close the span of an agent's run."""
        ended_ns = time.time_ns()
        if run.attachment is not None:
            run.attachment.release()
        if run.span.is_recording():
            session = run.session or self._sessions.start()
            run.span.set_attributes({names.SESSION_ID: session.id, **run.totals.attributes()})
            if error is not None:
                self._spans.fail(run.span, error)
        self.counts.end_span(run.span, ended_ns)
        self._metrics.run(run.name, ended_ns - run.started_ns, _error_type(error), run.totals)

    @recording
    def reasoning(self, text: str, kind: ReasoningKind) -> None:
        """Record reasoning, at this moment."""
        now_ns = time.time_ns()
        context = otel_context.get_current()
        session = self._session(run_in(context), context)
        interval = Interval(now_ns, now_ns)
        self._spans.reasoning(session, Thought(text, kind), _parent(session, context), interval, inferred=False)

    def _session(self, run: Run | None, context: Context) -> Session:
        """The session of the block around the step, else the one at hand, else a new one."""
        session = (run.session if run is not None else self._at_hand(context)) or self._sessions.start()
        if run is not None and run.session is None:
            run.session = session
        return session

    def _at_hand(self, context: Context) -> Session | None:
        """The session this thread or task last spoke in, unless it has since turned to another trace."""
        session = self._sessions.here()
        current = trace.get_current_span(context).get_span_context()
        if session is None or session.last is None or not current.is_valid:
            return session
        return session if session.last.trace_id == current.trace_id else None


def _error_type(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__qualname__


def _parent(session: Session, context: Context) -> Context:
    """Under the current span if there is one, else under the run that the session is in."""
    if trace.get_current_span(context).get_span_context().is_valid or session.turn is None:
        return context
    return trace.set_span_in_context(session.turn.root, context)
