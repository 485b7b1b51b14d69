"""Model calls -> their spans: which session and run a call belongs to, what came back, what the program did between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import Span

from spanwarden import names
from spanwarden.answers import Answers, HttpSeen, ModelCall
from spanwarden.apis import Api
from spanwarden.guard import Attachment, Counts, guarded, holder, is_recording, recording
from spanwarden.heard import Conversation
from spanwarden.metrics import Metrics
from spanwarden.request import Endpoints, start_attributes
from spanwarden.roots import OpenRoots, Turn
from spanwarden.runs import run_in
from spanwarden.session import Session
from spanwarden.sessions import Sessions
from spanwarden.spans import Spans
from spanwarden.streams import Ending, OpenStreams
from spanwarden.unsampled import UnsampledRuns


@dataclass(slots=True, eq=False)
class UnsampledCall:
    """A model call of a run that is not sampled: its root is current, so that nothing below is sampled either."""

    api: Api
    root: Span
    attachment: Attachment | None = None
    http: HttpSeen = field(default_factory=HttpSeen)

    def attach(self) -> UnsampledCall:
        """Make the root current."""
        self.attachment = Attachment(trace.set_span_in_context(self.root))
        return self


class Calls:
    """Follows model calls. No public method raises; each is safe to call from any thread or task."""

    def __init__(self, spans: Spans, sessions: Sessions, roots: OpenRoots, metrics: Metrics, counts: Counts) -> None:
        self.counts = counts
        self.streams = OpenStreams()
        self.measures = not metrics.idle
        self._spans = spans
        self._sessions = sessions
        self._roots = roots
        self._endpoints = Endpoints()
        self._unsampled = UnsampledRuns()
        self._answers = Answers(spans, sessions, roots, self._unsampled, metrics, counts)
        self._active = True

    def stop(self) -> None:
        """Let every further call pass: wrappers cannot always be taken off again."""
        self._active = False

    def begin(self, api: Api, resource: Any, arguments: Mapping[str, Any]) -> ModelCall | UnsampledCall | None:
        """Open the spans of a model call and make them current; `None` when nothing is recorded."""
        return self._begin(api, resource, arguments) if self._active and not is_recording() else None

    @recording
    def _begin(self, api: Api, resource: Any, arguments: Mapping[str, Any]) -> ModelCall | UnsampledCall | None:
        context = otel_context.get_current()
        if context and _is_suppressed(context):
            return None
        current = trace.get_current_span(context) if context else trace.INVALID_SPAN
        has_parent = current is not trace.INVALID_SPAN and current.get_span_context().is_valid
        conversation = api.hear(arguments, api.messages(arguments))
        if not has_parent and self._is_in_run(api, arguments, conversation):
            root = self._unsampled.root_of(conversation)
            if root is not None:
                return UnsampledCall(api, root).attach()
            return self._begin_in_turn(api, resource, arguments, conversation, context)
        if context.get(names.FOREIGN_INFERENCE_KEY) is None:
            parent = current if has_parent else None
            return self._begin_plain(api, resource, arguments, conversation, parent, context)
        return self._begin_foreign(api, arguments, conversation, context) if current.is_recording() else None

    def _is_in_run(self, api: Api, arguments: Mapping[str, Any], conversation: Conversation) -> bool:
        """Whether the request offers tools, brings a tool's result, or asks for an answer of a run that is open."""
        tools = arguments.get("tools") or arguments.get("functions")
        if tools and isinstance(tools, list | tuple):
            return True
        if api.in_run == "always" or conversation.brings_results():
            return True
        if api.in_run == "tools":
            return False
        session = self._sessions.find(conversation)
        return session is not None and session.turn is not None and not session.turn.finished

    def _begin_foreign(
        self, api: Api, arguments: Mapping[str, Any], conversation: Conversation, context: Context
    ) -> ModelCall:
        """Inside a call that another instrumentation is tracing: only steps, under its span."""
        call = self._joined(api, arguments, conversation, context, time.time_ns())
        self._infer_tools(call, context)
        return call

    def _begin_plain(
        self,
        api: Api,
        resource: Any,
        arguments: Mapping[str, Any],
        conversation: Conversation,
        parent: Span | None,
        context: Context,
    ) -> ModelCall | None:
        """Under the caller's span, or as a trace of its own where there is neither that nor a tool."""
        started_ns = time.time_ns()
        start = start_attributes(self._endpoints.of(resource._client), api.operation, arguments.get("model"))
        span = self._spans.start_call(start, started_ns, context)
        if not span.is_recording():
            return None
        try:
            call = self._joined(api, arguments, conversation, context, started_ns)
            top = (parent or span).get_span_context()
            earlier = call.session.last
            if earlier is not None and earlier.trace_id != top.trace_id:
                span.add_link(earlier)
            call.session.last = top
            self._infer_tools(call, context)
            return _opened(call, span, start)
        except BaseException:
            self.counts.end_span(span, time.time_ns())  # a span that has begun has to end
            raise

    def _begin_in_turn(
        self, api: Api, resource: Any, arguments: Mapping[str, Any], conversation: Conversation, context: Context
    ) -> ModelCall | UnsampledCall:
        """In a run that nobody announced: under its root, which is made at its first call."""
        started_ns = time.time_ns()
        start = start_attributes(self._endpoints.of(resource._client), api.operation, arguments.get("model"))
        session = self._sessions.find(conversation)
        turn = session.turn if session is not None else None
        begun: Turn | None = None
        if session is None or turn is None or turn.finished:
            model = arguments.get("model")
            root = self._spans.start_root(model if isinstance(model, str) else None, started_ns)
            if not root.is_recording():
                return UnsampledCall(api, root).attach()
            session = session or self._sessions.start()
            begun = turn = self._start_turn(session, root, started_ns)
        self._sessions.enter(session)
        turn.touch(started_ns)
        context = trace.set_span_in_context(turn.root, context)
        conversation.keep()
        call = ModelCall(api, started_ns, context, session, conversation, arguments, None, None, turn)
        self._infer_tools(call, context)
        try:
            span = self._spans.start_call(start, started_ns, context)
        except BaseException:
            if begun is not None:  # a run without a call
                begun.finished = True
                self._roots.close(begun)
            raise
        return _opened(call, span, start)

    def _start_turn(self, session: Session, root: Span, started_ns: int) -> Turn:
        root.set_attribute(names.SESSION_ID, session.id)
        if session.conversation_id is not None:
            root.set_attribute(names.CONVERSATION_ID, session.conversation_id)
        if session.last is not None:
            root.add_link(session.last)
        session.last = root.get_span_context()
        session.turn = Turn(root, started_ns)
        self._roots.open(session.turn)
        return session.turn

    def _joined(
        self, api: Api, arguments: Mapping[str, Any], conversation: Conversation, context: Context, started_ns: int
    ) -> ModelCall:
        """The call with its session: the one that came back, else that of the block around it, else a new one."""
        run = run_in(context) if context else None
        session = self._sessions.find(conversation) or (run.session if run is not None else None)
        session = session or self._sessions.start()
        if run is not None and run.session is None:
            run.session = session
        self._sessions.enter(session)
        conversation.keep()
        return ModelCall(api, started_ns, context, session, conversation, arguments, None, run)

    def _infer_tools(self, call: ModelCall, context: Context) -> None:
        agent = call.run.name if call.run is not None else None
        for result in self._sessions.results(call.session, call.conversation):
            if call.run is not None:
                call.run.totals.tool_calls += 1
            try:
                self._spans.inferred_tool(result, context, agent, call.started_ns)
            except Exception as error:  # noqa: BLE001 - a sampler's or processor's; the rest is recorded
                self.counts.note_fault("Spans.inferred_tool", error)

    @guarded
    def seen_response(self, response: Any, retries: int) -> None:
        """Note the HTTP response to the call that is on its way here."""
        call = holder()
        if isinstance(call, ModelCall):
            call.http = HttpSeen(response, retries)

    def end(self, call: ModelCall | UnsampledCall, answer: Any) -> None:
        """Close a model call that was answered. The end is taken before any content is looked at."""
        ended_ns = time.time_ns()
        if isinstance(call, UnsampledCall):
            self._remember_unsampled(call, answer)
            return
        self._answers.answered(call, answer, ended_ns)
        self._see_ended(call, ended_ns)

    def end_stream(self, call: ModelCall | UnsampledCall, ending: Ending) -> None:
        """Close a model call whose answer was streamed, with what came of it."""
        if isinstance(call, UnsampledCall):
            self._remember_unsampled(call, ending.gathering.answer())
            return
        call.first_ns = ending.first_ns
        call.chunk_gaps_ns = ending.chunk_gaps_ns
        self._answers.streamed(call, ending)
        self._see_ended(call, ending.ended_ns)

    @guarded
    def _remember_unsampled(self, call: UnsampledCall, answer: Any) -> None:
        self._unsampled.remember(call.root, call.api.call_ids(answer))

    def fail(self, call: ModelCall | UnsampledCall, error: BaseException) -> None:
        """Close a model call that raised, was cancelled or abandoned."""
        if isinstance(call, ModelCall):
            ended_ns = time.time_ns()
            self._answers.failed(call, error, ended_ns)
            self._see_ended(call, ended_ns)

    def _see_ended(self, call: ModelCall, ended_ns: int) -> None:
        """End a span that is open still: an answer that could not be recorded is a call that was made."""
        if call.span is not None and call.span.is_recording():
            self.counts.end_span(call.span, ended_ns)


def _opened(call: ModelCall, span: Span, start: dict[str, Any]) -> ModelCall:
    call.span = span
    call.start = start
    call.step = call.session.next_step()
    call.context = trace.set_span_in_context(span, call.context)
    call.attachment = Attachment(call.context, call)
    return call


def _is_suppressed(context: Context) -> bool:
    """As `opentelemetry.instrumentation.utils.is_instrumentation_enabled` reads it, with one look at the context."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"))
