"""What the agent does -> spans: model calls with their reasoning, the tool calls between them, the run around them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer

from spanwarden import names
from spanwarden.content import ContentMode
from spanwarden.encode import fields_of, json_text, plain, sendable
from spanwarden.guard import Attachment, Counts, guarded
from spanwarden.messages import AskedCall, input_messages, output_message, reasoning_texts, tool_definitions
from spanwarden.request import Endpoints, answer_of, request_attributes, response_attributes, snapshot, start_attributes
from spanwarden.roots import OpenRoots, Turn
from spanwarden.sessions import Call, Session, Sessions

ReasoningKind: TypeAlias = Literal["raw", "summary", "encrypted"]
"""How much of the reasoning a monitor can read."""

_RUN_KEY: Final = otel_context.create_key("spanwarden-run")


@dataclass(slots=True, eq=False)
class Run:
    """One `spanwarden.agent` block. Its session is known from the first step in it."""

    span: Span
    name: str | None
    session: Session | None
    input_tokens: int = 0
    output_tokens: int = 0
    attachment: Attachment | None = None


@dataclass(slots=True, eq=False)
class ChatCall:
    """A model call on its way.

    `span` is `None` where another instrumentation has made one, and for a run that is not sampled, whose answers
    are remembered so that the rest of it is not sampled either.
    """

    started_ns: int
    context: Context
    session: Session
    messages: Sequence[Any]
    arguments: Mapping[str, Any]
    span: Span | None
    start: dict[str, Any]
    recorded: bool = True
    turn: Turn | None = None
    attachment: Attachment | None = None


@dataclass(slots=True, eq=False)
class ToolRun:
    """A tool of the user's own at work."""

    span: Span
    attachment: Attachment


