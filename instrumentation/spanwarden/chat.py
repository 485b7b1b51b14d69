"""Model calls -> their spans: which session and run a call belongs to, what came back, what the program did between."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import Span

from spanwarden import names
from spanwarden.encode import fields_of
from spanwarden.guard import Attachment, Counts, guarded
from spanwarden.messages import Choice, choice_of, input_messages, output_message, tool_definitions
from spanwarden.request import Endpoints, answer_of, request_attributes, response_attributes, snapshot, start_attributes
from spanwarden.roots import OpenRoots, Turn
from spanwarden.runs import Run, run_in
from spanwarden.session import Session
from spanwarden.sessions import Sessions
from spanwarden.spans import Attributes, Interval, Spans
from spanwarden.unsampled import UnsampledRuns


@dataclass(slots=True, eq=False)
class ChatCall:
    """A model call on its way.

    `context` is where its reasoning belongs. `span` is `None` where another instrumentation has made one. `turn` is
    the inferred run it is in, `run` the announced one. `start` are the attributes that the span began with.
    """

    started_ns: int
    context: Context
    session: Session
    messages: Sequence[Any]
    arguments: Mapping[str, Any]
    span: Span | None
    run: Run | None
    turn: Turn | None = None
    start: Attributes = field(default_factory=dict)
    step: int = 0
    attachment: Attachment | None = None


class UnsampledCall:
    """A model call of a run that is not sampled: its root is current, so that nothing below is sampled either."""

    __slots__ = ("attachment", "root")

    def __init__(self, root: Span) -> None:
        self.root = root
        self.attachment: Attachment | None = Attachment(trace.set_span_in_context(root))


class Chats:
    """Follows model calls. No public method raises; each is safe to call from any thread or task."""

    def __init__(self, spans: Spans, sessions: Sessions, roots: OpenRoots, counts: Counts) -> None:
        self.counts = counts
        self._spans = spans
        self._sessions = sessions
        self._roots = roots
        self._endpoints = Endpoints()
        self._unsampled = UnsampledRuns()
        self._active = True

    def stop(self) -> None:
        """Let every further call pass: wrappers cannot always be taken off again."""
        self._active = False

    @guarded
    def begin(self, completions: Any, arguments: Mapping[str, Any]) -> ChatCall | UnsampledCall | None:
        """Open the spans of a model call and make them current; `None` when nothing is recorded."""
        context = otel_context.get_current()
        if not self._active or (context and _is_suppressed(context)):
            return None
        current = trace.get_current_span(context)
        has_parent = current.get_span_context().is_valid
        if not has_parent and _has_tools(arguments):
            root = self._unsampled.root_of(arguments.get("messages"))
            return UnsampledCall(root) if root is not None else self._begin_in_turn(completions, arguments, context)
        if context.get(names.FOREIGN_INFERENCE_KEY) is None:
            return self._begin_plain(completions, arguments, current if has_parent else None, context)
        return self._begin_foreign(arguments, context) if current.is_recording() else None

    def _begin_foreign(self, arguments: Mapping[str, Any], context: Context) -> ChatCall:
        """Inside a call that another instrumentation is tracing: only steps, under its span."""
        call = self._joined(arguments, context, time.time_ns())
        self._infer_tools(call, context)
        return call

    def _begin_plain(
        self, completions: Any, arguments: Mapping[str, Any], parent: Span | None, context: Context
    ) -> ChatCall | None:
        """Under the caller's span, or as a trace of its own where there is neither that nor a tool."""
        started_ns = time.time_ns()
        start = start_attributes(self._endpoints.of(completions._client), arguments.get("model"))
        span = self._spans.start_chat(start, started_ns, context)
        if not span.is_recording():
            return None
        call = self._joined(arguments, context, started_ns)
        top = (parent or span).get_span_context()
        earlier = call.session.last
        if earlier is not None and earlier.trace_id != top.trace_id:
            span.add_link(earlier)
        call.session.last = top
        self._infer_tools(call, context)
        return _opened(call, span, start)

    def _begin_in_turn(
        self, completions: Any, arguments: Mapping[str, Any], context: Context
    ) -> ChatCall | UnsampledCall:
        """In a run that nobody announced: under its root, which is made at its first call."""
        started_ns = time.time_ns()
        messages = snapshot(arguments.get("messages"))
        session = self._sessions.find(messages)
        turn = session.turn if session is not None else None
        if session is None or turn is None or turn.finished:
            model = arguments.get("model")
            root = self._spans.start_root(model if isinstance(model, str) else None, started_ns)
            if not root.is_recording():
                return UnsampledCall(root)
            session = session or self._sessions.start()
            turn = self._start_turn(session, root, started_ns)
        self._sessions.enter(session)
        turn.touch(started_ns)
        context = trace.set_span_in_context(turn.root, context)
        call = ChatCall(started_ns, context, session, messages, arguments, None, None, turn)
        self._infer_tools(call, context)
        start = start_attributes(self._endpoints.of(completions._client), arguments.get("model"))
        return _opened(call, self._spans.start_chat(start, started_ns, context), start)

    def _start_turn(self, session: Session, root: Span, started_ns: int) -> Turn:
        root.set_attribute(names.SESSION_ID, session.id)
        if session.last is not None:
            root.add_link(session.last)
        session.last = root.get_span_context()
        session.turn = Turn(root, started_ns)
        self._roots.open(session.turn)
        return session.turn

    def _joined(self, arguments: Mapping[str, Any], context: Context, started_ns: int) -> ChatCall:
        """The call with its session: the one that came back, else that of the block around it, else a new one."""
        messages = snapshot(arguments.get("messages"))
        run = run_in(context) if context else None
        session = self._sessions.find(messages) or (run.session if run is not None else None) or self._sessions.start()
        if run is not None and run.session is None:
            run.session = session
        self._sessions.enter(session)
        return ChatCall(started_ns, context, session, messages, arguments, None, run)

    def _infer_tools(self, call: ChatCall, context: Context) -> None:
        agent = call.run.name if call.run is not None else None
        for result in self._sessions.results(call.session, call.messages):
            self._spans.inferred_tool(result, context, agent, call.started_ns)

    def release(self, call: ChatCall | UnsampledCall) -> None:
        """Make the caller's context current again."""
        if call.attachment is not None:
            call.attachment.release()

    def end(self, call: ChatCall | UnsampledCall, response: Any) -> None:
        """Close a model call that was answered. The end is taken before any content is looked at."""
        ended_ns = time.time_ns()
        if isinstance(call, UnsampledCall):
            self._remember_unsampled(call, response)
            return
        self._answered(call, response, ended_ns)
        if call.span is not None and call.span.is_recording():
            call.span.end(ended_ns)  # an answer that could not be read still is a call that was made

    @guarded
    def _remember_unsampled(self, call: UnsampledCall, response: Any) -> None:
        self._unsampled.remember(call.root, getattr(response, "choices", None) or ())

    @guarded
    def _answered(self, call: ChatCall, response: Any, ended_ns: int) -> None:
        answer = self._read(call, response)
        choices = [choice_of(choice) for choice in getattr(answer, "choices", None) or ()]
        wants_tools = self._remember(call, choices, ended_ns)
        attributes = {} if answer is None else response_attributes(answer)
        if choices:
            attributes[names.RESPONSE_FINISH_REASONS] = tuple([choice.finish_reason for choice in choices])
        for choice in choices:
            for text in choice.reasoning:
                interval = Interval(call.started_ns, ended_ns)
                self._spans.reasoning(call.session, text, "raw", call.context, interval, inferred=True)
        for run in (call.run, call.turn):
            if run is not None:
                run.totals.add(attributes)
        if call.span is not None:
            self._close(call, call.span, attributes, choices, ended_ns)
        if call.turn is not None:
            self._note_turn(call.turn, wants_tools=wants_tools, ended_ns=ended_ns)

    @guarded
    def _read(self, call: ChatCall, response: Any) -> Any:
        return answer_of(response, call.arguments)

    def _remember(self, call: ChatCall, choices: list[Choice], ended_ns: int) -> bool:
        """Make the answer known for the next request; true if it asks for tools."""
        wants_tools = False
        for choice in choices:
            wants_tools |= bool(choice.calls)
            if not any(asked.id for asked in choice.calls):  # in words, or the older `function_call`
                self._sessions.answered(call.session, choice.message, call.messages[-1] if call.messages else None)
                continue
            self._unsampled.forget(choice.calls)
            self._sessions.asked(call.session, choice.calls, ended_ns, snapshot(call.arguments.get("tools")))
        return wants_tools

    def _close(self, call: ChatCall, span: Span, attributes: Attributes, choices: list[Choice], ended_ns: int) -> None:
        attributes.update(request_attributes(call.arguments))
        attributes[names.SESSION_ID] = call.session.id
        attributes[names.STEP] = call.step
        content: dict[str, Any] = {}
        if self._spans.mode.place != "none":
            content[names.INPUT_MESSAGES] = input_messages(call.messages)
            if choices:
                content[names.OUTPUT_MESSAGES] = [output_message(choice) for choice in choices]
            tools = snapshot(call.arguments.get("tools"))
            if tools:
                content[names.TOOL_DEFINITIONS] = tool_definitions(tools)
        if self._spans.mode.on_events:
            attributes = {**call.start, **attributes}
        self._spans.close_chat(span, attributes, content, call.context, ended_ns)

    def _note_turn(self, turn: Turn, *, wants_tools: bool, ended_ns: int) -> None:
        turn.touch(ended_ns)
        turn.error_type = None
        if not wants_tools:
            turn.finished = True
            self._roots.close(turn)

    @guarded
    def fail(self, call: ChatCall | UnsampledCall, error: BaseException) -> None:
        """Close a model call that raised, was cancelled or abandoned."""
        ended_ns = time.time_ns()
        if isinstance(call, UnsampledCall):
            return
        if call.span is not None:
            self._spans.fail(call.span, error)
            self._close(call, call.span, {names.ERROR_TYPE: type(error).__qualname__}, [], ended_ns)
        if call.turn is not None:
            self._fail_turn(call, call.turn, error, ended_ns)

    def _fail_turn(self, call: ChatCall, turn: Turn, error: BaseException, ended_ns: int) -> None:
        """Keep the run open for a program that tries again: it brings the same messages.

        The first call of a session brings nothing to be known by, so a run that failed there is over.
        """
        turn.error_type = type(error).__qualname__
        turn.touch(ended_ns)
        if not any(fields_of(message).get("role") == "assistant" for message in call.messages):
            turn.finished = True
            self._roots.close(turn)


def _opened(call: ChatCall, span: Span, start: Attributes) -> ChatCall:
    call.span = span
    call.start = start
    call.step = call.session.next_step()
    call.context = trace.set_span_in_context(span, call.context)
    call.attachment = Attachment(call.context)
    return call


def _is_suppressed(context: Context) -> bool:
    """As `opentelemetry.instrumentation.utils.is_instrumentation_enabled` reads it, with one look at the context."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"))


def _has_tools(arguments: Mapping[str, Any]) -> bool:
    """Whether the request offers tools, or brings a tool's result."""
    for name in ("tools", "functions"):
        tools = arguments.get(name)
        if isinstance(tools, list | tuple) and tools:
            return True
    messages = arguments.get("messages")
    if not isinstance(messages, list | tuple):
        return False
    return any(fields_of(message).get("role") in ("tool", "function") for message in reversed(messages))