class Recorder:
    """Makes the spans. None of its public methods raises; each is safe to call from any thread or task."""

    def __init__(self, tracer: Tracer, logger: Logger, mode: ContentMode, counts: Counts, roots: OpenRoots) -> None:
        self.counts = counts
        self.roots = roots
        self.sessions = Sessions(counts)
        self._tracer = tracer
        self._logger = logger
        self._mode = mode
        self._endpoints = Endpoints()

    def after_fork(self) -> None:
        """Make a child process independent of its parent's locks and open spans."""
        self.sessions.after_fork()
        self.roots.after_fork()

    # Model calls

    @guarded
    def begin_chat(self, completions: Any, arguments: Mapping[str, Any]) -> ChatCall | None:
        """Open the spans of a model call and make them current; `None` when nothing is recorded."""
        started_ns = time.time_ns()
        current = trace.get_current_span()
        start = start_attributes(self._endpoints.of(completions._client), arguments.get("model"))
        if otel_context.get_value(names.FOREIGN_INFERENCE_KEY) is not None:
            return self._begin_foreign(current, arguments, start, started_ns)
        if current.get_span_context().is_valid or not _has_tools(arguments):
            return self._begin_plain(current, arguments, start, started_ns)
        return self._begin_in_turn(arguments, start, started_ns)

    def _begin_foreign(
        self, current: Span, arguments: Mapping[str, Any], start: dict[str, Any], started_ns: int
    ) -> ChatCall | None:
        if not current.is_recording():
            return None
        messages = snapshot(arguments.get("messages"))
        context = otel_context.get_current()
        session = self._session(messages)
        self._infer_tools(session, messages, context, started_ns)
        return ChatCall(started_ns, context, session, messages, arguments, None, start)

    def _begin_plain(
        self, current: Span, arguments: Mapping[str, Any], start: dict[str, Any], started_ns: int
    ) -> ChatCall | None:
        """Under the caller's span, or as a trace of its own where there is neither that nor a tool."""
        span = self._start_chat(start, started_ns, None)
        if not span.is_recording():
            return None
        messages = snapshot(arguments.get("messages"))
        session = self._session(messages)
        top = current.get_span_context() if current.get_span_context().is_valid else span.get_span_context()
        if session.last is not None and session.last.trace_id != top.trace_id:
            span.add_link(session.last)
        session.last = top
        self._infer_tools(session, messages, otel_context.get_current(), started_ns)
        context = trace.set_span_in_context(span)
        call = ChatCall(started_ns, context, session, messages, arguments, span, start)
        return self._numbered(call)

    def _begin_in_turn(self, arguments: Mapping[str, Any], start: dict[str, Any], started_ns: int) -> ChatCall:
        """In a run that nobody announced: under its root, which is made at its first call."""
        messages = snapshot(arguments.get("messages"))
        session = self._session(messages)
        turn = session.turn
        if turn is None or turn.finished:
            turn = self._start_turn(session, start, started_ns)
        context = trace.set_span_in_context(turn.root)
        if not turn.recorded:
            attachment = Attachment(context)
            return ChatCall(
                started_ns,
                context,
                session,
                messages,
                arguments,
                None,
                start,
                recorded=False,
                turn=turn,
                attachment=attachment,
            )
        self.roots.touch(turn, started_ns)
        self._infer_tools(session, messages, context, started_ns)
        span = self._start_chat(start, started_ns, context)
        chat_context = trace.set_span_in_context(span)
        return self._numbered(ChatCall(started_ns, chat_context, session, messages, arguments, span, start, turn=turn))

    def _start_chat(self, start: dict[str, Any], started_ns: int, context: Context | None) -> Span:
        model = start.get(names.REQUEST_MODEL)
        name = f"chat {model}" if model else "chat"
        return self._tracer.start_span(name, context, SpanKind.CLIENT, start, start_time=started_ns)

    def _numbered(self, call: ChatCall) -> ChatCall:
        call.start = {names.SESSION_ID: call.session.id, names.STEP: call.session.next_step()}
        call.attachment = Attachment(call.context)
        return call

    def _start_turn(self, session: Session, start: Mapping[str, Any], started_ns: int) -> Turn:
        attributes: dict[str, Any] = {
            names.OPERATION: "invoke_agent",
            names.SESSION_ID: session.id,
            names.INFERRED: True,
        }
        if names.REQUEST_MODEL in start:
            attributes[names.REQUEST_MODEL] = start[names.REQUEST_MODEL]
        links = [Link(session.last)] if session.last is not None else None
        root = self._tracer.start_span("invoke_agent", None, SpanKind.INTERNAL, attributes, links, started_ns)
        turn = Turn(root, started_ns, root.is_recording())
        session.turn = turn
        session.last = root.get_span_context()
        if turn.recorded:
            self.roots.open(turn)
        return turn

    def _session(self, messages: Sequence[Any]) -> Session:
        """The session that came back, else that of the `agent` block around the call, else a new one."""
        run = _current_run()
        session = self.sessions.find(messages) or (run.session if run is not None else None) or self.sessions.start()
        if run is not None and run.session is None:
            run.session = session
        self.sessions.enter(session)
        return session

    def _infer_tools(self, session: Session, messages: Sequence[Any], context: Context, ended_ns: int) -> None:
        for call, asked, result in self.sessions.results(session, messages):
            attributes = self._tool_attributes(session, asked.name, call, asked)
            attributes[names.INFERRED] = True
            if self._mode.on_spans:
                attributes[names.TOOL_CALL_RESULT] = _text_or_json(result)
            started_ns = min(call.asked_ns, ended_ns)
            name = f"execute_tool {sendable(asked.name)}"
            span = self._tracer.start_span(name, context, SpanKind.INTERNAL, attributes, start_time=started_ns)
            span.end(ended_ns)

    def _tool_attributes(
        self, session: Session, name: str, call: Call | None, asked: AskedCall | None
    ) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            names.OPERATION: "execute_tool",
            names.TOOL_NAME: sendable(name),
            names.TOOL_TYPE: "function",
            names.SESSION_ID: session.id,
            names.STEP: session.next_step(),
        }
        run = _current_run()
        if run is not None and run.name:
            attributes[names.AGENT_NAME] = run.name
        if call is None or asked is None:
            return attributes
        attributes[names.TOOL_CALL_ID] = sendable(asked.id)
        if call.description:
            attributes[names.TOOL_DESCRIPTION] = sendable(call.description)
        if self._mode.on_spans:
            attributes[names.TOOL_CALL_ARGUMENTS] = sendable(asked.arguments)
        return attributes

    def end_chat(self, call: ChatCall, response: Any) -> None:
        """Close a model call that was answered. The end is taken before any content is looked at."""
        ended_ns = time.time_ns()
        self._answered(call, response, ended_ns)
        if call.span is not None and call.span.is_recording():
            call.span.end(ended_ns)  # an answer that could not be read still is a call that was made

    @guarded
    def _answered(self, call: ChatCall, response: Any, ended_ns: int) -> None:
        answer = self._answer(response, call.arguments)
        choices = [fields_of(choice) for choice in getattr(answer, "choices", None) or ()]
        messages = [fields_of(choice.get("message")) for choice in choices]
        tools = snapshot(call.arguments.get("tools"))
        before = call.messages[-1] if call.messages else None
        wants_tools = False
        for message in messages:
            wants_tools |= bool(self.sessions.answered(call.session, message, before, ended_ns, tools))
        if call.turn is not None:
            self._note_turn(call.turn, wants_tools=wants_tools, ended_ns=ended_ns)
        if call.recorded:
            self._record_answer(call, answer, choices, messages, ended_ns)
        if call.turn is not None and call.turn.finished:
            self.roots.close(call.turn)

    @guarded
    def _answer(self, response: Any, arguments: Mapping[str, Any]) -> Any:
        return answer_of(response, arguments)

    def _record_answer(
        self,
        call: ChatCall,
        response: Any,
        choices: list[Mapping[str, Any]],
        answers: list[Mapping[str, Any]],
        ended_ns: int,
    ) -> None:
        attributes = request_attributes(call.arguments)
        attributes.update(response_attributes(response))
        reasons = [str(choice.get("finish_reason") or "error") for choice in choices]
        if reasons:
            attributes[names.RESPONSE_FINISH_REASONS] = tuple(reasons)
        self._add_usage(call, attributes)
        for answer in answers:
            for text in reasoning_texts(answer):
                self._reasoning_span(call.session, text, "raw", call.context, call.started_ns, ended_ns)
        output = [output_message(answer, reason) for answer, reason in zip(answers, reasons, strict=True)]
        self._close_chat(call, attributes, output, ended_ns)

    def _close_chat(
        self, call: ChatCall, attributes: dict[str, Any], output: list[dict[str, Any]] | None, ended_ns: int
    ) -> None:
        if call.span is None:
            return
        attributes.update(call.start)
        content: dict[str, Any] = {}
        if self._mode.place != "none":
            content[names.INPUT_MESSAGES] = input_messages(call.messages)
            if output is not None:
                content[names.OUTPUT_MESSAGES] = output
            tools = snapshot(call.arguments.get("tools"))
            if tools:
                content[names.TOOL_DEFINITIONS] = tool_definitions(tools)
        if self._mode.on_events:
            self._emit_event(call, attributes, content, ended_ns)
        if self._mode.on_spans:
            for key, value in content.items():
                attributes[key] = json_text(value)
        call.span.set_attributes(attributes)
        call.span.end(ended_ns)

    def _emit_event(
        self, call: ChatCall, attributes: Mapping[str, Any], content: dict[str, Any], ended_ns: int
    ) -> None:
        """The conventions' event: the same attributes as the span, content as structure."""
        self._logger.emit(
            timestamp=ended_ns,
            context=call.context,
            severity_number=SeverityNumber.DEBUG,
            event_name=names.INFERENCE_EVENT,
            attributes={**attributes, **{key: plain(value) for key, value in content.items()}},
        )

    def _reasoning_span(
        self, session: Session, text: str, kind: ReasoningKind, context: Context, started_ns: int, ended_ns: int
    ) -> None:
        attributes: dict[str, Any] = {
            names.SESSION_ID: session.id,
            names.STEP: session.next_step(),
            names.REASONING_KIND: kind,
        }
        if started_ns != ended_ns:
            attributes[names.INFERRED] = True
        if self._mode.on_spans:
            part = {"type": "reasoning", "content": text}
            attributes[names.OUTPUT_MESSAGES] = json_text([{"role": "assistant", "parts": [part]}])
        span = self._tracer.start_span("reasoning", context, SpanKind.INTERNAL, attributes, start_time=started_ns)
        span.end(ended_ns)

    def _add_usage(self, call: ChatCall, attributes: Mapping[str, Any]) -> None:
        for total in (call.turn, _current_run()):
            if total is not None:
                total.input_tokens += attributes.get(names.USAGE_INPUT, 0)
                total.output_tokens += attributes.get(names.USAGE_OUTPUT, 0)
        if call.turn is not None:
            call.turn.finish_reasons = attributes.get(names.RESPONSE_FINISH_REASONS, ())

    def _note_turn(self, turn: Turn, *, wants_tools: bool, ended_ns: int) -> None:
        self.roots.touch(turn, ended_ns)
        turn.error_type = None
        turn.finished = not wants_tools

    @guarded
    def fail_chat(self, call: ChatCall, error: BaseException) -> None:
        """Close a model call that raised, was cancelled or abandoned."""
        ended_ns = time.time_ns()
        error_type = type(error).__qualname__
        if call.span is not None:
            attributes = {**request_attributes(call.arguments), names.ERROR_TYPE: error_type}
            description = sendable(str(error))[:500] if self._mode.on_spans else None
            call.span.set_status(Status(StatusCode.ERROR, description))
            self._close_chat(call, attributes, None, ended_ns)
        if call.turn is not None:
            # The run stays open: a program that tries again brings the same messages. Its first call brings
            # nothing to be known by, so a run that failed there is over.
            call.turn.error_type = error_type
            self.roots.touch(call.turn, ended_ns)
            if not any(fields_of(message).get("role") == "assistant" for message in call.messages):
                call.turn.finished = True
                self.roots.close(call.turn)

    @guarded
    def detach(self, call: ChatCall) -> None:
        """Make the caller's context current again."""
        if call.attachment is not None:
            call.attachment.release()

    # Steps that the user's code announces

    @guarded
    def begin_tool(self, name: str, arguments: Any, call_id: str | None) -> ToolRun | None:
        """Open the span of a tool and make it current."""
        run = _current_run()
        here = self.sessions.here()
        claimed = self.sessions.claim(name, arguments, call_id, here)
        call, asked = claimed if claimed is not None else (None, None)
        session = call.session if call is not None else self._step_session(run, here)
        context = self._step_context(session)
        span = self._tracer.start_span(
            f"execute_tool {sendable(name)}",
            context,
            SpanKind.INTERNAL,
            {names.OPERATION: "execute_tool", names.TOOL_NAME: sendable(name), names.TOOL_TYPE: "function"},
        )
        if span.is_recording():
            attributes = self._tool_attributes(session, name, call, asked)
            if call_id is not None:
                attributes[names.TOOL_CALL_ID] = sendable(call_id)
            if self._mode.on_spans and call is None and arguments is not None:
                attributes[names.TOOL_CALL_ARGUMENTS] = _text_or_json(arguments)
            span.set_attributes(attributes)
        return ToolRun(span, Attachment(trace.set_span_in_context(span)))

    @guarded
    def end_tool(self, tool: ToolRun, result: Any, error: BaseException | None) -> None:
        """Close the span of a tool."""
        ended_ns = time.time_ns()
        tool.attachment.release()
        if tool.span.is_recording():
            if error is not None:
                self._set_error(tool.span, error)
            elif self._mode.on_spans:
                tool.span.set_attribute(names.TOOL_CALL_RESULT, _text_or_json(result))
        tool.span.end(ended_ns)

    @guarded
    def begin_run(self, name: str | None, conversation_id: str | None) -> Run:
        """Open the span of an agent's run and make it current."""
        attributes: dict[str, Any] = {names.OPERATION: "invoke_agent"}
        if name:
            attributes[names.AGENT_NAME] = sendable(name)
        if conversation_id:
            attributes[names.CONVERSATION_ID] = sendable(conversation_id)
        span_name = f"invoke_agent {sendable(name)}" if name else "invoke_agent"
        span = self._tracer.start_span(span_name, None, SpanKind.INTERNAL, attributes)
        session = self.sessions.named(sendable(conversation_id)) if conversation_id else None
        run = Run(span, sendable(name) if name else None, session)
        context = otel_context.set_value(_RUN_KEY, run, trace.set_span_in_context(span))
        run.attachment = Attachment(context)
        return run

    @guarded
    def end_run(self, run: Run, error: BaseException | None) -> None:
        """Close the span of an agent's run."""
        ended_ns = time.time_ns()
        if run.attachment is not None:
            run.attachment.release()
        if run.span.is_recording():
            session = run.session or self.sessions.start()
            run.span.set_attributes(
                {
                    names.SESSION_ID: session.id,
                    names.USAGE_INPUT: run.input_tokens,
                    names.USAGE_OUTPUT: run.output_tokens,
                }
            )
            if error is not None:
                self._set_error(run.span, error)
        run.span.end(ended_ns)

    @guarded
    def reasoning(self, text: str, kind: ReasoningKind) -> None:
        """Record reasoning that the user's code came by, at this moment."""
        now_ns = time.time_ns()
        session = self._step_session(_current_run(), self.sessions.here())
        self._reasoning_span(session, text, kind, self._step_context(session), now_ns, now_ns)

    def _step_session(self, run: Run | None, here: Session | None) -> Session:
        session = (run.session if run is not None else here) or self.sessions.start()
        if run is not None and run.session is None:
            run.session = session
        return session

    def _step_context(self, session: Session) -> Context:
        """Under the current span if there is one, else under the run that the session is in."""
        if not trace.get_current_span().get_span_context().is_valid and session.turn is not None:
            return trace.set_span_in_context(session.turn.root)
        return otel_context.get_current()

    def _set_error(self, span: Span, error: BaseException) -> None:
        span.set_attribute(names.ERROR_TYPE, type(error).__qualname__)
        description = sendable(str(error))[:500] if self._mode.on_spans else None
        span.set_status(Status(StatusCode.ERROR, description))


def _current_run() -> Run | None:
    run = otel_context.get_value(_RUN_KEY)
    return run if isinstance(run, Run) else None


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


def _text_or_json(value: Any) -> str:
    return sendable(value) if isinstance(value, str) else json_text(value)
